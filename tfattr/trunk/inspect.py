"""What a model file holds: inputs, candidate layers, operations, variables. For choosing ``input`` and ``output``."""

from __future__ import annotations

import collections
import dataclasses
import os
from typing import Any

import tensorflow as tf

from tfattr.errors import ModelFileError
from tfattr.trunk import freeze, tf1
from tfattr.trunk import graph as g
from tfattr.trunk.guard import one_sentence

_INPUTS = ("Placeholder", "PlaceholderWithDefault", "IteratorGetNext", "QueueDequeueManyV2", "QueueDequeueV2")
_LAYERS = (
    "Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "Softplus", "LeakyRelu", "Selu", "BiasAdd", "Conv2D",
    "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "MaxPool", "AvgPool", "Mean", "ConcatV2", "Add",
    "AddV2", "Softmax", "DepthToSpace", "Squeeze", "Reshape",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found in one file.

    Attributes:
        path: the file.
        kind: ``frozen_graph``, ``meta_graph``, ``checkpoint``, ``saved_model`` or ``keras``.
        inputs: ``(tensor, dtype, shape)`` that can be fed.
        layers: ``(tensor, operation, shape)`` in the order of computation.
        operations: operation to how many.
        variables: ``(name, shape)`` of a checkpoint.
    """

    path: str
    kind: str
    inputs: tuple[tuple[str, str, str], ...] = ()
    layers: tuple[tuple[str, str, str], ...] = ()
    operations: tuple[tuple[str, int], ...] = ()
    variables: tuple[tuple[str, tuple[int, ...]], ...] = ()


def inspect(path: str | os.PathLike[str], *, trust: bool = False) -> Inspection:
    """List what a model file holds; the kind is told by the name and what lies beside it.

    ``trust``: also load SavedModels and Keras files that would run code or touch other files.

    Raises:
        ModelFileError: the file is missing, damaged, of no kind that is known, or needs ``trust``.
    """
    path = os.fspath(path)
    with one_sentence(path):
        return _inspect(path, trust)


def _inspect(path: str, trust: bool) -> Inspection:
    if os.path.isdir(path):
        return _saved_model(path, trust)
    if path.endswith((".pb", ".pbtxt")):
        return _graph(path, "frozen_graph", tf1.read_graph(path))
    if path.endswith(".meta"):
        return _graph(path, "meta_graph", tf1.read_meta_graph(path))
    if path.endswith((".h5", ".hdf5", ".keras")):
        return _keras(path, trust)
    if path.endswith(".index") or os.path.exists(path + ".index"):
        return _index(path)
    if os.path.isfile(path) or ".data-" in os.path.basename(path):
        return _checkpoint(path)
    if os.path.exists(path + ".meta"):
        return _inspect(path + ".meta", trust)
    raise ModelFileError(
        f"{path}: no such model file; expected a .pb, .pbtxt, .meta, .index, .h5 or .keras file, a checkpoint's "
        "prefix, or a SavedModel folder."
    )


def _graph(path: str, kind: str, graph_def: g.GraphDef) -> Inspection:
    shapes = _static_shapes(graph_def)
    inputs = tuple(
        (f"{node.name}:0", _dtype(node), shapes.get(node.name, "?"))
        for node in graph_def.node
        if node.op in _INPUTS
    )
    layers = tuple(
        (f"{node.name}:0", node.op, shapes.get(node.name, "?"))
        for node in graph_def.node
        if node.op in _LAYERS and not node.name.startswith(("gradients", "save"))
    )
    counts = collections.Counter(node.op for node in graph_def.node)
    return Inspection(path, kind, inputs, layers, tuple(counts.most_common()))


def _static_shapes(graph_def: g.GraphDef) -> dict[str, str]:
    """Shapes as far as TensorFlow infers them; none if the graph cannot be imported (custom operations)."""
    try:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name="")
    except (ValueError, TypeError, tf.errors.OpError, KeyError):
        return {}
    shapes = {}
    for operation in graph.get_operations():
        if operation.outputs:
            shape = operation.outputs[0].shape
            sizes = "?" if shape.rank is None else ", ".join("?" if n is None else str(n) for n in shape)
            shapes[operation.name] = f"[{sizes}]" if shape.rank is not None else "?"
    return shapes


def _dtype(node: g.NodeDef) -> str:
    for key in ("dtype", "T"):
        if key in node.attr:
            return tf.as_dtype(node.attr[key].type).name
    for key in ("output_types", "component_types"):
        if key in node.attr and node.attr[key].list.type:
            return tf.as_dtype(node.attr[key].list.type[0]).name
    return "?"


def _index(path: str) -> Inspection:
    """A V2 checkpoint by its index alone: names and shapes need no data."""
    prefix = path[: -len(".index")] if path.endswith(".index") else path
    return _variables(prefix, freeze.open_checkpoint(prefix))


def _checkpoint(path: str) -> Inspection:
    return _variables(path, freeze.open_checkpoint(path))


def _variables(path: str, reader: tf.train.CheckpointReader) -> Inspection:
    shapes = reader.get_variable_to_shape_map()
    return Inspection(
        path, "checkpoint", variables=tuple((name, tuple(shapes[name])) for name in sorted(shapes))
    )


def _saved_model(path: str, trust: bool) -> Inspection:
    from tfattr.trunk.saved_model import load_saved_model

    loaded = load_saved_model(path, trust)
    for key in ("serving_default", *loaded.signatures):
        if key in loaded.signatures:
            graph_def, _ = freeze.captured(loaded.signatures[key])
            return _graph(path, "saved_model", graph_def)
    raise ModelFileError(
        f"{path}: the SavedModel has no signature; export it with signatures=, or use from_hub."
    )


def _keras(path: str, trust: bool) -> Inspection:
    from tfattr.trunk.keras_model import load_keras

    model = load_keras(path, trust)
    return Inspection(
        path,
        "keras",
        tuple(
            (tensor.name, tf.as_dtype(tensor.dtype).name, str(list(tensor.shape))) for tensor in model.inputs
        ),
        tuple((layer.name, type(layer).__name__, _output_shape(layer)) for layer in model.layers),
        tuple(collections.Counter(type(layer).__name__ for layer in model.layers).most_common()),
    )


def _output_shape(layer: Any) -> str:
    if hasattr(layer, "output_shape"):
        return str(layer.output_shape)
    try:
        return str(layer.output.shape)  # Keras 3
    except (AttributeError, ValueError):
        return "?"
