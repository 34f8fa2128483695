"""What follows a backward pass: slopes become maps, maps what leaves the device or is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.attribution import on_device
from tfattr.attribution.methods import BoundMethod
from tfattr.records.stored import StoredMaps, stored_maps
from tfattr.trunk.architecture import visible


@dataclasses.dataclass(frozen=True)
class Form:
    """What is made of each map and of the representation.

    Attributes:
        channels, dtype: as :func:`tfattr.records.stored.stored_maps` takes them; None leaves maps whole.
        most: as :func:`tfattr.records.stored.stored_representation` takes it; None leaves representations whole.
        on_device: whether maps are made and reduced inside the passes' compiled function, or by numpy, image by image,
            which is faster where the device is the CPU.
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
        """What left in several batches: one float32 array, or :class:`StoredMaps` of arrays."""
        if self.channels is None:
            return np.concatenate([np.asarray(maps, np.float32) for maps in batches])
        stored = [
            maps if isinstance(maps, StoredMaps) else stored_maps(_readable(maps), self.channels, self.dtype)
            for maps in batches
        ]
        return StoredMaps(*(_concatenated(parts) for parts in zip(*stored)))


def _concatenated(parts: Sequence[Any]) -> np.ndarray:
    return np.concatenate(parts) if len(parts) > 1 else np.asarray(parts[0])


def _readable(maps: Any) -> Any:
    return maps if isinstance(maps, Pending) else np.asarray(maps)


@dataclasses.dataclass(frozen=True)
class Pending:
    """Maps that the host makes when they are asked for: all as one array, or one at a time.

    Attributes:
        make: the method, of arrays.
        x, slope: ``[N, H, W, C]``.
        watch: gets the sum of absolute values of each map, once all are made.
    """

    make: BoundMethod
    x: np.ndarray
    slope: np.ndarray
    watch: Callable[[np.ndarray], None] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[np.ndarray]:
        sizes = []
        for index in range(len(self)):
            one = slice(index, index + 1)
            map = np.asarray(self.make(self.x[one], self.slope[one]), np.float32)[0]
            if self.watch is not None:
                sizes.append(np.einsum("hwc->", np.abs(map)))
            yield map
        if self.watch is not None:
            self.watch(np.array(sizes))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        maps = self.make(self.x, self.slope) if self.watch is None else np.stack(list(self))
        return np.asarray(maps, dtype)


@dataclasses.dataclass(frozen=True)
class Finish:
    """The last part of a compiled function: ``finish(x, y, *slopes)``.

    Attributes:
        form: what leaves.
        relevance, first_order: methods whose maps are made of the first slope and of the last one.
        target: ``sum`` or ``energy``.
        sizes: whether relevance in and out of each image is given.
    """

    form: Form
    relevance: tuple[BoundMethod, ...] = ()
    first_order: tuple[BoundMethod, ...] = ()
    target: str = "sum"
    sizes: bool = False

    def compiled(self) -> Finish:
        """What of it decides the compiled function: the host makes its maps of the same slopes."""
        return self if self.form.on_device else dataclasses.replace(self, relevance=(), first_order=())

    def __call__(self, x: tf.Tensor, y: tf.Tensor, *slopes: tf.Tensor) -> tuple[Any, ...]:
        """The representation, the relevance in of each image (with ``sizes``), then maps, or slopes for the host."""
        out = [self.form.representation(y)]
        if self.sizes:
            taken = _size(y if self.target == "sum" else y * y)
            out.append(tf.stack([taken, _size(slopes[0] * x)]) if self.form.on_device else taken)
        if not self.form.on_device:
            return (*out, *slopes)
        maps = [make(x, slopes[0]) for make in self.relevance] + [
            make(x, slopes[-1]) for make in self.first_order
        ]
        return (*out, *(self.form.maps(some) for some in maps))

    def maps(
        self, x: tf.Tensor, results: Sequence[Any], told: Callable[[np.ndarray], None]
    ) -> dict[str, Any]:
        """Method to its maps, of what followed the representation; ``told`` gets the sizes ``[2, N]``: in, out."""
        makes, watch = self.relevance + self.first_order, None
        if self.sizes:
            taken, *results = np.asarray(results[0]), *results[1:]
            if self.form.on_device:
                told(taken)
            else:
                watch = lambda given: told(np.stack([taken, given]))  # noqa: E731
        if not self.form.on_device:
            images, slopes = np.asarray(x), [np.asarray(slope) for slope in results]
            results = [Pending(make, images, slopes[0], watch) for make in self.relevance]
            results += [Pending(make, images, slopes[-1]) for make in self.first_order]
        return {make.name: maps for make, maps in zip(makes, results)}


def _size(values: tf.Tensor) -> tf.Tensor:
    """Sums of absolute values of each image."""
    return tf.reduce_sum(tf.abs(values), axis=list(range(1, values.shape.rank)))
