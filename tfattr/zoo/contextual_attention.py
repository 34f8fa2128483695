"""Contextual attention (Yu et al. 2018, arXiv:1801.07892, section 4): regions rebuilt from matching patches.

The released code correlates by convolutions whose filters are cut from the map, one image at a time. The
same sums are matrix products here, so a batch stays a batch and no loop enters the graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

SCALE = 10.0  # of the softmax
SMALLEST_NORM = 1e-4
# Offsets of the 4x4 paste patches, the four 2x2 quadrants one after another.
_QUADRANTS = [(row, column) for row in (0, 1) for column in (0, 1)]
_PASTE_OFFSETS = [(2 * q + i, 2 * r + j) for q, r in _QUADRANTS for i, j in _QUADRANTS]
_MATCH_OFFSETS = [(row, column) for row in range(3) for column in range(3)]


def resize_nearest(net: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Nearest neighbour on the grid that maps corners to corners, as all resizes of the original."""
    return tf.raw_ops.ResizeNearestNeighbor(images=net, size=[height, width], align_corners=True)


def contextual_attention(features: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Each 2x2 of ``features`` as a softmax mixture of the map's own patches.

    ``features``: float32 ``[N, H, W, C]``, H and W even; foreground and background alike. ``mask``: float32
    ``[1, H, W, 1]``, 1 where the photograph is missing. Returns ``[N, H, W, C]``. Gradients flow through the
    patches too. Patch 3 for matching (on the map shrunk by 2), 4 at stride 2 for pasting, fuse 3.
    """
    height, width, channels = (int(size) for size in features.shape[1:])
    rows, columns = height // 2, width // 2
    count = rows * columns
    paste = tf.reshape(_patches(features, _PASTE_OFFSETS, 4, 2), [-1, count, 16 * channels])
    match = _patches(resize_nearest(features, rows, columns), _MATCH_OFFSETS, 3, 1)
    match = tf.reshape(match, [-1, count, 9 * channels])
    # max before the root: the same value as after it, and no 0/0 in the gradient of an empty patch
    square = tf.reduce_sum(match * match, axis=2, keepdims=True)
    filters = match / tf.sqrt(tf.maximum(square, SMALLEST_NORM**2))
    scores = _fuse(tf.matmul(match, filters, transpose_b=True), rows, columns)

    holes = _patches(resize_nearest(mask, rows, columns), _MATCH_OFFSETS, 3, 1)
    whole = tf.cast(tf.equal(tf.reduce_max(holes, axis=3), 0.0), tf.float32)
    whole = tf.reshape(whole, [1, 1, count])
    weights = tf.nn.softmax(SCALE * (scores * whole), axis=2) * whole

    pasted = tf.reshape(tf.matmul(weights, paste), [-1, rows, columns, 16 * channels])
    return _overlap_add(pasted) / 4.0


def _patches(net: tf.Tensor, offsets: Sequence[tuple[int, int]], size: int, stride: int) -> tf.Tensor:
    """``[N, H, W, C]`` to ``[N, H/stride, W/stride, len(offsets) * C]``, padded as SAME pads."""
    padding, counts = [[0, 0]], []
    for length in (int(net.shape[1]), int(net.shape[2])):
        counts.append(math.ceil(length / stride))
        total = max((counts[-1] - 1) * stride + size - length, 0)
        padding.append([total // 2, total - total // 2])
    padded = tf.pad(net, [*padding, [0, 0]])
    rows, columns = ((count - 1) * stride + 1 for count in counts)
    return tf.concat(
        [padded[:, i : i + rows : stride, j : j + columns : stride, :] for i, j in offsets], axis=3
    )


def _fuse(scores: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """Sums scores along shifts common to both places, first row by row, then column by column.

    ``[N, rows * columns, rows * columns]`` in and out. Neighbours in the flattened order are summed as the
    original does, over the ends of rows too.
    """
    count = rows * columns
    diagonal = tf.constant(np.eye(3, dtype=np.float32)[:, :, None, None])
    scores = tf.nn.conv2d(tf.reshape(scores, [-1, count, count, 1]), diagonal, 1, "SAME")
    scores = tf.transpose(tf.reshape(scores, [-1, rows, columns, rows, columns]), [0, 2, 1, 4, 3])
    scores = tf.nn.conv2d(tf.reshape(scores, [-1, count, count, 1]), diagonal, 1, "SAME")
    scores = tf.transpose(tf.reshape(scores, [-1, columns, rows, columns, rows]), [0, 2, 1, 4, 3])
    return tf.reshape(scores, [-1, count, count])


def _overlap_add(pasted: tf.Tensor) -> tf.Tensor:
    """4x4 patches laid down at stride 2 and summed: the transposed convolution of stride 2, SAME.

    ``[N, h, w, 16 * C]``, quadrant by quadrant, to ``[N, 2h, 2w, C]``.
    """
    blocks = [
        tf.pad(part, [[0, 0], [q, 1 - q], [r, 1 - r], [0, 0]])
        for part, (q, r) in zip(tf.split(pasted, 4, axis=3), _QUADRANTS)
    ]
    full = tf.nn.depth_to_space(tf.add_n(blocks), 2)
    return full[:, 1:-1, 1:-1, :]
