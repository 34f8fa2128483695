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
        on_device: whether maps are reduced before they leave, or by the host.
    """

    channels: str | None = None
    dtype: str = "float32"
    most: int | None = None
    on_device: bool = True

    def maps(self, maps: tf.Tensor) -> Any:
        """Float32 ``[N, H, W, C]`` as it leaves: a tensor, or :class:`StoredMaps` of tensors."""
        whole = self.channels is None or not self.on_device
        return maps if whole else on_device.stored_maps(maps, self.channels, self.dtype)

    def representation(self, y: tf.Tensor) -> tf.Tensor:
        """Float32 ``[N, ...]``, as ``forward`` gave it, as it leaves."""
        y = visible(y)
        return y if self.most is None else on_device.stored_representation(y, self.most)

    def joined(self, batches: list[Any]) -> Any:
        """What left in several batches, or whole maps as arrays: float32, or :class:`StoredMaps` of arrays."""
        if self.channels is None:
            return np.concatenate([np.asarray(maps, np.float32) for maps in batches])
        stored = (
            maps
            if isinstance(maps, StoredMaps)
            else storage.stored_maps(np.asarray(maps), self.channels, self.dtype)
            for maps in batches
        )
        return StoredMaps(*(np.concatenate(parts) for parts in zip(*stored)))


WHOLE = Form()


@dataclasses.dataclass(frozen=True)
class Finish:
    """The last part of a compiled function: ``finish(x, y, *slopes)``.

    Attributes:
        form: what leaves.
        relevance: methods whose map is the first slope times ``x``.
        first_order: methods of ``FIRST_ORDER``, made of the last slope.
        target: ``sum`` or ``energy``.
        relevance_sizes: whether relevance in and out of each image is given too.
    """

    form: Form
    relevance: tuple[str, ...] = ()
    first_order: tuple[str, ...] = ()
    target: str = "sum"
    relevance_sizes: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of the results."""
        return self.relevance + self.first_order

    def __call__(self, x: tf.Tensor, y: tf.Tensor, *slopes: tf.Tensor) -> tuple[Any, ...]:
        """The representation, each method's maps, then ``relevance_sizes`` (float32 ``[2, N]``: in, out)."""
        made, sizes = [], []
        if self.relevance:
            relevance = slopes[0] * x
            made += [self.form.maps(relevance)] * len(self.relevance)
            if self.relevance_sizes:
                sizes = [tf.stack([_size(y if self.target == "sum" else y * y), _size(relevance)])]
        for method in self.first_order:
            if method == "saliency":
                found = gradients.saliency(slopes[-1])
            elif method == "grad_input":
                found = gradients.grad_input(slopes[-1], x)
            else:
                found = gradients.gradient_norm(slopes[-1])
            made.append(self.form.maps(found))
        return (self.form.representation(y), *made, *sizes)


def _size(values: tf.Tensor) -> tf.Tensor:
    """Sums of absolute values of each image."""
    return tf.reduce_sum(tf.abs(values), axis=range(1, values.shape.rank))
