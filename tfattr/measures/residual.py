"""Cosines of what sets the models' maps apart, once what all of them look at is taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfattr.affinity.area import area_matrix, common_grid
from tfattr.affinity.images import ImageCosines
from tfattr.errors import SettingsError

METHOD = "residual"
GRID = 16
_ROUNDING = 1e-9  # what is left of a unit map that is the same for all models


def residual_cosines(
    maps: Mapping[str, np.ndarray],
    images: Sequence[str] | None = None,
    grid: tuple[int, int] | int | None = GRID,
) -> ImageCosines:
    """Per-image cosines of the models' unit maps after the mean over the models is taken away.

    On each image every map is scaled to length 1, the mean of these over the models is subtracted, and what is left is
    compared by its cosine. A model's affinities therefore depend on which other models there are.

    Args:
        maps: model to attribution maps ``[N, H, W]`` (channel mean), the same N images; sizes may differ.
        images: their ids; 0, 1, ... if None.
        grid: size at which they are compared (area resize), as of :func:`tfattr.affinity.common_grid`.

    Returns:
        one method, ``residual``; NaN where a map is zero or not finite (it counts in no mean either), or where nothing
        is left of it.

    Raises:
        SettingsError: no model, maps that are not ``[N, H, W]``, or models with different numbers of images.
    """
    sizes = [np.shape(maps[model])[1:] for model in maps] if grid is None else [(1, 1)] * len(maps)
    size, flat = common_grid(sizes, grid), []
    for model in maps:
        array = np.asarray(maps[model])  # once, as it may be read from files
        if array.ndim != 3 or array.size == 0 or (flat and len(array) != len(flat[0])):
            raise SettingsError(
                f"the maps of {model} have shape {list(array.shape)}; expected [N, H, W], the same N images for every "
                "model"
            )
        flat.append(_unit(at_grid(array, size).reshape(len(array), -1)))
    if not flat:
        raise SettingsError("there is no map to compare; give at least one model's")
    units = np.stack(flat, axis=1)
    known = np.isfinite(units[:, :, 0])
    common = np.where(known[:, :, None], units, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)[:, None]
    units = _unit(units - common[:, None], _ROUNDING)
    upper = np.triu_indices(len(flat), 1)
    cosines = np.clip(units @ units.transpose(0, 2, 1), -1.0, 1.0)[:, upper[0], upper[1]]
    names = [str(number) for number in range(len(cosines))] if images is None else list(images)
    return ImageCosines(tuple(maps), tuple(names), {METHOD: cosines.astype(np.float32)})


def at_grid(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """``[N, H, W]`` averaged over area to float64 ``[N, *grid]``."""
    maps = np.asarray(maps, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return area_matrix(maps.shape[1], grid[0]) @ maps @ area_matrix(maps.shape[2], grid[1]).T


def _unit(rows: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Rows at length 1; NaN if they are not finite, or no longer than ``least``."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
        return np.where((lengths > least) & np.isfinite(lengths), rows / lengths, np.nan)
