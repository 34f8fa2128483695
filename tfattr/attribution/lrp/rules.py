"""How relevance goes back through one layer: the rules that iNNvestigate lacks or gives by spelling.

A rule is a Keras layer over (inputs, outputs, relevance of the outputs): what it computes stays inside one
layer, so that building an analyzer takes time linear in the number of layers. All kernel layers of our
models are linear (activations are layers of their own), hence the pre-activation z of the epsilon rule is
the layer's output, already computed.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfattr.compat.analyzer_keras import keras

Tensors = list[tf.Tensor]
Function = Callable[[Tensors, Tensors, Tensors], Tensors]


def pull_back(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
    """J^T r: right for layers that copy, drop or select values (reshape, pad, concatenate, max-pool)."""
    if len(xs) == len(ys) == 1:
        convolution = _convolution_between(xs[0], ys[0])
        if convolution is not None:
            return [_convolution_pull_back(convolution, rs[0])]
    return tf.gradients(ys, xs, grad_ys=rs, stop_gradients=xs, unconnected_gradients="zero")


def _convolution_between(x: tf.Tensor, y: tf.Tensor) -> tf.Operation | None:
    """The Conv2D operation, if y is the convolution of x, a bias added or not."""
    op = y.op.inputs[0].op if y.op.type == "BiasAdd" else y.op
    return op if op.type == "Conv2D" and op.inputs[0] is x else None


def _convolution_pull_back(op: tf.Operation, r: tf.Tensor) -> tf.Tensor:
    """What tf.gradients gives for a convolution. It walks the whole graph at each call, which makes nets
    of hundreds of convolutions slow to build."""
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(op.inputs[0]),
        filter=op.inputs[1],
        out_backprop=r,
        strides=op.get_attr("strides"),
        padding=op.get_attr("padding"),
        explicit_paddings=op.get_attr("explicit_paddings"),
        dilations=op.get_attr("dilations"),
    )


def pass_on(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
    """r: a function of single elements hands its relevance on unchanged, saturated or not."""
    return [tf.identity(r) for r in rs]


def stop(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
    """Nothing goes further."""
    return [tf.zeros_like(x) for x in xs]


def signal_takes_all(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
    """Of a product with a gate, or a quotient by a normaliser, the signal gets it all (Arras et al. 2017)."""
    return [tf.identity(rs[0]), tf.zeros_like(xs[1])]


def epsilon_rule(epsilon: tf.Tensor) -> Function:
    """x * J^T (r / (y + epsilon * sign(y))) with sign(0) = 1 for a linear layer y (Bach et al. 2015, eq. 58)."""

    def rule(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
        return _linear(xs, ys, [r / (y + tf.where(y >= 0.0, epsilon, -epsilon)) for y, r in zip(ys, rs)])

    return rule


def z_rule(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
    """x * J^T (r / y), 0 where y = 0: iNNvestigate's rule for sums and average pooling."""
    return _linear(xs, ys, [tf.math.divide_no_nan(r, y) for y, r in zip(ys, rs)])


def values_take_all(linear: Function) -> Function:
    """Of a matrix product with weights made of the data (attention), the values get it all, by ``linear``."""

    def rule(xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
        # Both are held: the weights may be made of the values (self-attention).
        return [linear(xs, ys, rs)[0], tf.zeros_like(xs[1])]

    return rule


def _linear(xs: Tensors, ys: Tensors, messages: Tensors) -> Tensors:
    """x * J^T m for each input x."""
    return [x * g for x, g in zip(xs, pull_back(xs, ys, messages))]


class Reversed(keras.layers.Layer):
    """One rule at one place of the reversed network, in the form that iNNvestigate calls a mapping."""

    def __init__(self, function: Function, **kwargs) -> None:
        super().__init__(**kwargs)
        self._function = function
        self._counts = (0, 0)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs):
        n_in, n_out = self._counts
        xs, ys, rs = inputs[:n_in], inputs[n_in : n_in + n_out], inputs[n_in + n_out :]
        return self._function(list(xs), list(ys), list(rs))

    def reverse(self, xs: Tensors, ys: Tensors, rs: Tensors) -> Tensors:
        self._counts = (len(xs), len(ys))
        result = self([*xs, *ys, *rs])
        return list(result) if isinstance(result, (list, tuple)) else [result]


def mapping(function: Function) -> Callable[[Tensors, Tensors, Tensors, dict], Tensors]:
    """A rule as iNNvestigate's reverse mapping f(Xs, Ys, reversed_Ys, reverse_state)."""

    def reverse(xs: Tensors, ys: Tensors, rs: Tensors, reverse_state: dict) -> Tensors:
        return Reversed(function).reverse(xs, ys, rs)

    return reverse
