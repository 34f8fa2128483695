"""Area resize: each output pixel is the exact mean of the input over the square that it covers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from numbers import Integral

import numpy as np

from tfattr.errors import SettingsError

DEFAULT_GRID = (256, 256)


def area_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes ``[H, W]`` to ``size`` (height, width), up or down; float32.

    The image is taken as constant on each of its pixels; an output pixel is its integral over the output
    pixel's rectangle, divided by that area. The mean over the image is kept exactly, by whole-number factors
    it is the block mean (down) or repetition (up).
    """
    rows, columns = area_matrix(image.shape[0], size[0]), area_matrix(image.shape[1], size[1])
    with np.errstate(invalid="ignore", over="ignore"):  # a map that is not finite stays so
        return rows @ image.astype(np.float32, copy=False) @ columns.T


@lru_cache(maxsize=64)
def area_matrix(source: int, target: int) -> np.ndarray:
    """The box filter along one axis: float32 ``[target, source]``, rows sum to 1, read-only.

    Entry (o, i) is the part of output cell o = [o, o+1) * source/target that input cell [i, i+1) fills.
    """
    # In units of 1/target of an input pixel everything is a whole number, hence exact.
    cell, pixel = np.arange(target)[:, None] * source, np.arange(source)[None, :] * target
    overlap = np.minimum(cell + source, pixel + target) - np.maximum(cell, pixel)
    matrix = (np.maximum(overlap, 0) / source).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def common_grid(
    sizes: Iterable[tuple[int, int]], grid: tuple[int, int] | int | None = None
) -> tuple[int, int]:
    """The size at which maps are compared.

    ``grid`` if given (one number means a square); the maps' own size if all agree; else 256 x 256, or the
    largest map's height and width where those are smaller.

    Raises:
        SettingsError: a grid that is not one or two positive numbers, or no map at all.
    """
    if grid is not None:
        pair = tuple(grid) if isinstance(grid, Iterable) else (grid, grid)
        if len(pair) != 2 or any(not isinstance(side, Integral) or side < 1 for side in pair):
            raise SettingsError(f"the grid is {grid!r}, expected one or two positive whole numbers")
        return int(pair[0]), int(pair[1])
    distinct = set(sizes)
    if not distinct:
        raise SettingsError("there is no map to compare; give at least one model")
    if len(distinct) == 1:
        return distinct.pop()
    return (
        min(DEFAULT_GRID[0], max(height for height, _ in distinct)),
        min(DEFAULT_GRID[1], max(width for _, width in distinct)),
    )
