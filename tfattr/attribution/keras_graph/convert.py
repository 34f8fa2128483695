"""Frozen GraphDef -> plan: each needed node becomes a chain of layers, named patterns one layer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tfattr.attribution.flow import node_of
from tfattr.attribution.keras_graph import elementwise, kernels, shaping
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.plan import KERNELS, Draft, LayerSpec, Plan
from tfattr.attribution.keras_graph.step import Step, unsupported
from tfattr.attribution.slopes import SlopeFinder, Slopes
from tfattr.errors import UnsupportedOpError
from tfattr.trunk.graph import split

_HANDLERS = {
    "Conv2D": kernels.conv2d,
    "DepthwiseConv2dNative": kernels.depthwise,
    "Conv2DBackpropInput": kernels.transposed,
    "MatMul": kernels.matmul,
    "BiasAdd": elementwise.add,
    "Add": elementwise.add,
    "AddV2": elementwise.add,
    "AddN": elementwise.add_n,
    "Sub": elementwise.subtract,
    "Neg": elementwise.negative,
    "SquaredDifference": elementwise.squared_difference,
    "Mul": elementwise.multiply,
    "RealDiv": elementwise.divide,
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), elementwise.batch_matmul),
    "LeakyRelu": elementwise.leaky_relu,
    "StopGradient": shaping.stop_gradient,
    "MaxPool": shaping.pool,
    "AvgPool": shaping.pool,
    "ConcatV2": shaping.concat,
    "Pad": shaping.pad,
    "PadV2": shaping.pad,
    **dict.fromkeys(elementwise.ACTIVATIONS, elementwise.activation),
    **dict.fromkeys(
        ("Abs", "Square", "Sqrt", "Rsqrt", "Pow", "Exp", "Log", "Log1p", "Erf", "Erfc", "Maximum", "Minimum"),
        elementwise.curve,
    ),
    **dict.fromkeys(
        ("Identity", "IdentityN", "PlaceholderWithDefault", "Snapshot", "CheckNumerics"), shaping.identity
    ),
    **dict.fromkeys(("Mean", "Sum", "Max", "Min"), shaping.reduce),
    **dict.fromkeys(("Reshape", "Squeeze", "ExpandDims"), shaping.reshape),
    **dict.fromkeys(
        ("ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic", "ResizeArea"), shaping.resize
    ),
    **dict.fromkeys(
        (
            *("MirrorPad", "DepthToSpace", "SpaceToDepth", "Transpose", "Slice", "StridedSlice"),
            *(
                "Split",
                "SplitV",
                "Unpack",
                "Tile",
                "GatherV2",
                "ReverseV2",
                "SpaceToBatchND",
                "BatchToSpaceND",
            ),
        ),
        shaping.move,
    ),
}
_MANY_OUTPUTS = {"Split", "SplitV", "Unpack"}


def make_plan(view: GraphView) -> Plan:
    """The layers between the view's input and output.

    Raises UnsupportedOpError, which names the operation and the node, where a node has no layer.
    """
    return fold_affines(_Planner(view).plan())


class _Planner:
    def __init__(self, view: GraphView) -> None:
        self._view = view
        self._slopes = SlopeFinder(view)
        self._layers = [LayerSpec("input", (), {}, [], node_of(view.input), view.shape(view.input))]
        self._place = {view.input: 0}
        self._steps: dict[str, Step] = {}

    def plan(self) -> Plan:
        """Depth first from the output, without recursion: deep nets have more nodes than Python frames."""
        stack = [self._view.output]
        while stack:
            tensor = stack[-1]
            if tensor in self._place:
                stack.pop()
                continue
            if tensor not in self._steps:
                self._steps[tensor] = self._step(tensor)
            missing = [t for t in self._steps[tensor].inputs if t not in self._place]
            if missing:
                stack.extend(missing)
                continue
            self._place[tensor] = self._append(tensor, self._steps[tensor])
            stack.pop()
        plan = Plan(self._layers, self._place[self._view.output])
        self._refuse_ambiguous(plan)
        return plan

    def _refuse_ambiguous(self, plan: Plan) -> None:
        """A product of two signals has no relevance rule; it may stand where none arrives, behind a gate."""
        reached = {plan.output}
        for position in range(len(plan.layers) - 1, 0, -1):
            spec = plan.layers[position]
            if position not in reached:
                continue
            if spec.config.get("ambiguous"):
                raise unsupported(
                    self._view.nodes[spec.node],
                    "a product of two signals, neither of them a gate or a normaliser",
                )
            gated = spec.kind == "gate" or spec.config.get("role") == "mix"
            reached.update(spec.inputs[:1] if gated else spec.inputs)

    def _append(self, tensor: str, step: Step) -> int:
        places = tuple(self._place[t] for t in step.inputs)
        for draft in step.layers:
            spec = LayerSpec(
                draft.kind, places, draft.config, draft.weights, node_of(tensor), self._view.shape(tensor)
            )
            self._layers.append(spec)
            places = (len(self._layers) - 1,)
        return places[0]

    def _step(self, tensor: str) -> Step:
        view, name = self._view, node_of(tensor)
        node = view.nodes[name]
        if not view.carries_data(tensor):
            raise UnsupportedOpError(
                f"node {name!r} ({node.op}) does not depend on the input {view.input!r}."
            )
        if split(tensor)[1] and node.op not in _MANY_OUTPUTS:
            raise unsupported(node, f"its output {tensor!r} is not the first")
        slopes = self._slopes.joined(name)
        if slopes is not None:
            return self._slope_step(tensor, slopes)
        if node.op == "BatchToSpaceND":
            step = kernels.batch_to_space(view, name)
            if step is not None:
                return step
        if node.op not in _HANDLERS:
            raise UnsupportedOpError(
                f"operation {node.op} (node {name!r}) has no rule in the iNNvestigate engine; "
                'engine="native" (the same rule) and engine="deepexplain" take any differentiable operation.'
            )
        if node.op in _MANY_OUTPUTS:
            return shaping.move(view, name, split(tensor)[1])
        return _HANDLERS[node.op](view, name)

    def _slope_step(self, tensor: str, slopes: Slopes) -> Step:
        above = np.asarray(slopes.at_plus_one, np.float32)
        below = -np.asarray(slopes.at_minus_one, np.float32)
        if np.array_equal(above, below):
            return elementwise.affine(
                self._view, self._view.nodes[node_of(tensor)], slopes.root, kernel=above
            )
        if np.all(above == 1) and not np.any(below):
            return Step([slopes.root], [Draft("activation", {"function": "relu"})])
        return Step([slopes.root], [Draft("slopes", {}, [above, below])])


# -- scales and shifts by constants, merged into the kernel layer just before them ------------------------


def fold_affines(plan: Plan) -> Plan:
    """The same function with fewer layers.

    An affine layer that is the only consumer of a kernel layer (or of another affine layer) and works per
    channel is merged into it; a bias becomes the kernel layer's bias, so that a relevance rule sees both.
    """
    uses = Counter(i for spec in plan.layers for i in spec.inputs)
    uses[plan.output] += 1
    layers: list[LayerSpec] = []
    readers: list[int] = []
    place: list[int] = []
    for position, spec in enumerate(plan.layers):
        inputs = tuple(place[i] for i in spec.inputs)
        if spec.kind == "affine" and readers[inputs[0]] == 1:
            target = inputs[0]
            while (
                layers[target].kind == "reshape"  # a convolution over one axis has one before its bias
                and layers[target].shape[-1] == layers[layers[target].inputs[0]].shape[-1]
                and readers[layers[target].inputs[0]] == 1
            ):
                target = layers[target].inputs[0]
            beyond = target != inputs[0] and layers[target].kind not in KERNELS
            merged = None if beyond else _merge(layers[target], spec)
            if merged is not None:
                layers[target] = merged
                readers[inputs[0]] = uses[position]
                place.append(inputs[0])
                continue
        place.append(len(layers))
        layers.append(replace(spec, inputs=inputs))
        readers.append(uses[position])
    return Plan(layers, place[plan.output])


def _merge(before: LayerSpec, affine: LayerSpec) -> LayerSpec | None:
    scale = affine.weights[0]
    shift = affine.weights[1] if affine.config["use_bias"] else None
    if before.kind == "affine":
        kernel = before.weights[0]
    elif before.kind in KERNELS and scale.ndim <= 1 and (shift is None or shift.ndim <= 1):
        kernel = before.weights[0]
        channels = before.shape[-1]
        scale = np.broadcast_to(scale, (channels,))
        shift = None if shift is None else np.broadcast_to(shift, (channels,))
    else:
        return None
    bias = before.weights[1] * scale if len(before.weights) > 1 else None
    if shift is not None:
        bias = shift if bias is None else bias + shift
    weights = [kernel * _for_kernel(before, scale), *([] if bias is None else [bias])]
    weights = [np.ascontiguousarray(w, np.float32) for w in weights]
    return replace(
        before, config={**before.config, "use_bias": bias is not None}, weights=weights, node=affine.node
    )


def _for_kernel(before: LayerSpec, scale: np.ndarray) -> np.ndarray:
    """A scale per output channel, shaped to multiply the kernel."""
    kernel = before.weights[0]
    if before.kind == "depthwise":  # [h, w, in, multiplier]: output channel = in * multiplier + m
        return scale.reshape(kernel.shape[2:])
    if before.kind == "transposed":  # [h, w, out, in]
        return scale[:, None]
    return scale  # the output channel is the last axis; affine layers multiply as they are
