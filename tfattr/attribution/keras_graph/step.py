"""What one graph node (or a recognised group of nodes) turns into: input tensors and a chain of layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfattr.attribution.flow import attribute
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.plan import Draft
from tfattr.errors import UnsupportedOpError


@dataclass
class Step:
    """``layers`` is a chain; the first one takes ``inputs``. An empty chain is the identity."""

    inputs: list[str]
    layers: list[Draft]


def unsupported(node: tf.compat.v1.NodeDef, why: str) -> UnsupportedOpError:
    return UnsupportedOpError(f"operation {node.op} (node {node.name!r}) has no Keras layer here: {why}.")


def require_nhwc(node: tf.compat.v1.NodeDef) -> None:
    if attribute(node, "data_format", "NHWC") != "NHWC":
        raise unsupported(node, "its data format is not NHWC")


def float_constant(view: GraphView, node: tf.compat.v1.NodeDef, tensor: str) -> np.ndarray:
    value = view.constant(tensor)
    if value is None:
        raise unsupported(node, f"its operand {tensor!r} depends on the batch size")
    return np.asarray(value, np.float32)


def as_graph_op(view: GraphView, name: str, role: str, output: int = 0) -> Step:
    """The node itself, with its constants, run inside a layer.

    ``role`` says how relevance goes through it: "move" (values are copied, dropped or selected), "linear"
    (each output is a fixed weighted sum of inputs), "mix" (linear in the first input, weighted by the second)
    or "elementwise".
    """
    node = view.nodes[name]
    graph = tf.compat.v1.GraphDef()
    data, references = [], []
    for position, tensor in enumerate(view.inputs(name)):
        inner = f"in{position}"
        if view.carries_data(tensor):
            placeholder = graph.node.add(name=inner, op="Placeholder")
            placeholder.attr["dtype"].type = tf.float32.as_datatype_enum
            placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape([None, *view.shape(tensor)]).as_proto())
            data.append(tensor)
        else:
            value = view.constant(tensor)
            if value is None:
                raise unsupported(node, f"its operand {tensor!r} depends on the batch size")
            constant = graph.node.add(name=inner, op="Const")
            constant.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        references.append(inner)
    inner_node = graph.node.add()
    inner_node.CopyFrom(node)
    inner_node.name = "op"
    del inner_node.input[:]
    inner_node.input.extend(references)
    for private in [key for key in inner_node.attr if key.startswith("_")]:
        del inner_node.attr[private]
    config = {
        "graph": graph.SerializeToString(deterministic=True).hex(),
        "inputs": [f"in{p}" for p, t in enumerate(view.inputs(name)) if view.carries_data(t)],
        "output": f"op:{output}",
        "role": role,
        "op": node.op,
    }
    return Step(data, [Draft("graph_op", config)])
