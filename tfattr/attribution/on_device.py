"""Maps and representations reduced to what records hold, as part of a compiled function.

The twin of :mod:`tfattr.records.stored` in TensorFlow: the same numbers, up to the rounding of a float32 (of a
float16 in the stored map), without whole maps leaving the device.
"""

from __future__ import annotations

import tensorflow as tf

from tfattr.records.stored import StoredMaps, averaging

_FLOAT32_MAX = tf.float32.max


def stored_maps(maps: tf.Tensor, channels: str, dtype: str) -> StoredMaps:
    """:func:`tfattr.records.stored.stored_maps` of float32 ``[N, H, W, C]``; tensors in place of arrays."""
    values = channel_mean(maps) if channels == "mean" else maps
    finite = tf.math.is_finite(values)
    peak = tf.reduce_max(tf.where(finite, tf.abs(values), 0.0), [1, 2, 3])
    finite = tf.reduce_all(finite, [1, 2, 3])
    scale = tf.where(peak > 0, peak, 1.0)
    unit = values / scale[:, None, None, None]
    # Sums of squares in float64, as on the host: of 65,536 values float32 would lose four digits.
    wide = tf.cast(unit, tf.float64)
    norm = tf.cast(peak, tf.float64) * tf.sqrt(tf.reduce_sum(wide * wide, [1, 2, 3]))
    norm = tf.cast(tf.minimum(norm, _FLOAT32_MAX), tf.float32)
    norm = tf.where(finite, norm, float("nan"))
    if dtype == "float32":
        return StoredMaps(values, tf.ones_like(scale), norm, finite)
    return StoredMaps(tf.cast(unit, tf.float16), scale, norm, finite)


def channel_mean(maps: tf.Tensor) -> tf.Tensor:
    """Mean over the last axis, summed in float64 in the order of the channels: ``[..., C]`` -> float32 ``[..., 1]``."""
    total = tf.cast(maps[..., 0], tf.float64)
    for channel in range(1, maps.shape[-1]):
        total += tf.cast(maps[..., channel], tf.float64)
    return tf.cast(total / maps.shape[-1], tf.float32)[..., None]


def stored_representation(y: tf.Tensor, most: int) -> tf.Tensor:
    """:func:`tfattr.records.stored.stored_representation` of float32 ``[N, ...]`` of a known shape."""
    (height, width, channels), factor = averaging(tuple(y.shape[1:]), most)
    fits = tuple(y.shape[1:]) == (
        height,
        width,
        channels,
    )  # a reshape would keep the optimiser from what is before it
    grid = y if fits else tf.reshape(y, [-1, height, width, channels])
    if factor == 1:
        return grid
    rows, columns = -(-height // factor), -(-width // factor)
    missing = [[0, 0], [0, rows * factor - height], [0, columns * factor - width], [0, 0]]
    wide = tf.pad(tf.cast(grid, tf.float64), missing)
    sums = tf.reduce_sum(tf.reshape(wide, [-1, rows, factor, columns, factor, channels]), [2, 4])
    down = [min(factor, height - factor * row) for row in range(rows)]
    across = [min(factor, width - factor * column) for column in range(columns)]
    sizes = tf.constant([[[float(a * b)] for b in across] for a in down], tf.float64)
    return tf.cast(sums / sizes, tf.float32)
