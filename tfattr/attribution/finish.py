"""What follows a backward pass inside its compiled function: slopes become maps, maps what leaves the device."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.attribution import gradients, on_device, storage
from tfattr.attribution.storage import StoredMaps
from tfattr.trunk.architecture import visible

FIRST_ORDER = ("saliency", "grad_input", "gradient_norm")


@dataclasses.dataclass(frozen=True)
class Form:
    """What leaves the device of each map and of the representation.

    Attributes:
        channels, dtype: as :func:`tfattr.attribution.storage.stored_maps` takes them; None leaves maps whole.
        most: as :func:`tfattr.attribution.storage.stored_representation` takes it; None leaves representations whole.
    """

    channels: str | None = None
    dtype: str = "float32"
    most: int | None = None

    def maps(self, maps: tf.Tensor) -> Any:
        """Float32 ``[N, H, W, C]`` as it leaves: a tensor, or :class:`StoredMaps` of tensors."""
        return maps if self.channels is None else on_device.stored_maps(maps, self.channels, self.dtype)

    def representation(self, y: tf.Tensor) -> tf.Tensor:
        """Float32 ``[N, ...]``, as ``forward`` gave it, as it leaves."""
        y = visible(y)
        return y if self.most is None else on_device.stored_representation(y, self.most)

    def on_host(self, maps: np.ndarray) -> Any:
        """:meth:`maps` of an array."""
        return maps if self.channels is None else storage.stored_maps(maps, self.channels, self.dtype)

    def joined(self, batches: list[Any]) -> Any:
        """What left in several batches, as arrays."""
        if self.channels is None:
            return np.concatenate([np.asarray(part, np.float32) for part in batches])
        return StoredMaps(*(np.concatenate(parts) for parts in zip(*batches)))


WHOLE = Form()


@dataclasses.dataclass(frozen=True)
class Finish:
    """The last part of a compiled function: ``finish(x, y, *slopes)``.

    Attributes:
        form: what leaves.
        relevance: methods whose map is the first slope times ``x``.
        first_order: methods of ``FIRST_ORDER``, made of the last slope.
        target: ``sum`` or ``energy``.
    """

    form: Form
    relevance: tuple[str, ...] = ()
    first_order: tuple[str, ...] = ()
    target: str = "sum"

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of the results."""
        return self.relevance + self.first_order

    def __call__(self, x: tf.Tensor, y: tf.Tensor, *slopes: tf.Tensor) -> tuple[Any, ...]:
        """The representation, relevance in and out of each image (float64 ``[2, N]``), then each method's maps."""
        made, taken = [], _sizes(y if self.target == "sum" else y * y)
        given = taken
        if self.relevance:
            relevance = slopes[0] * x
            given = _sizes(relevance)
            made += [self.form.maps(relevance)] * len(self.relevance)
        for method in self.first_order:
            if method == "saliency":
                found = gradients.saliency(slopes[-1])
            elif method == "grad_input":
                found = gradients.grad_input(slopes[-1], x)
            else:
                found = gradients.gradient_norm(slopes[-1])
            made.append(self.form.maps(found))
        return (self.form.representation(y), tf.stack([taken, given]), *made)


def _sizes(values: tf.Tensor) -> tf.Tensor:
    """Sums of absolute values of each image."""
    wide = tf.abs(tf.cast(values, tf.float64))
    return tf.reduce_sum(tf.reshape(wide, [tf.shape(wide)[0], -1]), axis=1)
