"""Which layers of our models share one way of handing relevance back."""

from __future__ import annotations

from tfattr.attribution.keras_graph import layers as own
from tfattr.compat.analyzer_keras import keras, sources_of

_L = keras.layers
_KERNEL = (_L.Conv2D, _L.DepthwiseConv2D, _L.Conv2DTranspose, _L.Dense, own.Affine)
_LINEAR = (_L.Add, _L.Subtract, _L.AveragePooling2D, _L.GlobalAveragePooling2D)
_MOVE = (_L.Concatenate, _L.ZeroPadding2D, _L.Reshape, _L.Flatten, _L.MaxPooling2D, _L.Maximum, _L.Minimum)
_ELEMENTWISE = (_L.Activation, _L.ReLU, _L.LeakyReLU, _L.PReLU, _L.ELU, own.Slopes)


def family(layer: _L.Layer) -> str | None:
    """ "kernel", "linear", "move", "elementwise", "gate", "stop"; None for the fed tensor's layer.

    - kernel: weighted sums with a kernel, what LRP rules are about;
    - linear: fixed weighted sums (additions, averages, interpolation);
    - move: values copied, dropped or selected;
    - elementwise: functions of single elements, and softmax;
    - gate, mix: products of a signal with a gate or normaliser, element by element or as matrices;
    - stop: no gradient.
    """
    if isinstance(layer, own.GraphOp):
        return layer.role
    for name, classes in (
        ("kernel", _KERNEL),
        ("linear", _LINEAR),
        ("move", _MOVE),
        ("elementwise", _ELEMENTWISE),
        ("gate", own.Gate),
        ("stop", own.Stop),
    ):
        if isinstance(layer, classes):
            return name
    return None


def is_relu6(layer: _L.Layer) -> bool:
    return isinstance(layer, _L.Activation) and getattr(layer.activation, "__name__", "") == "relu6"


def is_relu(layer: _L.Layer) -> bool:
    """ReLU in either form, the bounded one included."""
    named = isinstance(layer, _L.Activation) and layer.activation is keras.activations.relu
    return named or isinstance(layer, _L.ReLU) or is_relu6(layer)


def reads_input(layer: _L.Layer) -> bool:
    """Whether nothing but moved pixels reaches the layer: padding before the first convolution is no layer."""
    sources = sources_of(layer)
    return bool(sources) and all(
        isinstance(s, _L.InputLayer) or (family(s) == "move" and reads_input(s)) for s in sources
    )
