"""Maps of K parts of a representation instead of its sum: what ``--target channels`` computes.

The sum of all units depends on the basis that a network happens to write its code in; the span of the maps of K parts
does not, as long as the parts are many enough (see docs/why-not-the-sum.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfattr.attribution.finish import Form
from tfattr.attribution.settings import AttributionSettings

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


def mixtures(width: int, count: int, seed: int = 0) -> np.ndarray:
    """The parts of ``width`` channels: float32 ``[K, width]``, a row a part.

    Each channel by itself where there are at most ``count``; else ``count`` random +-1 mixtures, which depend on
    ``width`` and ``seed`` alone, so that models of one width share them. A row does not depend on ``count``.
    """
    if width <= count:
        return np.eye(width, dtype=np.float32)
    signs = np.random.default_rng(seed).integers(0, 2, (count, width))
    return (2 * signs - 1).astype(np.float32)


def part_maps(
    trunk: Trunk, x: tf.Tensor, settings: AttributionSettings, form: Form
) -> tuple[dict[str, Any], tf.Tensor]:
    """Maps of each part, and the representation float32 ``[N, ...]``.

    Part k is ``score_k = sum(weights_k * y)``, ``weights`` ``[K, c]`` from :func:`mixtures` along the last axis of the
    representation: sums over space of channels, or of mixtures of channels; of a vector, mixtures of its units. With
    g_k = d score_k / d x, the maps are the mean over colours of ``g_k * x`` (``grad_input``) or the norm over colours of
    g_k (``gradient_norm``), averaged over area to ``grid`` x ``grid``.

    Args:
        trunk: the model.
        x: float32 ``[N, H, W, C]`` in the fed frame.
        settings: with ``target="channels"`` or ``"channels:K"``; ``mixture_seed`` and ``grid`` in its options (by
            default 16 for ``grad_input``, 8 for ``gradient_norm``).
        form: what leaves the device.

    Returns:
        Method to float32 ``[N, grid, grid, K]``, and the representation, both in ``form``. K backward passes share one forward pass.
    """
    grids = tuple((method, settings.part_grid(method)) for method in settings.methods)
    key = ("parts", grids, settings.parts, settings.mixture_seed)

    sizes = trunk.output_shape[-1], trunk.input_shape[:2]

    def passes(forward: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tuple[Any, ...]:
        *maps, y = _passes(*sizes, *key[1:])(forward, images)
        return (*(form.maps(some) for some in maps), form.representation(y))

    *maps, y = trunk.compiled((key, form), passes)(x)
    return dict(zip(settings.methods, maps)), y


def _passes(
    width: int, size: tuple[int, int], grids: tuple[tuple[str, int], ...], parts: int, seed: int
) -> Callable:
    from tfattr.affinity.area import area_matrix  # its package needs this one's

    weights = mixtures(width, parts, seed)

    def reduced(gradient: tf.Tensor, x: tf.Tensor, method: str, grid: int) -> tf.Tensor:
        if method == "grad_input":
            fine = tf.reduce_mean(gradient * x, axis=-1)
        else:
            fine = tf.sqrt(tf.reduce_sum(gradient * gradient, axis=-1))
        down, across = (area_matrix(side, grid) for side in size)
        return tf.einsum("gh,nhw,kw->ngk", down, fine, across)

    def passes(forward: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        y = forward(x)
        kept: list[list[tf.Tensor]] = [[] for _ in grids]
        for row in weights:
            (gradient,) = tf.gradients(
                y, x, grad_ys=tf.ones_like(y) * row, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            for maps, (method, grid) in zip(kept, grids):
                maps.append(reduced(gradient, x, method, grid))
        return (*(tf.stack(maps, axis=-1) for maps in kept), y)

    return passes
