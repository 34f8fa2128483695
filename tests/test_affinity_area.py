"""Area resize against brute-force integrals, Pillow's box filter and TensorFlow's area kernel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tfattr.affinity import area_matrix, area_resize, common_grid
from tfattr.errors import SettingsError

SIZES = [((12, 8), (5, 3)), ((7, 9), (7, 4)), ((5, 6), (11, 13)), ((9, 4), (3, 16)), ((1, 1), (3, 2))]


def brute_force(image, size):
    """Integrates the piecewise constant image over each output rectangle on a grid that all edges meet."""
    (height, width), (rows, columns) = image.shape, size
    fine = image.repeat(rows, axis=0).repeat(columns, axis=1)  # height*rows cells: blocks of height x width
    return fine.reshape(rows, height, columns, width).mean(axis=(1, 3))


@pytest.mark.parametrize("source, target", SIZES)
def test_against_the_integral(source, target):
    image = np.random.default_rng(1).standard_normal(source)
    np.testing.assert_allclose(area_resize(image, target), brute_force(image, target), atol=2e-6)


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_weights_are_exact_overlaps(source, target):
    matrix = area_matrix(source, target)
    assert matrix.shape == (target, source)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        matrix.sum(axis=0), target / source, rtol=2e-6
    )  # every input pixel counts alike
    for o in range(target):
        low, high = Fraction(o * source, target), Fraction((o + 1) * source, target)
        want = [float(max(min(high, i + 1) - max(low, i), 0) / (high - low)) for i in range(source)]
        np.testing.assert_allclose(matrix[o], want, atol=1e-7)


def test_whole_factors_against_pillow():
    image = np.random.default_rng(2).standard_normal((24, 36)).astype(np.float32)
    for size in [(8, 6), (12, 36), (24, 12), (48, 72), (1, 1)]:
        pillow = Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX)
        np.testing.assert_allclose(area_resize(image, size), np.asarray(pillow), atol=1e-5)


@pytest.mark.parametrize("source, target", [*SIZES, ((299, 299), (256, 256)), ((64, 48), (256, 256))])
def test_against_tensorflow(source, target):
    image = np.random.default_rng(3).standard_normal(source).astype(np.float32)
    want = tf.image.resize(image[None, :, :, None], target, method="area").numpy()[0, :, :, 0]
    np.testing.assert_allclose(area_resize(image, target), want, atol=1e-5)


def test_matrices_are_kept_and_protected():
    assert area_matrix(7, 3) is area_matrix(7, 3)
    with pytest.raises(ValueError):
        area_matrix(7, 3)[0, 0] = 1


def test_common_grid():
    assert common_grid([(299, 299), (299, 299)]) == (299, 299)  # all alike: as they are
    assert common_grid([(299, 299), (224, 224)]) == (256, 256)
    assert common_grid([(64, 200), (128, 100)]) == (128, 200)
    assert common_grid([(64, 64), (512, 680)]) == (256, 256)
    assert common_grid([(64, 64), (32, 32)], grid=16) == (16, 16)
    assert common_grid([(64, 64)], grid=(16, 24)) == (16, 24)
    for grid in [0, (0, 3), (2, 2, 2), (1.5, 2)]:
        with pytest.raises(SettingsError, match="grid"):
            common_grid([(4, 4)], grid=grid)
    with pytest.raises(SettingsError, match="no map"):
        common_grid([])
