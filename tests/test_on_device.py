"""What is stored of a batch, reduced on the device: equal to the host's numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.attribution import on_device, storage


def hard_maps() -> np.ndarray:
    """Plain, tiny, huge, zero and non-finite maps, and one whose channels cancel."""
    random = np.random.default_rng(0)
    maps = random.standard_normal((8, 9, 7, 3)).astype(np.float32)
    maps[1] *= 1e-35
    maps[2] *= 1e37
    maps[3] = 0
    maps[4, 2, 3, 1] = np.nan
    maps[5, 0, 0, 0] = -np.inf
    maps[6, :, :, 1] = -maps[6, :, :, 0]
    maps[7] = np.inf
    return maps


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("channels", storage.CHANNELS)
@pytest.mark.parametrize("dtype", storage.DTYPES)
def test_maps_are_those_of_the_host(channels, dtype, xla):
    maps = hard_maps()
    expected = storage.stored_maps(maps, channels, dtype)
    compute = tf.function(lambda x: on_device.stored_maps(x, channels, dtype), jit_compile=xla or None)
    found = storage.StoredMaps(*(np.asarray(part) for part in compute(tf.constant(maps))))
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    np.testing.assert_array_equal(found.finite, expected.finite)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=3e-7)
    np.testing.assert_allclose(found.norm, expected.norm, rtol=3e-7)
    rtol, atol = (2e-3, 2.0**-24) if dtype == "float16" else (3e-7, 0)
    np.testing.assert_allclose(found.stored, expected.stored, rtol=rtol, atol=atol)
    assert (found.stored == expected.stored)[expected.finite].mean() > 0.999


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("shape", [(5,), (7, 4), (8, 8, 4), (9, 7, 3), (11, 5, 30), (2, 3, 4, 5)])
@pytest.mark.parametrize("most", [16, 64, 100_000])
def test_representations_are_those_of_the_host(shape, most, xla):
    y = np.random.default_rng(1).standard_normal((3, *shape)).astype(np.float32)
    compute = tf.function(lambda x: on_device.stored_representation(x, most), jit_compile=xla or None)
    expected = storage.stored_representation(y, most)
    found = np.asarray(compute(tf.constant(y)))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
