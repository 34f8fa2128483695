"""What a reader of model files hands over: a graph, where to cut it, where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfattr.errors import GraphError
from tfattr.trunk import graph as g

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model file that has been read.

    Attributes:
        graph_def: its graph, with variables or frozen.
        input: tensor that is fed.
        output: tensor of the representation.
        where: the file, for messages.
        name: how to call the model if the user does not say.
        provenance: source, path and sha256 of the weights.
        restore: puts values in place of the variables.
    """

    graph_def: g.GraphDef
    input: str
    output: str
    where: str
    name: str
    provenance: Mapping[str, Any]
    restore: Callable[[g.GraphDef], g.GraphDef] | None = None


def flattened(structure: Any) -> list[tuple[str, Any]]:
    """The leaves of lists, tuples and dicts in TensorFlow's order, each with its path: ``"emb"``, ``"1"``, ``"a/0"``."""
    if isinstance(structure, Mapping):
        parts = [(str(key), structure[key]) for key in sorted(structure)]
    elif isinstance(structure, (list, tuple)):
        fields = getattr(structure, "_fields", range(len(structure)))
        parts = [(str(key), part) for key, part in zip(fields, structure)]
    else:
        return [] if structure is None else [("", structure)]
    return [
        (f"{path}/{inner}" if inner else path, leaf)
        for path, part in parts
        for inner, leaf in flattened(part)
    ]


def choose(
    outputs: list[tuple[str, tf.Tensor]], wanted: str | int | None, where: str, names: list[str] | None = None
) -> int:
    """Which of a model's outputs ``wanted`` (a path, a name or a position) is; None takes the only one, or "default".

    Raises:
        GraphError: it is none of them, or there are several and none is named.
    """
    paths = [path for path, _ in outputs]
    if names is None or len(names) != len(paths) or not all(path.isdigit() for path in paths):
        names = paths
    if wanted is None:
        if len(outputs) == 1 or "default" in paths:
            return paths.index("default") if "default" in paths else 0
        raise GraphError(f"{where}: the model gives {_listed(names, outputs)}; name one of them as output=.")
    for known in (paths, names):
        if wanted in known:
            return known.index(wanted)
    if str(wanted).lstrip("-").isdigit() and -len(outputs) <= int(wanted) < len(outputs):
        return int(wanted) % len(outputs)
    raise GraphError(f"{where}: no output {wanted!r}; the model gives {_listed(names, outputs)}.")


def _listed(names: list[str], outputs: list[tuple[str, tf.Tensor]]) -> str:
    if not any(name.isdigit() or not name for name in names):
        return ", ".join(names)
    return ", ".join(
        f"{name or '0'} of shape {list(tensor.shape)}" for name, (_, tensor) in zip(names, outputs)
    )
