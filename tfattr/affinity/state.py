"""The affinity of models as an associative state: update image by image, merge, compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tfattr.affinity.area import area_resize, common_grid
from tfattr.attribution.storage import channel_mean
from tfattr.errors import RecordsError, SettingsError

# Cosines are summed as whole multiples of 2**-40 in int64: sums of integers do not depend on the order, so
# any split over processes gives the same bits. An image adds an error below 5e-13; 8 million images fit.
_UNIT = 2.0**40
_MOST_IMAGES = 2**23 - 1
_BLOCK = 8192  # columns per float32 matrix product; the products' sums are float64
_HALF_MAGNITUDE = np.uint16(0x7FFF)
_SIGN_AND_REST = np.int32(-0x70000001)  # clears the copies of the sign that the shift leaves below it


class DroppedMap(NamedTuple):
    """A map that was left out of the affinity: whose, of which image, and why ("zero" or "not finite")."""

    model: str
    image: str
    reason: str


@dataclass
class AffinityState:
    """Sums of per-image cosines between models, and how many images each sum has.

    Associative and commutative to the last bit: ``update`` in any order and ``merge`` in any split end in
    the same ``compute()``. Memory does not grow with the number of images (only dropped maps are listed), unless ``kept``.

    Attributes:
        models: names, in order.
        grid: size at which maps are compared; None until the first image settles it.
        total: int64 ``[M, M]``, the cosines' sum in units of 2**-40.
        counts: int64 ``[M, M]``, images that count for a pair.
        images: images seen.
        dropped: maps left out, in the order seen.
        kept: None, or each image's own cosines by its id: float32 ``[M (M - 1) / 2]``, NaN for maps left out
            (they grow with the images: 3 KB each for 38 models).

    Source: the authors' ``affinity.py``: channel mean, flatten, cosine per image, mean over images.
    """

    models: tuple[str, ...]
    grid: tuple[int, int] | None
    total: np.ndarray
    counts: np.ndarray
    images: int = 0
    dropped: list[DroppedMap] = field(default_factory=list)
    kept: dict[str, np.ndarray] | None = None

    @classmethod
    def empty(
        cls, models: Sequence[str], grid: tuple[int, int] | int | None = None, keep_images: bool = False
    ) -> AffinityState:
        """A state that has seen no image.

        Args:
            models: their names, unique.
            grid: size to compare at; None lets the first image's maps settle it (:func:`common_grid`).
            keep_images: also keep each image's own cosines, for intervals (:class:`ImageCosines`).

        Raises:
            SettingsError: no model, a model named twice, or a bad grid.
        """
        models = tuple(models)
        if not models:
            raise SettingsError("there is no model to compare; give at least one")
        twice = sorted({name for name in models if models.count(name) > 1})
        if twice:
            raise SettingsError(f"the model {twice[0]} is named twice; names must be unique")
        size = len(models)
        return cls(
            models=models,
            grid=None if grid is None else common_grid((), grid),
            total=np.zeros((size, size), np.int64),
            counts=np.zeros((size, size), np.int64),
            kept={} if keep_images else None,
        )

    def update(self, maps: np.ndarray | Sequence[np.ndarray], image: str) -> AffinityState:
        """Adds one image; returns the state itself.

        Args:
            maps: one map a model, in the order of ``models``: ``[M, P]`` (already on the grid), or a
                sequence of ``[H, W]`` or ``[H, W, C]`` arrays of any sizes (channels are averaged). Scale
                does not matter.
            image: the image's id, to name dropped maps.

        Raises:
            RecordsError: not one map for each model.
            SettingsError: a shape that cannot be compared.
        """
        if len(maps) != len(self.models):
            raise RecordsError(
                f"image {image} has {len(maps)} maps, expected one for each of {len(self.models)}"
            )
        rows = self._rows(maps, image)
        peaks = _peaks(rows)
        usable = np.isfinite(peaks) & (peaks > 0)
        for position in np.flatnonzero(~usable):
            reason = "zero" if peaks[position] == 0 else "not finite"
            self.dropped.append(DroppedMap(self.models[position], image, reason))
        kept = np.flatnonzero(usable)
        if len(kept) < len(rows):
            rows, peaks = rows[kept], peaks[kept]
        cosine = _cosines(rows, peaks)
        pairs = np.ix_(usable, usable)
        self.total[pairs] += np.rint(cosine * _UNIT).astype(np.int64)
        self.counts[pairs] += 1
        self.images += 1
        if self.kept is not None:
            whole = np.full((len(self.models), len(self.models)), np.nan, np.float32)
            whole[pairs] = cosine
            self.kept[image] = whole[np.triu_indices(len(self.models), 1)]
        return self

    def merge(self, other: AffinityState) -> AffinityState:
        """The state of both states' images together; neither is changed.

        Raises:
            SettingsError: other models or another grid.
        """
        if self.models != other.models:
            raise SettingsError(
                f"affinity states of different models cannot be merged: {list(self.models)} and {list(other.models)}"
            )
        if self.grid and other.grid and self.grid != other.grid:
            raise SettingsError(
                f"affinity states at grids {self.grid} and {other.grid} cannot be merged; give one grid to both"
            )
        return AffinityState(
            models=self.models,
            grid=self.grid or other.grid,
            total=self.total + other.total,
            counts=self.counts + other.counts,
            images=self.images + other.images,
            dropped=self.dropped + other.dropped,
            kept=None if self.kept is None or other.kept is None else {**self.kept, **other.kept},
        )

    def compute(self) -> tuple[np.ndarray, np.ndarray]:
        """The affinity, float64 ``[M, M]``, and its counts, int64 ``[M, M]``.

        The diagonal is exactly 1; where no image counts the affinity is NaN.
        """
        if self.images > _MOST_IMAGES:
            raise SettingsError(f"an affinity of {self.images} images overflows; {_MOST_IMAGES} is the most")
        with np.errstate(invalid="ignore"):
            affinity = self.total / (self.counts * _UNIT)
        return affinity, self.counts.copy()

    def _rows(self, maps: np.ndarray | Sequence[np.ndarray], image: str) -> np.ndarray:
        """One row a model, on the grid, ``[M, P]``: float16 if all are stored so, else float32."""
        if isinstance(maps, np.ndarray) and maps.ndim == 2:
            if self.grid and maps.shape[1] != self.grid[0] * self.grid[1]:
                raise SettingsError(
                    f"image {image} has maps of {maps.shape[1]} values, expected {self.grid[0]} x {self.grid[1]}"
                )
            return maps if maps.dtype == np.float16 else maps.astype(np.float32, copy=False)
        planes = [_plane(array) for array in maps]
        for name, plane in zip(self.models, planes):
            if plane.ndim != 2 or plane.size == 0:
                raise SettingsError(
                    f"image {image}: the map of {name} has shape {plane.shape}, expected [H, W] or [H, W, C]"
                )
        if self.grid is None:
            self.grid = common_grid(plane.shape for plane in planes)
        planes = [plane if plane.shape == self.grid else area_resize(plane, self.grid) for plane in planes]
        dtype = np.float16 if all(plane.dtype == np.float16 for plane in planes) else np.float32
        rows = np.empty((len(planes), *self.grid), dtype)
        for row, plane in zip(rows, planes):
            row[...] = plane
        return rows.reshape(len(planes), -1)


def _plane(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3:
        return array
    return array[..., 0] if array.shape[2] == 1 else channel_mean(array)[..., 0]


def _peaks(rows: np.ndarray) -> np.ndarray:
    """The largest absolute value of each row, NaN or inf if the row is not finite."""
    if rows.dtype != np.float16:
        return np.maximum(rows.max(axis=1), -rows.min(axis=1))
    # Halves without their sign order as whole numbers do, an inf or NaN above all: many times faster.
    return (rows.view(np.uint16) & _HALF_MAGNITUDE).max(axis=1).view(np.float16)


def _cosines(rows: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Cosines between rows: products in float32, their sums over blocks in float64; ``[K, K]``.

    A cosine does not depend on scale. Rows are taken at unit peak, float16 ones as they are: neither's
    products over- or underflow.
    """
    gram = np.zeros((len(rows), len(rows)))
    # All rows at once: few long operations, so that the thread which reads is not kept waiting.
    single = _widened(rows) if rows.dtype == np.float16 else rows / peaks[:, None]
    for start in range(0, single.shape[1], _BLOCK):
        part = single[:, start : start + _BLOCK]
        gram += part @ part.T
    norm = np.sqrt(np.diagonal(gram))
    cosine = np.clip(gram / np.outer(norm, norm), -1.0, 1.0)
    np.fill_diagonal(cosine, 1.0)
    return cosine


def _widened(half: np.ndarray) -> np.ndarray:
    """float16 to float32, exactly; finite values only. numpy's own cast takes twice the time.

    Moving a half's bits by 13 puts sign, exponent and fraction where float32 has them, with the exponent
    15 - 127 = -112 off.
    """
    bits = np.left_shift(half.view(np.int16), 13, dtype=np.int32)
    bits &= _SIGN_AND_REST
    single = bits.view(np.float32)
    single *= np.float32(2.0**112)
    return single
