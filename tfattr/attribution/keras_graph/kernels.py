"""Graph nodes with a kernel: convolutions (dilated, depthwise, transposed) and matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfattr.attribution.flow import attribute, node_of
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.plan import Draft
from tfattr.attribution.keras_graph.step import Step, float_constant, require_nhwc, unsupported


def _padding(view: GraphView, node) -> tuple[str, list[Draft]]:
    """The padding of a convolution and, where it is explicit, the layer that does it beforehand."""
    padding = attribute(node, "padding")
    if padding != "EXPLICIT":
        return padding.lower(), []
    flat = attribute(node, "explicit_paddings")
    return "valid", [Draft("pad", {"paddings": [flat[2:4], flat[4:6]]})]


def _geometry(node, *, strides: bool = True) -> dict[str, list[int]]:
    return {
        "strides": attribute(node, "strides")[1:3] if strides else [1, 1],
        "dilation": (attribute(node, "dilations") or [1, 1, 1, 1])[1:3],
    }


def _kernel_operand(view: GraphView, node, tensor: str) -> np.ndarray:
    if view.carries_data(tensor):
        raise unsupported(node, f"its kernel {tensor!r} depends on the input")
    return float_constant(view, node, tensor)


def conv2d(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    require_nhwc(node)
    data, kernel = view.inputs(name)
    kernel = _kernel_operand(view, node, kernel)
    padding, before = _padding(view, node)
    groups = view.shape(data)[-1] // kernel.shape[2]
    config = {"padding": padding, "groups": groups, **_geometry(node)}
    return Step([data], [*before, Draft("conv", config, [kernel])])


def depthwise(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    require_nhwc(node)
    data, kernel = view.inputs(name)
    padding, before = _padding(view, node)
    config = {"padding": padding, **_geometry(node)}
    return Step([data], [*before, Draft("depthwise", config, [_kernel_operand(view, node, kernel)])])


def transposed(view: GraphView, name: str) -> Step:
    """Conv2DBackpropInput(sizes, kernel, data): the size of the output comes from the graph."""
    node = view.nodes[name]
    require_nhwc(node)
    _, kernel, data = view.inputs(name)
    padding = attribute(node, "padding")
    if padding == "EXPLICIT":
        raise unsupported(node, "explicit paddings of a transposed convolution")
    config = {"padding": padding.lower(), "size": list(view.shape(name)[:2]), **_geometry(node)}
    return Step([data], [Draft("transposed", config, [_kernel_operand(view, node, kernel)])])


def matmul(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    first, second = view.inputs(name)
    flags = [
        attribute(node, f"transpose_{side}") or attribute(node, f"adj_{f}", False) for side, f in ("ax", "by")
    ]
    if not view.carries_data(first) or view.carries_data(second) or flags[0]:
        raise unsupported(node, "only a product of data [N, features] with a constant matrix is")
    kernel = float_constant(view, node, second)
    return Step([first], [Draft("dense", {}, [np.ascontiguousarray(kernel.T) if flags[1] else kernel])])


def batch_to_space(view: GraphView, name: str) -> Step | None:
    """SpaceToBatchND -> convolution (stride 1, VALID) -> BatchToSpaceND is one dilated convolution."""
    node = view.nodes[name]
    block, crops = (view.constant(t) for t in view.inputs(name)[1:])
    inner = node_of(view.inputs(name)[0])
    makers: dict[str, Callable[[GraphView, str], Step]] = {
        "Conv2D": conv2d,
        "DepthwiseConv2dNative": depthwise,
    }
    if view.nodes[inner].op not in makers:
        return None
    outer = node_of(view.inputs(inner)[0])
    if view.nodes[outer].op != "SpaceToBatchND":
        return None
    data, outer_block, paddings = view.inputs(outer)
    draft = makers[view.nodes[inner].op](view, inner).layers[-1]
    plain = draft.config["padding"] == "valid" and draft.config["strides"] == [1, 1]
    same_block = np.array_equal(view.constant(outer_block), block) and len(block) == 2
    if not (plain and same_block and draft.config["dilation"] == [1, 1]):
        raise unsupported(
            node, "a convolution between SpaceToBatchND and BatchToSpaceND that is not a plain dilated one"
        )
    pads = np.asarray(view.constant(paddings)) - np.asarray(crops)
    if pads.min() < 0:
        raise unsupported(node, "it crops more than SpaceToBatchND pads")
    draft.config["dilation"] = [int(b) for b in block]
    return Step([data], [Draft("pad", {"paddings": pads.tolist()}), draft])
