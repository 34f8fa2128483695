"""What a model file holds: inputs, candidate layers, operations, variables. For choosing ``input`` and ``output``."""

from __future__ import annotations

import collections
import dataclasses
import os
from typing import Any

import tensorflow as tf

from tfattr.errors import GraphError, ModelFileError
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk import checkpoints, dtypes, freeze
from tfattr.trunk import graph as g
from tfattr.trunk.loaders import kind_of
from tfattr.trunk.opened import flattened

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
        images: ``(tensor, dtype, shape)`` behind an input that takes whole numbers or encoded images, where images are
            numbers that can be fed.
        signatures: ``(name, what it takes and gives)`` of a SavedModel.
    """

    path: str
    kind: str
    inputs: tuple[tuple[str, str, str], ...] = ()
    layers: tuple[tuple[str, str, str], ...] = ()
    operations: tuple[tuple[str, int], ...] = ()
    variables: tuple[tuple[str, tuple[int, ...]], ...] = ()
    images: tuple[tuple[str, str, str], ...] = ()
    signatures: tuple[tuple[str, str], ...] = ()


def inspect(path: str | os.PathLike[str], *, trust: bool = False) -> Inspection:
    """List what a model file holds; the kind is told by the name and what lies beside it.

    ``trust``: also load SavedModels and Keras files that would run code or touch other files.

    Raises:
        ModelFileError: the file is missing, damaged, of no kind that is known, or needs ``trust``.
    """
    path = os.fspath(path)
    with wrap_errors(path):
        return _inspect(path, trust)


def _inspect(path: str, trust: bool) -> Inspection:
    kind = kind_of(path, builder=not path.endswith(".meta"))
    if kind == "frozen_graph":
        return _graph(path, kind, checkpoints.read_graph(path))
    if kind == "meta_graph":
        path = path if path.endswith(".meta") else f"{path}.meta"
        return _graph(path, kind, checkpoints.read_meta_graph(path))
    if kind == "checkpoint":
        return _variables(path.removesuffix(".index"))
    return _keras(path, trust) if kind == "keras" else _saved_model(path, trust)


def _graph(
    path: str, kind: str, graph_def: g.GraphDef, signatures: tuple[tuple[str, str], ...] = ()
) -> Inspection:
    shapes, images = _static_shapes(graph_def), _images(graph_def)
    inputs = tuple(
        (f"{node.name}:0", _dtype(node), shapes.get(node.name, "?"))
        for node in graph_def.node
        if node.op in _INPUTS
    )
    layers = tuple(
        (f"{node.name}:0", node.op, shapes.get(node.name, "?"))
        for node in graph_def.node
        if node.op in _LAYERS and _floating(node) and not node.name.startswith(("gradients", "save"))
    )
    counts = collections.Counter(node.op for node in graph_def.node)
    return Inspection(
        path, kind, inputs, layers, tuple(counts.most_common()), images=images, signatures=signatures
    )


def _floating(node: g.NodeDef) -> bool:
    return "T" not in node.attr or dtypes.is_floating(node.attr["T"].type)


def _images(graph_def: g.GraphDef) -> tuple[tuple[str, str, str], ...]:
    """Tensors of four dimensions behind inputs that take no floating point numbers."""
    closed = [
        node.name
        for node in graph_def.node
        if node.op.startswith("Placeholder") and _dtype(node) in ("uint8", "int32", "int64", "string")
    ]
    if not closed:
        return ()
    try:
        order = g.ordered(dtypes.acyclic(graph_def))
        tensors = dtypes.imported_tensors(graph_def)
    except (GraphError, ValueError, TypeError, tf.errors.OpError, KeyError):
        return ()
    behind = g.dependents(order, closed)
    found = [
        tensors[f"{node.name}:0"] for node in order if node.name in behind and f"{node.name}:0" in tensors
    ]
    return tuple(
        (tensor.name, tensor.dtype.name, _shape_text(tensor.shape))
        for tensor in found
        if tensor.dtype.is_floating and tensor.shape.rank == 4 and tensor.shape[-1] in (None, 1, 3, 4)
    )[:8]


def _static_shapes(graph_def: g.GraphDef) -> dict[str, str]:
    """Shapes as far as TensorFlow infers them; none if the graph cannot be imported (custom operations)."""
    try:
        operations = g.imported(graph_def).get_operations()
    except (ValueError, TypeError, tf.errors.OpError, KeyError):
        return {}
    return {one.name: _shape_text(one.outputs[0].shape) for one in operations if one.outputs}


def _shape_text(shape: tf.TensorShape) -> str:
    return "?" if shape.rank is None else f"[{', '.join('?' if n is None else str(n) for n in shape)}]"


def _dtype(node: g.NodeDef) -> str:
    for key in ("dtype", "T"):
        if key in node.attr:
            return tf.as_dtype(node.attr[key].type).name
    for key in ("output_types", "component_types"):
        if key in node.attr and node.attr[key].list.type:
            return tf.as_dtype(node.attr[key].list.type[0]).name
    return "?"


def _variables(path: str) -> Inspection:
    """A checkpoint by its index alone: names and shapes need no data."""
    shapes = freeze.open_checkpoint(path).get_variable_to_shape_map()
    return Inspection(
        path, "checkpoint", variables=tuple((name, tuple(shapes[name])) for name in sorted(shapes))
    )


def _saved_model(path: str, trust: bool) -> Inspection:
    from tfattr.trunk.saved_models import load_saved_model, saved_functions

    loaded = load_saved_model(path, trust)
    signatures = {name: loaded.signatures[name] for name in loaded.signatures}
    for name in saved_functions(loaded):
        for function in getattr(loaded, name).concrete_functions[:1]:
            signatures.setdefault(name, function)
    if not signatures:
        raise ModelFileError(
            f"{path}: the SavedModel has neither a signature nor a function; export it with signatures=."
        )
    shown = "serving_default" if "serving_default" in signatures else next(iter(signatures))
    graph_def, _ = freeze.captured(signatures[shown])
    return _graph(
        path, "saved_model", graph_def, tuple((name, _described(one)) for name, one in signatures.items())
    )


def _described(function: Any) -> str:
    """What a concrete function takes and gives."""
    count = len(function.inputs) - len(function.captured_inputs)
    taken = [
        f"{tensor.op.name} {tensor.dtype.name} {_shape_text(tensor.shape)}"
        for tensor in function.inputs[:count]
    ]
    given = [
        f"{path or 'one'} {_shape_text(tensor.shape)}"
        for path, tensor in flattened(function.structured_outputs)
    ]
    return f"{', '.join(taken) or 'nothing'} -> {', '.join(given) or 'nothing'}"


def _keras(path: str, trust: bool) -> Inspection:
    from tfattr.trunk.keras_model import layers, load_keras

    model = load_keras(path, trust)
    return Inspection(
        path,
        "keras",
        tuple(
            (tensor.name, tf.as_dtype(tensor.dtype).name, str(list(tensor.shape)))
            for tensor in getattr(model, "inputs", None) or ()
        ),
        tuple((path, type(layer).__name__, _output_shape(layer)) for path, layer in layers(model)),
        tuple(collections.Counter(type(layer).__name__ for layer in model.layers).most_common()),
    )


def _output_shape(layer: Any) -> str:
    try:
        return str(
            layer.output_shape if hasattr(layer, "output_shape") else layer.output.shape
        )  # legacy, Keras 3
    except (AttributeError, ValueError, RuntimeError):
        return "?"  # not called yet, or in several places
