"""Contextual attention against the published seven steps, written out in loops of numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.zoo.contextual_attention import contextual_attention, resize_nearest


def nearest(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Corner-aligned nearest neighbour, halves rounded away from zero; [H, W, C]."""
    rows = [int(np.floor(i * (x.shape[0] - 1) / (height - 1) + 0.5)) for i in range(height)]
    columns = [int(np.floor(j * (x.shape[1] - 1) / (width - 1) + 0.5)) for j in range(width)]
    return x[rows][:, columns]


def patch(x: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """``x[top : top + size, left : left + size]`` with zeros outside."""
    out = np.zeros((size, size, x.shape[2]))
    for i in range(size):
        for j in range(size):
            if 0 <= top + i < x.shape[0] and 0 <= left + j < x.shape[1]:
                out[i, j] = x[top + i, left + j]
    return out


def fuse(scores: np.ndarray, h: int, w: int) -> np.ndarray:
    """Step 5 on [h, w, h, w]: the 3x3 identity over (place, patch), rows first, then columns."""

    def diagonal(flat: np.ndarray) -> np.ndarray:
        out = flat.copy()
        out[1:, 1:] += flat[:-1, :-1]
        out[:-1, :-1] += flat[1:, 1:]
        return out

    by_rows = diagonal(scores.reshape(h * w, h * w)).reshape(h, w, h, w)
    by_columns = diagonal(by_rows.transpose(1, 0, 3, 2).reshape(h * w, h * w)).reshape(w, h, w, h)
    return by_columns.transpose(1, 0, 3, 2)


def direct(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The seven steps for one image ``[H, W, C]`` and a mask ``[H, W, 1]``, in float64."""
    h, w = x.shape[0] // 2, x.shape[1] // 2
    places = [(i, j) for i in range(h) for j in range(w)]
    paste = {(i, j): patch(x, 2 * i - 1, 2 * j - 1, 4) for i, j in places}  # SAME, stride 2: one before
    small, small_mask = nearest(x, h, w), nearest(mask, h, w)
    match = {(i, j): patch(small, i - 1, j - 1, 3) for i, j in places}
    valid = {(i, j): float(patch(small_mask, i - 1, j - 1, 3).sum() == 0) for i, j in places}
    scores = np.zeros((h, w, h, w))
    for place in places:
        for source in places:
            filters = match[source] / max(np.sqrt((match[source] ** 2).sum()), 1e-4)
            scores[place + source] = (match[place] * filters).sum()
    scores = fuse(scores, h, w)
    canvas = np.zeros((2 * h + 2, 2 * w + 2, x.shape[2]))
    for i, j in places:
        logits = np.array([10.0 * scores[(i, j) + source] * valid[source] for source in places])
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        for weight, source in zip(weights, places):
            canvas[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += weight * valid[source] * paste[source]
    return canvas[1:-1, 1:-1] / 4.0


@pytest.mark.parametrize("hole", ["none", "one", "most"])
def test_equal_to_the_seven_steps(hole: str) -> None:
    rng = np.random.default_rng(3)
    x = np.maximum(rng.standard_normal((2, 12, 8, 3)), 0).astype(np.float32)
    x[:, :6, :4] = 0.0  # empty patches, whose norm is below the smallest
    mask = np.zeros((12, 8, 1), np.float32)
    if hole == "one":
        mask[4:8, 2:6] = 1.0
    elif hole == "most":
        mask[:, :5] = 1.0
    found = contextual_attention(tf.constant(x), tf.constant(mask[None])).numpy()
    wanted = np.stack([direct(image.astype(np.float64), mask) for image in x])
    assert found.shape == x.shape
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


def test_everything_missing_gives_nothing() -> None:
    x = tf.random.stateless_uniform([1, 8, 8, 2], [1, 2])
    assert not contextual_attention(x, tf.ones([1, 8, 8, 1])).numpy().any()


def test_gradient_is_finite_and_right_through_the_patches() -> None:
    """Directional derivative by central differences in float64's stead: a smooth map without empty patches."""
    rng = np.random.default_rng(5)
    x = rng.uniform(0.5, 1.5, (1, 8, 8, 2)).astype(np.float32)
    weights = rng.standard_normal(x.shape).astype(np.float32)
    direction = rng.standard_normal(x.shape).astype(np.float32)
    mask = tf.zeros([1, 8, 8, 1])

    def total(values: np.ndarray) -> float:
        wanted = direct(values[0].astype(np.float64), np.zeros((8, 8, 1)))
        return float((wanted * weights[0]).sum())

    step = 1e-5
    numeric = (
        total(x.astype(np.float64) + step * direction) - total(x.astype(np.float64) - step * direction)
    ) / (2 * step)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = tf.reduce_sum(contextual_attention(tensor, mask) * weights)
    gradient = tape.gradient(value, tensor).numpy()
    assert np.sum(gradient * direction) == pytest.approx(numeric, rel=2e-3)


def test_gradient_of_empty_patches_is_finite() -> None:
    x = tf.zeros([1, 8, 8, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(contextual_attention(x, tf.zeros([1, 8, 8, 1])))
    assert np.isfinite(tape.gradient(value, x).numpy()).all()


@pytest.mark.parametrize(("before", "after"), [((6, 8), (12, 16)), ((12, 16), (6, 8)), ((16, 20), (4, 5))])
def test_resize_maps_corners_to_corners(before: tuple[int, int], after: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((*before, 2)).astype(np.float32)
    found = resize_nearest(tf.constant(x[None]), *after).numpy()[0]
    np.testing.assert_array_equal(found, nearest(x, *after))
    np.testing.assert_array_equal(found[[0, 0, -1, -1], [0, -1, 0, -1]], x[[0, 0, -1, -1], [0, -1, 0, -1]])
