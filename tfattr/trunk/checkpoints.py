"""The files of TensorFlow 1: frozen graphs, checkpoints with or without a meta graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import message, text_format

from tfattr.errors import GraphError, ModelFileError
from tfattr.io import file_digest
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk import freeze
from tfattr.trunk import graph as g
from tfattr.trunk.kept import Kept
from tfattr.trunk.opened import Opened
from tfattr.trunk.preprocessing import Preprocessing


def read_frozen_graph(
    path: str | os.PathLike[str], frame: Preprocessing, trust: bool, *, input: str, output: str
) -> Opened:
    """See :meth:`tfattr.trunk.Trunk.from_frozen_graph`.

    Raises:
        ModelFileError: the file is missing, cut short or no GraphDef.
    """
    path = os.fspath(path)
    with wrap_errors(path):
        graph_def = read_graph(path)
    provenance = {"source": "frozen_graph", "path": path, "weights_sha256": file_digest(path)}
    return Opened(graph_def, input, output, path, Path(path).stem, provenance)


def read_training_graph(
    prefix: str | os.PathLike[str], frame: Preprocessing, trust: bool, *, input: str, output: str
) -> Opened:
    """See :meth:`tfattr.trunk.Trunk.from_meta_graph`.

    Only what lies between ``input`` and ``output`` is looked at: queues, losses and optimisers of the
    training graph are cut away, ``is_training`` placeholders are taken as False, variables (the legacy
    ``Variable`` op too) are read by name.

    Raises:
        ModelFileError: the ``.meta`` or the checkpoint is missing, damaged, or they do not belong together.
    """
    prefix = os.fspath(prefix)
    prefix = prefix[: -len(".meta")] if prefix.endswith(".meta") else prefix
    with wrap_errors(prefix):
        graph_def = read_meta_graph(prefix + ".meta")
    return _with_checkpoint(graph_def, input, output, prefix, "meta_graph")


def read_checkpoint(
    prefix: str | os.PathLike[str],
    frame: Preprocessing,
    trust: bool,
    *,
    build: Callable[[tf.Tensor], Any],
    output: str | None = None,
) -> Opened:
    """See :meth:`tfattr.trunk.Trunk.from_checkpoint`.

    Raises:
        ModelFileError: the checkpoint is missing, damaged or of another network.
        GraphError: ``output`` is no end point or tensor of the built graph.
    """
    prefix = os.fspath(prefix)
    with wrap_errors(prefix):
        freeze.open_checkpoint(prefix)  # a missing file is said before seconds go into building
    # Outside: the builder is the user's code, whose own errors are not the file's.
    graph_def, input_name, output_name = build_graph(build, frame.model_shape, output, prefix)
    return _with_checkpoint(graph_def, input_name, output_name, prefix, "checkpoint")


def _with_checkpoint(graph_def: g.GraphDef, input: str, output: str, prefix: str, source: str) -> Opened:
    with wrap_errors(prefix):
        freeze.open_checkpoint(prefix)
        digest = file_digest(*freeze.checkpoint_files(prefix))
    return Opened(
        graph_def,
        input,
        output,
        prefix,
        Path(prefix).name,
        {"source": source, "path": prefix, "weights_sha256": digest},
        lambda kept: freeze.restore(kept, prefix),
    )


def build_graph(
    build: Callable[[tf.Tensor], Any], shape: tuple[int, int, int], output: str | None, where: str
) -> tuple[g.GraphDef, str, str]:
    """The GraphDef of a builder with the names of its input and output tensors.

    The batch is left open; a builder that needs to know it (``[1, H, W, C]`` nets) sees None. A builder that says its
    ``structure`` (the families of the zoo) is called once for equal ones.
    """
    structure = getattr(build, "structure", None)
    if not isinstance(structure, str):
        return _built(build, shape, output, where)
    return _graphs.get((structure, shape, output), lambda: _built(build, shape, output, where))


_graphs: Kept[tuple[g.GraphDef, str, str]] = Kept(8)


def _built(
    build: Callable[[tf.Tensor], Any], shape: tuple[int, int, int], output: str | None, where: str
) -> tuple[g.GraphDef, str, str]:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, *shape], name="images")
        built = build(images)
        net, end_points = built if isinstance(built, tuple) else (built, {})
        if output is None:
            tensor = net
        elif output in end_points:
            tensor = end_points[output]
        else:
            try:
                tensor = graph.get_tensor_by_name(output if ":" in output else f"{output}:0")
            except (KeyError, ValueError):
                raise GraphError(
                    f"{where}: {output!r} is neither an end point nor a tensor of the built network; its end "
                    f"points are {', '.join(list(end_points)[-12:]) or 'none'}."
                ) from None
        return graph.as_graph_def(), images.name, tensor.name


def read_graph(path: str) -> g.GraphDef:
    """A GraphDef from a binary ``.pb`` or text ``.pbtxt`` file.

    Raises:
        ModelFileError: the file is missing, cut short or something else.
    """
    graph_def = g.GraphDef()
    content = _read(path)
    try:
        if path.endswith((".pbtxt", ".txt")):
            text_format.Parse(content.decode("utf-8"), graph_def)
        else:
            graph_def.ParseFromString(content)
    except (message.DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{path}: not a whole frozen graph ({len(content)} bytes do not parse as a GraphDef); "
            "it may be cut short or of another format: fetch or freeze it again."
        ) from error
    if not graph_def.node:
        raise ModelFileError(f"{path}: the graph is empty; expected a frozen GraphDef with its weights.")
    return graph_def


def read_meta_graph(path: str) -> g.GraphDef:
    """The GraphDef inside a ``.meta`` file.

    Raises:
        ModelFileError: the file is missing, cut short or something else.
    """
    meta = tf.compat.v1.MetaGraphDef()
    content = _read(path)
    try:
        meta.ParseFromString(content)
    except message.DecodeError as error:
        raise ModelFileError(
            f"{path}: not a whole meta graph ({len(content)} bytes do not parse as a MetaGraphDef); "
            'copy it again, or rebuild the network with source = "checkpoint" and a builder.'
        ) from error
    return meta.graph_def


def _read(path: str) -> bytes:
    if os.path.exists(path) and not os.path.isfile(path):
        raise ModelFileError(f"{path}: is no plain file; expected a file with a graph.")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
