"""Maps and representations as they are stored: whole batches of arrays, no files.

Free of TensorFlow until float16 is made.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from tfattr.errors import SettingsError
from tfattr.tensors import aligned, shared_tensor

try:
    import numkong
except ImportError:  # no wheel for this Python or processor
    numkong = None  # type: ignore[assignment]

CHANNELS = ("mean", "all")
DTYPES = ("float16", "float32")
MOST_VALUES = 16_384  # of a stored representation; larger ones are averaged over space
_UNTHREADED = 4096  # values of a matrix whose product with a vector no BLAS hands to a pool of threads
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class StoredMaps(NamedTuple):
    """A batch of maps as records hold them: ``stored * scale`` is the map.

    Attributes:
        stored: float16 or float32 ``[N, H, W, c]``.
        scale: float32 ``[N]``: each map's peak for float16 (1 where that is 0), 1 for float32.
        norm: float32 ``[N]``, the Euclidean norm of each map; NaN where it is not finite.
        finite: bool ``[N]``, whether all of a map's values are.
    """

    stored: np.ndarray
    scale: np.ndarray
    norm: np.ndarray
    finite: np.ndarray


def check_storage(channels: str, dtype: str) -> None:
    """Raises SettingsError for unknown ``channels`` or ``dtype``."""
    if channels not in CHANNELS:
        raise SettingsError(f"channels is {channels!r}, expected one of {', '.join(CHANNELS)}")
    if dtype not in DTYPES:
        raise SettingsError(f"the dtype of records is {dtype!r}, expected one of {', '.join(DTYPES)}")


def stored_maps(
    maps: np.ndarray | Collection[np.ndarray], channels: str = "mean", dtype: str = "float16"
) -> StoredMaps:
    """A batch of maps ``[N, H, W, C]`` as records hold it.

    Args:
        maps: non-finite values are kept and flagged. A collection of ``[H, W, C]`` is asked for one at a time.
        channels: "mean" stores the channel mean (the authors'), "all" every channel.
        dtype: "float16" stores each map at unit peak, so that nothing over- or underflows and the error is
            at most 2**-11 of a value or 2**-25 of the peak; the channel mean before it is summed in float32 (off by
            2**-22 of the channels' mean size). "float32" stores it as it is, the channel mean summed in float64.

    Raises:
        SettingsError: unknown ``channels`` or ``dtype``, or maps that are not ``[N, H, W, C]``.
    """
    check_storage(channels, dtype)
    if isinstance(maps, np.ndarray) and (maps.ndim != 4 or 0 in maps.shape[1:]):
        raise SettingsError(f"the maps have shape {maps.shape}, expected [N, H, W, C] with no side of 0")
    count = len(maps)
    scale, norm = np.ones((2, count), np.float32)
    finite = np.ones(count, bool)
    values: np.ndarray | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for index, map in enumerate(maps):
            if values is None:
                values = aligned((count, *map.shape[:2], 1 if channels == "mean" else map.shape[2]))
                # Of one image, used again: new memory would cost more than the arithmetic.
                total, spare = np.empty(map.shape[:2]), np.empty(values.shape[1:], np.float32)
            value = values[index]
            single = channels == "mean" and dtype == "float16" and map.dtype == np.float32
            if channels == "all":
                value[...] = map
            elif single:
                _single_mean_into(value[..., 0], map)
            else:
                _mean_into(value[..., 0], map, total)
            peak = max(value.max(), -value.min())
            if single and not np.isfinite(peak):  # the sum may have overflowed
                _mean_into(value[..., 0], map, total)
                peak = max(value.max(), -value.min())
            finite[index] = np.isfinite(peak)
            if not finite[index]:
                peak = np.abs(value[np.isfinite(value)]).max(initial=0.0)
            scale[index] = peak if peak > 0 else 1
            unit = np.divide(value, scale[index], out=value if dtype == "float16" else spare)
            # einsum: a dot product of this size would wake all of BLAS's threads, map after map. Rows in float32, of
            # up to a few thousand values, are summed in float64.
            rows = unit.reshape(len(unit), -1)
            size = float(peak) * np.sqrt(np.einsum("hv,hv->h", rows, rows).sum(dtype=np.float64))
            norm[index] = min(size, _FLOAT32_MAX) if finite[index] else np.nan
    if values is None:  # no images
        height, width, depth = maps.shape[1:] if isinstance(maps, np.ndarray) else (0, 0, 1)
        values = aligned((0, height, width, 1 if channels == "mean" else depth))
    if dtype == "float32":
        return StoredMaps(values, np.ones(count, np.float32), norm, finite)
    return StoredMaps(_half(values), scale, norm, finite)


def _half(values: np.ndarray) -> np.ndarray:
    """As float16, rounded as numpy rounds, in a sixteenth of its time (numkong) or a third (TensorFlow)."""
    if _rounds_to_halves():
        return np.asarray(numkong.astype(values, "float16"))
    import tensorflow as tf

    with tf.device("CPU"):
        return np.asarray(tf.cast(shared_tensor(values), tf.float16))


@functools.cache
def _rounds_to_halves() -> bool:
    """Whether numkong is there and rounds as numpy does, to the bit: its code differs by processor."""
    if numkong is None:
        return False
    # All over float32 (halves below normal, infinite, NaN), and ties.
    bits = np.arange(0, 2**32, 65_521, np.uint32)
    values = np.concatenate([bits, np.arange(0x38801000, 0x38C00000, 0x1000, np.uint32)]).view(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        expected = values.astype(np.float16)
    found = np.asarray(numkong.astype(values, "float16"))
    return found.dtype == np.float16 and np.array_equal(found, expected, equal_nan=True)


def channel_mean(maps: np.ndarray) -> np.ndarray:
    """Mean over the last axis, summed in float64: ``[..., C]`` -> float32 ``[..., 1]``.

    Source: the authors' ``affinity.py`` (mean over channels before the cosine).
    """
    out = np.empty((*maps.shape[:-1], 1), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf and the like stay visible as NaN
        _mean_into(out[..., 0], maps, np.empty(maps.shape[:-1]))
    return out


def _single_mean_into(out: np.ndarray, map: np.ndarray) -> None:
    """Mean over the last axis, summed in float32: a quarter of the time."""
    ones = np.ones(map.shape[-1], np.float32)
    step = max(1, _UNTHREADED // len(ones))
    for start in range(0, map.shape[1], step):
        np.matmul(map[:, start : start + step], ones, out=out[:, start : start + step])
    np.divide(out, np.float32(len(ones)), out=out)


def _mean_into(out: np.ndarray, maps: np.ndarray, total: np.ndarray) -> None:
    np.copyto(total, maps[..., 0])
    for channel in range(1, maps.shape[-1]):
        np.add(total, maps[..., channel], out=total)
    np.divide(total, maps.shape[-1], out=total)
    out[...] = total


def stored_representation(representation: np.ndarray, most: int = MOST_VALUES) -> np.ndarray:
    """A representation as it is stored: ``[N, ...]`` to float32 ``[N, h, w, c]``.

    Vectors become ``[N, 1, 1, c]``. Of a larger one than ``most`` values an image, squares of 2 x 2, 3 x 3, ...
    positions are averaged (at the edges what is left of them) until it fits or one position is left.
    """
    (height, width, channels), factor = averaging(representation.shape[1:], most)
    grid = representation.reshape(len(representation), height, width, channels)
    if factor == 1:
        return grid
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(np.add.reduceat(grid.astype(np.float64), rows, axis=1), columns, axis=2)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return (sums / sizes[:, :, None]).astype(np.float32)


def averaging(shape: tuple[int, ...], most: int) -> tuple[tuple[int, int, int], int]:
    """A representation's height, width and channels as stored before averaging, and the side of the squares."""
    channels = shape[-1] if shape else 1
    height = shape[0] if len(shape) > 2 else 1
    width = math.prod(shape) // max(height * channels, 1)
    factor = 1
    while -(-height // factor) * -(-width // factor) * channels > most and factor < max(height, width):
        factor += 1
    return (height, width, channels), factor
