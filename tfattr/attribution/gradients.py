"""Saliency and gradient * input, and what is built on the same gradient."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from tfattr.attribution.finish import Finish
    from tfattr.trunk.trunk import Trunk

Gradient = Callable[[tf.Tensor], tf.Tensor]


def gradient_function(
    trunk: Trunk, target: str, xla: bool = False, finish: Finish | None = None
) -> Callable[[tf.Tensor], tuple[Any, ...]]:
    """``d score / d x`` of a trunk and its representation, compiled: float32 ``[N, H, W, C]`` to (same shape, ``[N, ...]``).

    The score is ``sum(y)`` over all units of the representation (``target="sum"``, the paper's: the
    authors call ``tf.gradients`` on the whole tensor) or ``0.5 * sum(y ** 2)`` (``"energy"``). With ``finish``: what that
    gives.
    """

    def passes(forward: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[Any, ...]:
        y = forward(x)
        (gradient,) = tf.gradients(y, x, grad_ys=seed(y, target), unconnected_gradients="zero")
        return (gradient, y) if finish is None else finish(x, y, gradient)

    return trunk.compiled(("gradient", target, finish), passes, xla=xla)


def two_chain_rules(
    rule: Callable[[], AbstractContextManager[None]],
    target: str,
    with_gradient: bool,
    finish: Finish | None,
    changed: Callable[[Callable[[tf.Tensor], tf.Tensor], tf.Tensor], tf.Tensor] | None = None,
) -> Callable[[Callable[[tf.Tensor], tf.Tensor], tf.Tensor], tuple[Any, ...]]:
    """One forward pass, a backward pass by a changed chain rule and, ``with_gradient``, an ordinary one, to be compiled.

    ``rule``: the context in which gradients follow the changed rule. ``changed``: makes the forward pass so that they
    can; the graph's own if None. Gives ``(y, multiplier[, gradient])``, or what ``finish`` makes of ``x`` and those.
    """

    def passes(forward: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[Any, ...]:
        y = forward(x) if changed is None else changed(forward, x)
        begin = seed(y, target)
        with rule():
            results = tf.gradients(y, x, grad_ys=begin, unconnected_gradients="zero")
        if with_gradient:
            results += tf.gradients(y, x, grad_ys=begin, unconnected_gradients="zero")
        return (y, *results) if finish is None else finish(x, y, *results)

    return passes


def seed(y: tf.Tensor, target: str) -> tf.Tensor:
    """What a backward pass from the representation ``y`` begins with: ``d score / d y``."""
    return tf.ones_like(y) if target == "sum" else y


def saliency(gradient: tf.Tensor) -> tf.Tensor:
    """``|gradient|`` (Simonyan et al. 2013)."""
    return tf.abs(gradient)


def gradient_norm(gradient: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of the gradient over colours: ``[N, H, W, C]`` to ``[N, H, W, 1]``."""
    return tf.norm(gradient, axis=-1, keepdims=True)


def grad_input(gradient: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """``gradient * x`` with the fed, preprocessed ``x`` (Shrikumar et al. 2016)."""
    return gradient * x


def integrated_gradients(gradient: Gradient, x: tf.Tensor, steps: int) -> tf.Tensor:
    """``x`` times the mean gradient on the line from zero to ``x`` (Sundararajan et al. 2017).

    The baseline is zero in the fed frame, as gradient * input has it; midpoint rule with ``steps`` points.
    """
    total = tf.zeros_like(x)
    for step in range(steps):
        total += gradient(x * ((step + 0.5) / steps))
    return x * total / steps


def smoothgrad(gradient: Gradient, x: tf.Tensor, samples: int, noise: float, seed: int) -> tf.Tensor:
    """Mean of ``|gradient|`` at ``samples`` noisy copies of ``x`` (Smilkov et al. 2017).

    ``noise`` is the standard deviation as a part of each image's value range. The draw depends on
    ``seed`` alone, not on how images are put into batches.
    """
    x = np.asarray(x)
    spread = (x.max(axis=(1, 2, 3)) - x.min(axis=(1, 2, 3))).reshape(-1, 1, 1, 1)
    random = np.random.default_rng(seed)
    total = tf.zeros_like(x)
    for _ in range(samples):
        draw = random.standard_normal(x.shape[1:]).astype(np.float32)
        total += tf.abs(gradient(tf.convert_to_tensor(x + noise * spread * draw, tf.float32)))
    return total / samples
