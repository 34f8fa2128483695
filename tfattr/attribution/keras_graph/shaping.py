"""Graph nodes that pool, join, move or select values."""

from __future__ import annotations

import numpy as np

from tfattr.attribution.flow import attribute
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.plan import Draft
from tfattr.attribution.keras_graph.step import Step, as_graph_op, require_nhwc, unsupported


def identity(view: GraphView, name: str) -> Step:
    return Step(view.inputs(name)[:1], [])


def stop_gradient(view: GraphView, name: str) -> Step:
    return Step(view.inputs(name), [Draft("stop")])


def pool(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    require_nhwc(node)
    size, strides = attribute(node, "ksize"), attribute(node, "strides")
    spatial = size[0] == size[3] == strides[0] == strides[3] == 1
    if not spatial or attribute(node, "padding") == "EXPLICIT":
        return as_graph_op(view, name, "move" if node.op == "MaxPool" else "linear")
    kind = "max_pool" if node.op == "MaxPool" else "average_pool"
    config = {"size": size[1:3], "strides": strides[1:3], "padding": attribute(node, "padding").lower()}
    return Step(view.inputs(name), [Draft(kind, config)])


def reduce(view: GraphView, name: str) -> Step:
    """Mean, Sum, Max and Min over any axes but the batch's."""
    node = view.nodes[name]
    data, axes = view.inputs(name)
    rank = view.rank(data)
    over = sorted(int(a) % rank for a in np.atleast_1d(view.constant(axes)))
    if 0 in over:
        raise unsupported(node, "it reduces over the batch")
    if node.op == "Mean" and rank == 4 and over == [1, 2]:
        keep = bool(attribute(node, "keep_dims", False))
        return Step([data], [Draft("global_average_pool", {"keepdims": keep})])
    return as_graph_op(view, name, "linear" if node.op in ("Mean", "Sum") else "move")


def concat(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    *parts, axis = view.inputs(name)
    if not all(view.carries_data(part) for part in parts):
        return as_graph_op(view, name, "move")
    axis = int(view.constant(axis)) % view.rank(parts[0])
    if axis == 0:
        raise unsupported(node, "it joins along the batch")
    if len(parts) == 1:
        return identity(view, name)
    return Step(parts, [Draft("concat", {"axis": axis})])


def pad(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    data, amounts, *fill = view.inputs(name)
    amounts = view.constant(amounts)
    zeros = node.op == "Pad" or (node.op == "PadV2" and not np.any(view.constant(fill[0])))
    if zeros and len(amounts) == 4 and not np.any(amounts[[0, 3]]):
        return Step([data], [Draft("pad", {"paddings": np.asarray(amounts[1:3]).tolist()})])
    return as_graph_op(view, name, "move")


def reshape(view: GraphView, name: str) -> Step:
    """Reshape, Squeeze, ExpandDims: the batch must stay a dimension of its own."""
    node = view.nodes[name]
    data = view.inputs(name)[0]
    before, after = view.shape(data), view.shape(name)
    if np.prod(before) != np.prod(after):
        raise unsupported(node, f"it merges the batch with other dimensions ({before} becomes {after})")
    return Step([data], [] if before == after else [Draft("reshape", {"shape": list(after)})])


def move(view: GraphView, name: str, output: int = 0) -> Step:
    return as_graph_op(view, name, "move", output)


def resize(view: GraphView, name: str) -> Step:
    return as_graph_op(view, name, "move" if view.nodes[name].op == "ResizeNearestNeighbor" else "linear")


def linear(view: GraphView, name: str) -> Step:
    return as_graph_op(view, name, "linear")
