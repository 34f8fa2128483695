"""Epsilon-LRP's rule for each operation: the one table, one line a rule. Free of TensorFlow.

R is the relevance of an output z, a an input, e the stabiliser (Bach et al. 2015, eq. 58). What travels backwards is
m = R / z instead, so that each rule is an ordinary gradient, changed as little as possible
(:mod:`tfattr.attribution.native`). Operations that are not in the table keep their ordinary gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tfattr.errors import SettingsError


class Rule(NamedTuple):
    """A rule; its name and statement as docs/layers.md gives them.

    ``gradient``, of registered ones: see :func:`register_rule`; the package's own are what the engine does by itself.
    """

    name: str
    says: str
    gradient: Callable[..., Any] | None = None


WEIGHTED = Rule("weighted sum", "R_a = a W^T (R / (z + e sign z)), once for kernel, scale and shift together")
SUM = Rule(
    "sum", "each summand takes its share: R_a = a R / (z + e sign z); with a constant: as a weighted sum"
)
AVERAGE = Rule("average", "R_a = a J^T (R / (z + e sign z)) with the fixed weights J")
PRODUCT = Rule("product", "the signal takes all, gates and normalisers none; two signals take half each")
MATRIX = Rule(
    "matrix product", "with constants a weighted sum; of two signals a product, e at the signal's sum"
)
CURVE = Rule("function of single values", "R_a = R, saturated or not")
MOVE = Rule("selection or move", "R goes where the value came from (the ordinary gradient)")
SELECT = Rule("larger or smaller of two", "R goes to the value that was taken; against a constant: R_a = R")
NORMALISE = Rule(
    "norm",
    "by given moments a scale and shift; by its own a weighted sum of the centred values, the scale a gate",
)
DIFFERENCE = Rule("squared difference", "half of R as a sum, for each of the two equal factors")
STOP = Rule("stop", "takes none")

RULES: dict[str, Rule] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3D", "Conv3DBackpropInputV2"), WEIGHTED),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"), MATRIX),
    **dict.fromkeys(("BiasAdd", "Add", "AddV2", "AddN", "Sub", "Neg"), SUM),
    **dict.fromkeys(("Mean", "Sum", "AvgPool", "AvgPool3D", "Cumsum"), AVERAGE),
    **dict.fromkeys(("ResizeBilinear", "ResizeBicubic", "ResizeArea", "ScaleAndTranslate", "CropAndResize"), AVERAGE),
    **dict.fromkeys(("Mul", "RealDiv", "DivNoNan", "MulNoNan", "Xdivy"), PRODUCT),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), NORMALISE),
    **dict.fromkeys(("Relu", "LeakyRelu", "Abs", "Relu6", "Elu", "Selu", "Softplus", "Softsign"), CURVE),
    **dict.fromkeys(("Sigmoid", "Tanh", "Erf", "Erfc", "Softmax", "LogSoftmax", "LRN"), CURVE),
    **dict.fromkeys(("Square", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Pow", "Exp", "Expm1", "Log", "Log1p"), CURVE),
    **dict.fromkeys(("Sin", "Cos", "Atan", "Sinh", "Cosh", "ClipByValue", "Floor", "Round", "Rint", "Ceil"), CURVE),
    **dict.fromkeys(("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"), CURVE),
    **dict.fromkeys(("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"), CURVE),
    **dict.fromkeys(("Maximum", "Minimum"), SELECT),
    **dict.fromkeys(("MaxPool", "MaxPoolV2", "MaxPool3D", "Max", "Min", "Select", "SelectV2", "TopKV2"), MOVE),
    **dict.fromkeys(("ConcatV2", "Pad", "PadV2", "MirrorPad", "Reshape", "Squeeze", "ExpandDims", "Transpose"), MOVE),
    **dict.fromkeys(("Slice", "StridedSlice", "Split", "SplitV", "Pack", "Unpack", "GatherV2", "GatherNd"), MOVE),
    **dict.fromkeys(("Tile", "BroadcastTo", "ReverseV2", "Roll", "ResizeNearestNeighbor", "ExtractImagePatches"), MOVE),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth", "SpaceToBatchND", "BatchToSpaceND", "Identity", "IdentityN"), MOVE),
    **dict.fromkeys(("Cast", "CheckNumerics", "EnsureShape", "Snapshot", "PlaceholderWithDefault"), MOVE),
    "SquaredDifference": DIFFERENCE,
    **dict.fromkeys(("StopGradient", "Shape", "ShapeN", "Size", "Rank"), STOP),
}  # fmt: skip

# How much of a gate or normaliser a factor is that comes from such an operation; the signal of a product is the factor
# that is less of one. Bounded features (ReLU6) may be gates, yet yield to weights and normalisers.
GATES: dict[str, int] = {
    "StopGradient": 4,
    **dict.fromkeys(("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "Sign"), 4),
    **dict.fromkeys(("Sigmoid", "Softmax", "Rsqrt", "Sqrt", "Reciprocal", "Inv"), 3),
    **dict.fromkeys(("Relu6", "ClipByValue"), 2),
    **dict.fromkeys(("Tanh", "Erf", "Erfc", "Exp", "Softsign", "Softplus"), 1),
}


def register_rule(*ops: str, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: gives operations of the engine ``native`` another rule, from the next model on.

    The function is given the operation (its ``inputs`` and ``outputs`` are tensors), m of its first output, which is
    relevance over value, and epsilon. It returns m of the input, or of each input (None for what gets nothing).

    Args:
        ops: names of TensorFlow operations, such as ``"MaxPool"``.
        says: the rule in a few words.

    Raises:
        SettingsError: no operation is named.
    """
    if not ops:
        raise SettingsError("a rule of epsilon-LRP needs the names of its operations, such as MaxPool")

    def register(gradient: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(ops, Rule(gradient.__name__, says, gradient)))
        return gradient

    return register
