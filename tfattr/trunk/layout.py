"""Channels-first graphs become channels-last ones, which every device and every attribution rule takes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_DATA_INPUT = {
    "Conv2D": 0, "DepthwiseConv2dNative": 0, "MaxPool": 0, "AvgPool": 0, "BiasAdd": 0, "FusedBatchNorm": 0,
    "FusedBatchNormV2": 0, "FusedBatchNormV3": 0, "Conv2DBackpropInput": 2, "DepthToSpace": 0, "SpaceToDepth": 0,
}  # fmt: skip
_PER_DIMENSION = ("strides", "ksize", "dilations")
_UNARY = (
    "Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Identity", "Neg", "Abs",
    "Exp", "Square", "Sqrt", "Rsqrt", "Erf", "Erfc", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars",
)  # fmt: skip
_BINARY = ("Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference")


def channels_last(graph_def: g.GraphDef, output: str) -> g.GraphDef:
    """Every NCHW operation becomes its NHWC form.

    What lies between two of them (activations, sums, products with constants per channel, concatenations, padding,
    means over the image) goes along; transpositions stand only where the graph needs the other order.
    """
    if not any(_is_first(node) for node in graph_def.node):
        return graph_def
    return _Rewriter(graph_def).rewritten(output)


def transposition(name: str, source: str, permutation: str) -> g.NodeDef:
    """A Transpose node of float32 data."""
    return g.make_node(name, "Transpose", [source, permutation], T=tf.float32, Tperm=tf.int32)


class _Rewriter:
    """Goes through the graph once, and knows of every tensor whether it is there in channels-last order."""

    def __init__(self, graph_def: g.GraphDef) -> None:
        self._given = graph_def
        self._nodes = g.nodes_by_name(graph_def)
        self._made = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
        self._last: dict[str, str] = {}
        self._redirect: dict[str, str] = {}
        for name, order in (("to_last", TO_LAST), ("to_first", TO_FIRST)):
            self._constant(f"channels_last/{name}", np.array(order, np.int32))

    def rewritten(self, output: str) -> g.GraphDef:
        for node in g.ordered(self._given):
            if not (self._first(node) or self._along(node)):
                self._made.node.add().CopyFrom(node)
                if self._transposes(node) == TO_FIRST:
                    self._last[node.name] = g.join(*g.split(node.input[0]))
        redirect = {old: new for old, new in self._redirect.items() if old != output}
        return g.prune(g.redirected(self._made, redirect), [output])

    def _first(self, node: g.NodeDef) -> bool:
        if not _is_first(node):
            return False
        port = _DATA_INPUT[node.op]
        copy = self._copy(node)
        copy.input[port] = self._in_last(node.input[port])
        copy.attr["data_format"].s = b"NHWC"
        for name in _PER_DIMENSION:
            if name in node.attr and len(node.attr[name].list.i) == 4:
                copy.attr[name].list.i[:] = [node.attr[name].list.i[axis] for axis in TO_LAST]
        padding = list(node.attr["explicit_paddings"].list.i) if "explicit_paddings" in node.attr else []
        if len(padding) == 8:
            copy.attr["explicit_paddings"].list.i[:] = [
                padding[2 * axis + side] for axis in TO_LAST for side in (0, 1)
            ]
        if node.op == "Conv2DBackpropInput":
            copy.input[0], zero = f"{node.name}/sizes", f"{node.name}/zero"
            types = dict.fromkeys(("Tparams", "Tindices", "Taxis"), tf.int32)
            operands = [node.input[0], "channels_last/to_last", zero]
            self._made.node.append(g.make_node(copy.input[0], "GatherV2", operands, **types))
            self._constant(zero, np.int32(0))
        self._gives(node, copy)
        for later in range(1, 6):  # statistics of fused batch norm
            self._redirect[g.join(node.name, later)] = g.join(copy.name, later)
        return True

    def _along(self, node: g.NodeDef) -> bool:
        """A node that is as good in the other order, if all that it computes from is there in it."""
        refs = [g.join(*g.split(ref)) for ref in node.input]
        if not any(ref in self._last for ref in refs):
            return False
        if self._transposes(node) == TO_LAST:
            self._redirect[node.name] = self._last[refs[0]]
            self._made.node.add().CopyFrom(node)
            return True
        copy = self._copy(node)
        if node.op in _UNARY and refs[0] in self._last:
            copy.input[0] = self._last[refs[0]]
        elif node.op in _BINARY:
            operands = [self._last.get(ref) or self._broadcast(ref, node.name) for ref in refs]
            if None in operands:
                return False
            copy.input[:] = operands
        elif node.op == "ConcatV2" and all(ref in self._last for ref in refs[:-1]):
            axis = self._value(refs[-1])
            if axis is None:
                return False
            copy.input[:] = [self._last[ref] for ref in refs[:-1]]
            place = TO_LAST.index(int(axis) % 4)
            copy.input.append(self._constant(f"{copy.name}/axis", np.array(place, axis.dtype)))
        elif node.op in ("Pad", "PadV2", "MirrorPad") and refs[0] in self._last:
            padding = self._value(refs[1])
            if padding is None:
                return False
            copy.input[0] = self._last[refs[0]]
            copy.input[1] = self._constant(f"{copy.name}/paddings", padding[list(TO_LAST)])
        elif node.op in ("Mean", "Sum", "Max") and refs[0] in self._last and not node.attr["keep_dims"].b:
            axes = self._value(refs[1])
            if axes is None or sorted(int(axis) % 4 for axis in np.ravel(axes)) != [2, 3]:
                return False
            copy.name = node.name
            copy.input[0] = self._last[refs[0]]
            copy.input[1] = self._constant(f"{node.name}/axes_last", np.array([1, 2], axes.dtype))
            self._made.node.append(copy)
            return True
        else:
            return False
        self._gives(node, copy)
        return True

    def _gives(self, node: g.NodeDef, copy: g.NodeDef) -> None:
        self._made.node.extend([copy, transposition(node.name, copy.name, "channels_last/to_first")])
        self._last[node.name] = copy.name

    def _in_last(self, ref: str) -> str:
        ref = g.join(*g.split(ref))
        if ref not in self._last:
            name = f"{ref.replace(':', '_port')}/to_last"
            self._made.node.append(transposition(name, ref, "channels_last/to_last"))
            self._last[ref] = name
        return self._last[ref]

    def _broadcast(self, ref: str, user: str) -> str | None:
        """A constant operand in channels-last order."""
        array = self._value(ref)
        if array is None or array.ndim > 4:
            return None
        if array.size == 1 and array.ndim == 0:
            return ref
        whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
        return self._constant(f"{user}/{ref.replace(':', '_port')}_last", whole.transpose(TO_LAST))

    def _copy(self, node: g.NodeDef) -> g.NodeDef:
        copy = g.NodeDef()
        copy.CopyFrom(node)
        copy.name = f"{node.name}/channels_last"
        return copy

    def _constant(self, name: str, array: np.ndarray) -> str:
        self._made.node.append(g.constant(name, np.ascontiguousarray(array) if np.ndim(array) else array))
        return name

    def _value(self, ref: str) -> np.ndarray | None:
        node = self._nodes[g.split(ref)[0]]
        return g.value(node) if node.op == "Const" else None

    def _transposes(self, node: g.NodeDef) -> tuple[int, ...] | None:
        order = self._value(node.input[1]) if node.op == "Transpose" else None
        return None if order is None else tuple(int(axis) for axis in order)


def _is_first(node: g.NodeDef) -> bool:
    return node.op in _DATA_INPUT and "data_format" in node.attr and node.attr["data_format"].s == b"NCHW"
