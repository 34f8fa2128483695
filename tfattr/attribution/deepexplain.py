"""Epsilon-LRP as the authors computed it: DeepExplain's changed chain rule on the frozen graph.

At each Relu, Elu, Sigmoid, Tanh and Softplus the derivative is replaced by
``output / (input + epsilon * sign(input))`` with ``sign(0) = +1``; everything else (convolutions, pooling,
additions, also Relu6 and LeakyRelu) keeps its ordinary gradient; the result is multiplied by the fed input.
Source: Ancona et al. 2018, ``marcoancona/DeepExplain`` 87fb43a, ``deepexplain/tensorflow/methods.py``,
epsilon 1e-4.

The gradient of those operations is looked up by a name of our own in TensorFlow's gradient registry. The
function found there serves both chain rules: which one is decided while a backward pass is being built, so
that one forward pass carries an ordinary and a changed backward pass.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfattr.attribution import gradients

if TYPE_CHECKING:
    from tfattr.attribution.finish import Finish
    from tfattr.trunk.trunk import Trunk

OVERRIDDEN = ("Relu", "Elu", "Sigmoid", "Tanh", "Softplus")
_GRADIENT_NAME = "TfattrNonlinearity"

# None while an ordinary backward pass is built, else epsilon.
_epsilon: contextvars.ContextVar[float | None] = contextvars.ContextVar("tfattr_epsilon", default=None)


@contextlib.contextmanager
def epsilon_rule(epsilon: float) -> Iterator[None]:
    """Backward passes that are built in this block follow the changed chain rule."""
    token = _epsilon.set(epsilon)
    try:
        yield
    finally:
        _epsilon.reset(token)


@tf.RegisterGradient(_GRADIENT_NAME)
def _nonlinearity_gradient(op: tf.Operation, gradient: tf.Tensor) -> tf.Tensor:
    x, y = op.inputs[0], op.outputs[0]
    epsilon = _epsilon.get()
    if epsilon is None:
        return _ordinary_gradient(op.type, x, y, gradient)
    # In the authors' order: near zero, y / (x + epsilon) makes 1e-7 of rounding 1e-3.
    if op.type == "Relu":  # where y is not zero it is x; two passes over memory less
        return gradient * y / (y + epsilon)
    return gradient * y / (x + tf.where(x >= 0.0, epsilon, -epsilon))


def _ordinary_gradient(kind: str, x: tf.Tensor, y: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    if kind == "Relu":
        return tf.raw_ops.ReluGrad(gradients=gradient, features=y)
    if kind == "Elu":
        return tf.raw_ops.EluGrad(gradients=gradient, outputs=y)
    if kind == "Sigmoid":
        return tf.raw_ops.SigmoidGrad(y=y, dy=gradient)
    if kind == "Tanh":
        return tf.raw_ops.TanhGrad(y=y, dy=gradient)
    return tf.raw_ops.SoftplusGrad(gradients=gradient, features=x)


def backward_function(
    trunk: Trunk,
    target: str,
    epsilon: float,
    with_gradient: bool,
    xla: bool = False,
    finish: Finish | None = None,
) -> Callable[[tf.Tensor], tuple[Any, ...]]:
    """One forward and one or two backward passes of a trunk, compiled.

    Args:
        trunk: the model.
        target: ``"sum"`` seeds the backward passes with ones, ``"energy"`` with the activations.
        epsilon: of the changed chain rule.
        with_gradient: also give the ordinary gradient.
        xla: compile by XLA.
        finish: what is done with the results before they leave the device.

    Returns:
        A function of float32 ``[N, H, W, C]`` giving ``(y, multiplier)`` or ``(y, multiplier, gradient)``: the
        representation, then arrays of the shape of ``x``; epsilon-LRP is ``multiplier * x``. With ``finish``: what that gives.
    """

    key = ("deepexplain", target, epsilon, with_gradient, finish)
    passes = gradients.two_chain_rules(lambda: epsilon_rule(epsilon), target, with_gradient, finish, changed)
    return trunk.compiled(key, passes, xla=xla)


def changed(forward: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """The representation, whose backward passes follow the changed chain rule inside :func:`epsilon_rule`."""
    with x.graph.gradient_override_map(dict.fromkeys(OVERRIDDEN, _GRADIENT_NAME)):
        return forward(x)
