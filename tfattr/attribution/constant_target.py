"""Recognises a target that does not depend on the image: its gradient is rounding noise, and so is every map of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfattr.attribution.notices import Remembered
from tfattr.errors import ConstantTargetError
from tfattr.trunk import graph as g

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

_SEED = 20190703
_STEPS = (0.02, 0.1, 0.5)  # of the range of a pixel
_CANCELLED = 1e-5  # what is left of the units' changes where they cancel
_ROUNDING = 8 * float(np.finfo(np.float32).eps)  # of the sum of the units' sizes

_constant: Remembered[bool] = Remembered()


def refuse_constant_target(trunk: Trunk, target: str = "sum", x: np.ndarray | None = None) -> None:
    """That the attributed target moves with the image; tried once for a trunk and target, on four images.

    The target's finite differences are compared with its units': where the image moves the units, and the sum of their
    changes is rounding at each of three steps, the target is constant.

    Args:
        trunk: the model.
        target: ``"sum"`` of the units or ``"energy"``, half their squared norm.
        x: images in the fed frame to start from; None takes random pixels.

    Raises:
        ConstantTargetError: it does not (softmax outputs, a last norm without weights).
    """
    found = _constant.get(trunk, target)
    if found is None:
        found = _constant.keep(trunk, target, is_constant(_terms(trunk, target, x)))
    if found:
        raise ConstantTargetError(_sentence(trunk, target))


def is_constant(terms: np.ndarray) -> bool:
    """Whether the sums of ``[images, units]`` (float64) are equal up to float32 rounding while the units differ.

    Units that hardly move say nothing (a dead network), nor do values that are not finite.
    """
    size = np.abs(terms[0]).sum()
    changes = terms[1:] - terms[0]
    moved, left = np.abs(changes).sum(1), np.abs(changes.sum(1))
    clear = moved > 1e3 * _ROUNDING * size
    return bool(clear.any() and (left <= _CANCELLED * moved + _ROUNDING * size)[clear].all())


def _terms(trunk: Trunk, target: str, x: np.ndarray | None) -> np.ndarray:
    low, high = trunk.preprocessing.bounds
    random = np.random.default_rng(_SEED)
    start = random.uniform(low, high, trunk.input_shape) if x is None or not len(x) else np.asarray(x[0])
    noise = random.uniform(-1.0, 1.0, start.shape) * (high - low)
    points = np.stack([start, *(start + step * noise for step in _STEPS)]).astype(np.float32)
    y = np.asarray(trunk(points), np.float64).reshape(len(points), -1)
    return y if target == "sum" else 0.5 * y * y


def _sentence(trunk: Trunk, target: str) -> str:
    what = "sum" if target == "sum" else "squared norm"
    logits = _logits(trunk)
    hint = f"(here {logits!r})" if logits else "(what the softmax or the last norm reads)"
    return (
        f"{trunk.name}: the {what} of the output {trunk.output!r} is constant, whatever the image, so that each of its "
        f"maps would be rounding noise: name the logits {hint} as the output."
    )


def _logits(trunk: Trunk) -> str | None:
    """What the softmax at the end of a graph reads."""
    nodes, name = g.nodes_by_name(trunk.graph_def), g.split(trunk.output)[0]
    while nodes[name].op in ("Reshape", "Identity", "Squeeze"):
        name = g.split(nodes[name].input[0])[0]
    return f"{g.split(nodes[name].input[0])[0]}:0" if nodes[name].op == "Softmax" else None
