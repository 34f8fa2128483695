"""The affinity of models as an associative state: update image by image, merge, compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tfattr.affinity.area import area_resize, common_grid
from tfattr.affinity.measures import DEFAULT_MEASURE, Measure, find_measure
from tfattr.errors import RecordsError, SettingsError
from tfattr.records.stored import channel_mean

# Comparisons are summed as whole multiples of 2**-40 in int64: sums of integers do not depend on the order, so
# any split over processes gives the same bits. An image adds an error below 5e-13; 8 million images fit.
_UNIT = 2.0**40
_MOST_IMAGES = 2**23 - 1
_HALF_MAGNITUDE = np.uint16(0x7FFF)


class DroppedMap(NamedTuple):
    """A map that was left out of the affinity: whose, of which image, and why.

    The reason is "zero", "not finite", or "constant" for a measure that is not defined for such maps.
    """

    model: str
    image: str
    reason: str


class Comparison(NamedTuple):
    """One image's comparisons: float64 ``[M, M]``, NaN of maps left out; positions of the others; the maps left out."""

    image: str
    values: np.ndarray
    usable: list[int]
    dropped: list[DroppedMap]


@dataclass
class AffinityState:
    """Sums of per-image comparisons between models by a measure, and how many images each sum has.

    Associative and commutative to the last bit: ``update`` in any order and ``merge`` in any split end in
    the same ``compute()``. Memory does not grow with the number of images (only dropped maps are listed), unless ``kept``.

    Attributes:
        models: names, in order.
        grid: size at which maps are compared; None until the first image settles it.
        total: int64 ``[M, M]``, the comparisons' sum in units of 2**-40.
        counts: int64 ``[M, M]``, images that count for a pair.
        images: images seen.
        dropped: maps left out, in the order seen.
        kept: None, or each image's own comparisons by its id: float32 ``[M (M - 1) / 2]``, pairs i < j, or
            ``[M (M - 1)]``, all pairs i != j, if the measure is not symmetric; row by row, NaN for maps left out
            (they grow with the images: 3 KB each for 38 models).
        measure: how two models' maps of an image compare.

    Source: the authors' ``affinity.py`` for the cosine: channel mean, flatten, cosine per image, mean over images.
    """

    models: tuple[str, ...]
    grid: tuple[int, int] | None
    total: np.ndarray
    counts: np.ndarray
    images: int = 0
    dropped: list[DroppedMap] = field(default_factory=list)
    kept: dict[str, np.ndarray] | None = None
    measure: Measure = field(default_factory=lambda: find_measure(DEFAULT_MEASURE))

    @classmethod
    def empty(
        cls,
        models: Sequence[str],
        grid: tuple[int, int] | int | None = None,
        keep_images: bool = False,
        measure: str | Measure = DEFAULT_MEASURE,
    ) -> AffinityState:
        """A state that has seen no image.

        Args:
            models: their names, unique.
            grid: size to compare at; None lets the first image's maps settle it (:func:`common_grid`).
            keep_images: also keep each image's own comparisons, for intervals (:class:`ImageCosines`).
            measure: a registered measure's name, or a measure.

        Raises:
            SettingsError: no model, a model named twice, a bad grid, or no such measure.
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
            measure=find_measure(measure) if isinstance(measure, str) else measure,
        )

    def update(self, maps: np.ndarray | Sequence[np.ndarray], image: str) -> AffinityState:
        """Adds one image; returns the state itself.

        Args:
            maps: one map a model, in the order of ``models``: ``[M, P]`` (already on the grid), or a
                sequence of ``[H, W]`` or ``[H, W, C]`` arrays of any sizes (channels are averaged, unless the
                measure compares them as parts). Scale does not matter.
            image: the image's id, to name dropped maps.

        Raises:
            RecordsError: not one map for each model.
            SettingsError: a shape that cannot be compared.
        """
        return self.add(self.compare(maps, image))

    def compare(self, maps: np.ndarray | Sequence[np.ndarray], image: str) -> Comparison:
        """The part of :meth:`update` that takes time; threads may call it at once when the grid is settled."""
        if len(maps) != len(self.models):
            raise RecordsError(
                f"image {image} has {len(maps)} maps, expected one for each of {len(self.models)}"
            )
        stacks = self._rows(maps, image)
        at_once = getattr(self.measure, "compare_halves", None)
        if at_once and isinstance(stacks, np.ndarray) and stacks.dtype == np.float16:
            values = at_once(stacks[:, 0])
            if values is not None:
                np.fill_diagonal(values, 1.0)
                return Comparison(image, values, list(range(len(values))), [])
        contributions, usable, dropped = [], [], []
        for position, (rows, peak) in enumerate(zip(stacks, _peaks(stacks))):
            contribution = self.measure.contribution(rows) if np.isfinite(peak) and peak > 0 else None
            if contribution is None:
                reason = "zero" if peak == 0 else "constant" if np.isfinite(peak) else "not finite"
                dropped.append(DroppedMap(self.models[position], image, reason))
            else:
                contributions.append(contribution)
                usable.append(position)
        values = np.full((len(self.models), len(self.models)), np.nan)
        if usable:
            values[np.ix_(usable, usable)] = self.measure.compare(contributions)
            values[usable, usable] = 1.0
        return Comparison(image, values, usable, dropped)

    def add(self, comparison: Comparison) -> AffinityState:
        """Adds what :meth:`compare` made of an image; returns the state itself."""
        image, values, usable, dropped = comparison
        self.images += 1
        self.dropped += dropped
        if usable:
            pairs = np.ix_(usable, usable)
            self.total[pairs] += np.rint(values[pairs] * _UNIT).astype(np.int64)
            self.counts[pairs] += 1
        if self.kept is not None:
            pairs = pair_indices(len(self.models), self.measure.symmetric)
            self.kept[image] = values[pairs].astype(np.float32)
        return self

    def merge(self, other: AffinityState) -> AffinityState:
        """The state of both states' images together; neither is changed.

        Raises:
            SettingsError: other models, another grid or another measure.
        """
        if self.models != other.models:
            raise SettingsError(
                f"affinity states of different models cannot be merged: {list(self.models)} and {list(other.models)}"
            )
        if self.measure.name != other.measure.name:
            raise SettingsError(
                f"affinity states by {self.measure.name} and {other.measure.name} cannot be merged; give one measure to both"
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
            measure=self.measure,
        )

    def widened(self, models: Sequence[str]) -> AffinityState:
        """The state of ``models``, of which those that this one does not know have no maps: no image counts for them.

        Raises:
            SettingsError: a model of this state is not among them.
        """
        if not set(self.models) <= set(models):
            raise SettingsError(
                f"the affinity state of {list(self.models)} cannot become one of {list(models)}"
            )
        wide = AffinityState.empty(models, self.grid, self.kept is not None, self.measure)
        at = [wide.models.index(name) for name in self.models]
        wide.total[np.ix_(at, at)], wide.counts[np.ix_(at, at)] = self.total, self.counts
        wide.images, wide.dropped = self.images, self.dropped
        kept_wide: dict[str, np.ndarray] = {}
        for image, kept in (self.kept or {}).items():
            square = np.full((len(models), len(models)), np.nan, np.float32)
            rows, columns = pair_indices(len(at), self.measure.symmetric)
            square[np.take(at, rows), np.take(at, columns)] = kept
            if self.measure.symmetric:
                square = np.where(np.isnan(square), square.T, square)  # the order of the models may differ
            kept_wide[image] = square[pair_indices(len(models), self.measure.symmetric)]
        wide.kept = kept_wide if self.kept is not None else None
        return wide

    def compute(self) -> tuple[np.ndarray, np.ndarray]:
        """The affinity, float64 ``[M, M]``, and its counts, int64 ``[M, M]``.

        The diagonal is exactly 1; where no image counts the affinity is NaN.
        """
        if self.images > _MOST_IMAGES:
            raise SettingsError(f"an affinity of {self.images} images overflows; {_MOST_IMAGES} is the most")
        with np.errstate(invalid="ignore"):
            affinity = self.total / (self.counts * _UNIT)
        return affinity, self.counts.copy()

    def _rows(self, maps: np.ndarray | Sequence[np.ndarray], image: str) -> np.ndarray | list[np.ndarray]:
        """Each model's maps on the grid, ``[K, P]``: as they are stored, or float32."""
        if isinstance(maps, np.ndarray) and maps.ndim == 4 and maps.shape[1:] == (*(self.grid or ()), 1):
            return maps.reshape(len(maps), 1, -1)
        if isinstance(maps, np.ndarray) and maps.ndim == 2:
            if self.grid and maps.shape[1] != self.grid[0] * self.grid[1]:
                raise SettingsError(
                    f"image {image} has maps of {maps.shape[1]} values, expected {self.grid[0]} x {self.grid[1]}"
                )
            maps = maps if maps.dtype == np.float16 else maps.astype(np.float32, copy=False)
            return maps[:, None]
        for name, array in zip(self.models, maps):
            if array.ndim not in (2, 3) or array.size == 0:
                raise SettingsError(
                    f"image {image}: the map of {name} has shape {array.shape}, expected [H, W] or [H, W, C]"
                )
        stacks = [_stack(array, self.measure.parts) for array in maps]
        if self.grid is None:
            self.grid = common_grid((stack.shape[1], stack.shape[2]) for stack in stacks)
        resized = (
            stack
            if stack.shape[1:] == self.grid
            else np.stack([area_resize(plane, self.grid) for plane in stack])
            for stack in stacks
        )
        return [stack.reshape(len(stack), -1) for stack in resized]


def pair_indices(models: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pairs that are kept of an image: i < j, or all i != j; row by row."""
    if symmetric:
        return np.triu_indices(models, 1)
    rows, columns = np.nonzero(~np.eye(models, dtype=bool))
    return rows, columns


def _stack(array: np.ndarray, parts: bool) -> np.ndarray:
    """``[H, W]`` or ``[H, W, C]`` to ``[K, H, W]``: every channel, or their mean."""
    if array.ndim == 2:
        return array[None]
    if parts or array.shape[2] == 1:
        return np.moveaxis(array, -1, 0)
    return channel_mean(array)[None, ..., 0]


def _peaks(stacks: np.ndarray | list[np.ndarray]) -> list[float]:
    """Each stack's largest absolute value, NaN or inf if a value is not finite."""
    if isinstance(stacks, np.ndarray) and stacks.dtype == np.float16:
        # Halves without their sign order as whole numbers do, an inf or NaN above all: many times faster.
        magnitudes = (stacks.view(np.uint16) & _HALF_MAGNITUDE).max(axis=(1, 2))
        return magnitudes.view(np.float16).tolist()
    if not isinstance(stacks, np.ndarray):
        return [_peaks(stack[None])[0] for stack in stacks]
    return np.maximum(stacks.max(axis=(1, 2)), -stacks.min(axis=(1, 2))).tolist()
