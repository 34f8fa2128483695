"""What is stored of a batch, reduced on the device: equal to the host's numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.attribution import (
    AttributionSettings,
    attributions,
    attributions_and_representation,
    on_device,
)
from tfattr.attribution.dispatch import attributions_for_storage
from tfattr.records import stored as storage
from tfattr.trunk import Preprocessing, Trunk


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Trunk:
    path = tmp_path_factory.mktemp("net") / "net.pb"
    random = np.random.default_rng(2)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 12, 10, 3], name="x")
        weights = random.normal(0, 0.4, (3, 3, 3, 6)).astype(np.float32)
        tf.nn.elu(tf.nn.conv2d(x, weights, 1, "SAME"), name="y")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return Trunk.from_frozen_graph(path, input="x:0", output="y:0", preprocessing=Preprocessing((12, 10)))


METHODS = (
    "grad_input",
    "elrp_native",
    "saliency",
    "elrp_deepexplain",
    "gradient_norm",
    "integrated_gradients",
)


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("methods", [METHODS, METHODS[:1], METHODS[1:2], METHODS[-1:]])
@pytest.mark.parametrize("channels", storage.CHANNELS)
def test_what_a_run_stores_is_the_maps_reduced_by_numpy(trunk, methods, channels, count):
    settings = AttributionSettings(methods)
    x = np.random.default_rng(3).uniform(0, 255, (count, 12, 10, 3)).astype(np.float32)
    whole, y = attributions_and_representation(trunk, x, settings)
    found, stored_y = attributions_for_storage(trunk, x, settings, channels=channels, most_values=200)
    assert tuple(found) == methods
    for method in methods:
        expected = storage.stored_maps(whole[method], channels)
        assert found[method].stored.shape == expected.stored.shape
        assert found[method].stored.dtype == np.float16
        np.testing.assert_allclose(found[method].stored, expected.stored, atol=1e-3)
        np.testing.assert_allclose(found[method].scale, expected.scale, rtol=1e-5)
        np.testing.assert_allclose(found[method].norm, expected.norm, rtol=1e-5)
        np.testing.assert_array_equal(found[method].finite, expected.finite)
    np.testing.assert_allclose(stored_y, storage.stored_representation(y, 200), rtol=1e-5, atol=1e-5)
    assert attributions(trunk, x, settings).keys() == whole.keys()


def test_without_maps_the_representation_is_stored_all_the_same(trunk):
    x = np.random.default_rng(3).uniform(0, 255, (2, 12, 10, 3)).astype(np.float32)
    maps, y = attributions_for_storage(trunk, x, None, most_values=200)
    assert maps == {}
    np.testing.assert_allclose(y, storage.stored_representation(np.asarray(trunk(x)), 200), rtol=1e-6)
    assert attributions_for_storage(trunk, x, AttributionSettings(("saliency",)), most_values=None)[1] is None
