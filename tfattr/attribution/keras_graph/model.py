"""Plan -> legacy-Keras functional model, its weights, and the proof that it computes the same."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.attribution.keras_graph import layers as own
from tfattr.attribution.keras_graph.plan import LayerSpec, Plan
from tfattr.compat.analyzer_keras import keras
from tfattr.errors import GraphError

TOLERANCE = 1e-4
"""Largest error of the model against the graph, relative to the graph's largest value."""

_ACTIVATIONS = {"relu6": tf.nn.relu6}


def build_keras_model(plan: Plan) -> keras.Model:
    """A functional model with the plan's layers, all weights zero, output flattened to [N, units].

    Has to be called where a ``tf.Graph`` is the default; :func:`load_weights` gives it its weights.
    """
    fed = keras.layers.Input(plan.input_shape, name="fed")
    tensors = [fed]
    for position, spec in enumerate(plan.layers[1:], start=1):
        arguments = [tensors[i] for i in spec.inputs]
        layer = _make(spec, _name(position, spec))
        tensors.append(layer(arguments[0] if len(arguments) == 1 else arguments))
    return keras.Model(fed, keras.layers.Flatten(name="units")(tensors[plan.output]), name="trunk")


def load_weights(session: tf.compat.v1.Session, model: keras.Model, plan: Plan) -> None:
    """Sets all variables of the model from the plan in one call of the session."""
    feeds, loads = {}, []
    for position, spec in enumerate(plan.layers):
        if not spec.weights:
            continue
        for variable, value in zip(model.get_layer(_name(position, spec)).weights, spec.weights):
            loads.append(variable.initializer)
            feeds[variable.initializer.inputs[1]] = value
    session.run(loads, feeds)


def verify(expected: np.ndarray, found: np.ndarray, output: str) -> None:
    """Raises GraphError unless the model's output equals the graph's within TOLERANCE, image by image."""
    for a, b in zip(expected.reshape(len(expected), -1), found):
        error = np.abs(a - b).max() if a.shape == b.shape else np.inf
        peak = np.abs(a).max()
        if not error <= TOLERANCE * peak:
            raise GraphError(
                f"the Keras model made of the graph up to {output!r} differs from it by {error:.3g} "
                f"(its peak is {peak:.3g}, {TOLERANCE:g} of that is allowed); this graph cannot be analysed "
                'by the iNNvestigate engine, use engine="native".'
            )


def _name(position: int, spec: LayerSpec) -> str:
    return f"layer{position:04d}_{spec.kind}"


def _make(spec: LayerSpec, name: str) -> keras.layers.Layer:
    make = _MAKERS.get(spec.kind)
    return make(spec, name=name, **_KERNEL_OPTIONS) if spec.kind in _WITH_KERNEL else make(spec, name=name)


_KERNEL_OPTIONS = {"kernel_initializer": "zeros"}
_WITH_KERNEL = ("conv", "transposed", "dense")


def _conv(spec: LayerSpec, **options) -> keras.layers.Layer:
    kernel = spec.weights[0]
    return keras.layers.Conv2D(
        kernel.shape[3],
        kernel.shape[:2],
        strides=spec.config["strides"],
        padding=spec.config["padding"],
        dilation_rate=spec.config["dilation"],
        groups=spec.config["groups"],
        use_bias=len(spec.weights) > 1,
        **options,
    )


def _depthwise(spec: LayerSpec, **options) -> keras.layers.Layer:
    kernel = spec.weights[0]
    return keras.layers.DepthwiseConv2D(
        kernel.shape[:2],
        strides=spec.config["strides"],
        padding=spec.config["padding"],
        dilation_rate=spec.config["dilation"],
        depth_multiplier=kernel.shape[3],
        use_bias=len(spec.weights) > 1,
        depthwise_initializer="zeros",
        **options,
    )


def _transposed(spec: LayerSpec, **options) -> keras.layers.Layer:
    kernel = spec.weights[0]
    return own.TransposedConv(
        kernel.shape[2],
        kernel.shape[:2],
        spec.config["size"],
        strides=spec.config["strides"],
        padding=spec.config["padding"],
        dilation_rate=spec.config["dilation"],
        use_bias=len(spec.weights) > 1,
        **options,
    )


def _dense(spec: LayerSpec, **options) -> keras.layers.Layer:
    return keras.layers.Dense(spec.weights[0].shape[1], use_bias=len(spec.weights) > 1, **options)


def _affine(spec: LayerSpec, **options) -> keras.layers.Layer:
    bias = spec.weights[1].shape if len(spec.weights) > 1 else None
    return own.Affine(spec.weights[0].shape, bias, use_bias=bias is not None, **options)


def _activation(spec: LayerSpec, **options) -> keras.layers.Layer:
    function = spec.config["function"]
    return keras.layers.Activation(_ACTIVATIONS.get(function, function), **options)


def _pool(layer: type) -> callable:
    def make(spec: LayerSpec, **options) -> keras.layers.Layer:
        return layer(spec.config["size"], spec.config["strides"], spec.config["padding"], **options)

    return make


def _graph_op(spec: LayerSpec, **options) -> keras.layers.Layer:
    return own.GraphOp(**{k: v for k, v in spec.config.items() if k != "ambiguous"}, **options)


_MAKERS = {
    "conv": _conv,
    "depthwise": _depthwise,
    "transposed": _transposed,
    "dense": _dense,
    "affine": _affine,
    "activation": _activation,
    "slopes": lambda s, **o: own.Slopes(s.weights[0].shape, s.weights[1].shape, **o),
    "square": lambda s, **o: keras.layers.Activation(tf.square, **o),
    "add": lambda s, **o: keras.layers.Add(**o),
    "subtract": lambda s, **o: keras.layers.Subtract(**o),
    "select": lambda s, **o: {"Maximum": keras.layers.Maximum, "Minimum": keras.layers.Minimum}[
        s.config["op"]
    ](**o),
    "gate": lambda s, **o: own.Gate(s.config["divide"], **o),
    "stop": lambda s, **o: own.Stop(**o),
    "concat": lambda s, **o: keras.layers.Concatenate(s.config["axis"], **o),
    "pad": lambda s, **o: keras.layers.ZeroPadding2D(s.config["paddings"], **o),
    "reshape": lambda s, **o: keras.layers.Reshape(s.config["shape"], **o),
    "max_pool": _pool(keras.layers.MaxPooling2D),
    "average_pool": _pool(keras.layers.AveragePooling2D),
    "global_average_pool": lambda s, **o: keras.layers.GlobalAveragePooling2D(
        keepdims=s.config["keepdims"], **o
    ),
    "graph_op": _graph_op,
}
