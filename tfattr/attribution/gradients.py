"""Passes through a trunk: forward, and backward by the ordinary chain rule and a changed one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from tfattr.attribution.finish import Finish
    from tfattr.trunk.trunk import Trunk


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
