"""Damaged model files: bytes as in mutations.py, and graphs changed so that the file still parses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from hypothesis import strategies as st
from mutations import damaged

# What an attribute, a size or a port can be that nobody reckoned with.
_INTEGERS = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 7, 2**20, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
_FLOATS = (0.0, -1.0, 1e38, -1e38, 1e-45, float("inf"), float("nan"))
_TYPES = tuple(range(25)) + (101, 102, 107, 120, 999)
_OPS = (
    "Add", "AddV2", "BatchToSpaceND", "BiasAdd", "Bitcast", "BroadcastTo", "Cast", "ConcatV2", "Const", "Conv2D",
    "Conv2DBackpropInput", "CropAndResize", "Cumsum", "DepthToSpace", "DepthwiseConv2dNative", "ExpandDims", "Fill",
    "FloorMod", "FusedBatchNormV3", "GatherV2", "Identity", "LRN", "MatMul", "MaxPool", "Mean", "Merge", "MirrorPad",
    "NoOp", "NoSuchOp", "Pack", "Pad", "PadV2", "PartitionedCall", "Placeholder", "Prod", "QuantizedConv2D",
    "QueueDequeueV2", "Range", "ReadFile", "Reshape", "ResizeBilinear", "ReverseV2", "ScatterNd", "Shape", "Slice",
    "SpaceToBatchND", "SparseToDense", "Split", "Squeeze", "StatelessWhile", "StridedSlice", "Switch", "Tile", "TopKV2",
    "Transpose", "Unpack", "UnsortedSegmentSum", "VarHandleOp", "Where", "While",
)  # fmt: skip

Change = Callable[[Any], None]


def _node(graph: Any, index: int) -> Any:
    """A node of the graph or of a function of its library."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return nodes[index % len(nodes)] if nodes else graph.node.add()


def _attribute(node: Any, index: int) -> Any:
    keys = sorted(node.attr)
    return node.attr[keys[index % len(keys)]] if keys else node.attr["T"]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """One change of a GraphDef in place."""
    index, second = draw(st.integers(0, 400)), draw(st.integers(0, 400))
    integer, number = draw(st.sampled_from(_INTEGERS)), draw(st.sampled_from(_FLOATS))
    kind, op = draw(st.sampled_from(_TYPES)), draw(st.sampled_from(_OPS))

    def attribute_integer(graph: Any) -> None:
        value = _attribute(_node(graph, index), second)
        if value.list.i:
            value.list.i[second % len(value.list.i)] = integer
        elif value.HasField("tensor"):
            _tensor(value.tensor)
        elif value.HasField("shape") and value.shape.dim:
            value.shape.dim[second % len(value.shape.dim)].size = integer
        elif value.WhichOneof("value") == "type":
            value.type = kind
        elif value.WhichOneof("value") == "s":
            value.s = b"NCHW" if second % 2 else b""
        elif value.WhichOneof("value") == "f":
            value.f = number
        else:
            value.i = integer

    def _tensor(tensor: Any) -> None:
        if second % 4 == 0 and tensor.tensor_shape.dim:
            tensor.tensor_shape.dim[index % len(tensor.tensor_shape.dim)].size = integer
        elif second % 4 == 1:
            tensor.tensor_shape.dim.add(size=integer)
        elif second % 4 == 2:
            tensor.dtype = kind
        elif tensor.dtype == tf.int32.as_datatype_enum:
            size = max(len(tensor.tensor_content) // 4, 1)
            tensor.tensor_content = (integer & 0xFFFFFFFF).to_bytes(4, "little") * size
        else:
            tensor.tensor_content = tensor.tensor_content[: index % (len(tensor.tensor_content) + 1)]

    def constant(graph: Any) -> None:
        found = [node for node in graph.node if node.op == "Const"]
        if found:
            _tensor(found[index % len(found)].attr["value"].tensor)

    def list_length(graph: Any) -> None:
        value = _attribute(_node(graph, index), second)
        if second % 2 and value.list.i:
            del value.list.i[-1]
        else:
            value.list.i.append(integer)

    def drop_attribute(graph: Any) -> None:
        node = _node(graph, index)
        if node.attr:
            del node.attr[sorted(node.attr)[second % len(node.attr)]]

    def rename_op(graph: Any) -> None:
        _node(graph, index).op = op

    def rename_node(graph: Any) -> None:
        _node(graph, index).name = _node(graph, second).name if second % 3 else "\x00/ :^"

    def drop_input(graph: Any) -> None:
        node = _node(graph, index)
        if node.input:
            del node.input[second % len(node.input)]

    def redirect(graph: Any) -> None:
        node = _node(graph, index)
        target = _node(graph, second).name + ("" if integer < 0 else f":{integer % 9}")
        if node.input and second % 2:
            node.input[second % len(node.input)] = target
        else:
            node.input.append(target)

    def drop_node(graph: Any) -> None:
        if graph.node:
            del graph.node[index % len(graph.node)]

    def double(graph: Any) -> None:
        copy = graph.node.add()
        copy.CopyFrom(_node(graph, index))
        copy.name += "_copy" if second % 2 else ""

    def versions(graph: Any) -> None:
        graph.versions.producer, graph.versions.min_consumer = integer % 2**31, second

    def call(graph: Any) -> None:
        node = _node(graph, index)
        node.op = "PartitionedCall" if second % 2 else "StatelessWhile"
        names = [function.signature.name for function in graph.library.function] or ["absent"]
        for key in ("f", "cond", "body"):
            node.attr[key].func.name = names[second % len(names)]

    return draw(
        st.sampled_from(
            (
                attribute_integer, attribute_integer, constant, constant, list_length, drop_attribute, rename_op,
                rename_node, drop_input, redirect, drop_node, double, versions, call,
            )
        )
    )  # fmt: skip


def graphs_of(content: bytes, file: str) -> tuple[Any, list[Any]]:
    """The parsed file and the GraphDefs in it; ``(None, [])`` where it holds none."""
    if file.endswith(".pbtxt"):
        graph = tf.compat.v1.GraphDef()
        text_format.Parse(content.decode(), graph)
        return graph, [graph]
    if file.endswith(".meta"):
        meta = tf.compat.v1.MetaGraphDef.FromString(content)
        return meta, [meta.graph_def]
    if file == "saved_model.pb":
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

        saved = SavedModel.FromString(content)
        return saved, [meta.graph_def for meta in saved.meta_graphs]
    if file.endswith(".pb") and file not in ("keras_metadata.pb", "fingerprint.pb"):
        graph = tf.compat.v1.GraphDef.FromString(content)
        return graph, [graph]
    return None, []


@st.composite
def damaged_model(draw: st.DrawFn, content: bytes, seed: str, file: str) -> bytes:
    """A damaged copy of a model file; where it holds a graph, the graph is changed in two of three."""
    parsed, graphs = graphs_of(content, file)
    if parsed is None or draw(st.integers(0, 2)) == 0:
        # One bit alone as often as all the rest: checksums and numbers are what it meets.
        if draw(st.booleans()) and content:
            position, bit = draw(st.integers(0, len(content) - 1)), draw(st.integers(0, 7))
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            return bytes(changed)
        return draw(damaged(content))
    for change in draw(st.lists(changes(), min_size=1, max_size=3)):
        change(graphs[0])
    return (
        text_format.MessageToString(parsed).encode()
        if file.endswith(".pbtxt")
        else _serialized(parsed, content)
    )


def _serialized(parsed: Any, fallback: bytes) -> bytes:
    try:
        return parsed.SerializeToString()
    except Exception:  # a name that is no UTF-8
        return fallback
