"""Functions compiled once for an architecture: shared, bounded, safe among threads, and holding no trunk's weights."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from lrp_nets import freeze, gradient, images

from tfattr.attribution import attribute
from tfattr.trunk import Preprocessing, Trunk, architecture

SHAPE = (6, 5, 3)
FRAME = Preprocessing(SHAPE[:2], range="[-1,1]")


def net(seed, filters=4):
    random = np.random.default_rng(seed)
    kernels = [random.normal(0, 0.4, (3, 3, *sides)).astype(np.float32) for sides in ((3, 8), (8, filters))]

    def build(x):
        for kernel in kernels:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return x

    return freeze(build, SHAPE)


def trunk_of(folder, seed, filters=4):
    """A trunk, and its graph as given."""
    given = net(seed, filters)
    path = folder / f"{seed}_{filters}.pb"
    path.write_bytes(given[0].SerializeToString())
    trunk = Trunk.from_frozen_graph(path, input=given[1], output=given[2], preprocessing=FRAME)
    return trunk, lambda x: gradient(*given, x)


@pytest.fixture(autouse=True)
def nothing_kept():
    architecture._functions.clear()
    yield
    architecture._functions.clear()


@pytest.fixture
def traces(monkeypatch):
    """The key of every architecture that is compiled."""
    made, compile = [], architecture._compile
    monkeypatch.setattr(
        architecture, "_compile", lambda net, *rest: made.append(net.key) or compile(net, *rest)
    )
    return made


def slope(forward, x):
    y = forward(x)
    return y, tf.gradients(y, x)[0]


def test_two_trunks_of_an_architecture_share_one_function(tmp_path, traces):
    (one, of_one), (two, of_two), (other, of_other) = (
        trunk_of(tmp_path, *net) for net in ((0,), (1,), (2, 5))
    )
    assert one.architecture.key == two.architecture.key != other.architecture.key
    x = images(3, SHAPE)
    compiled = []
    for trunk, wanted in ((one, of_one), (two, of_two), (one, of_one), (other, of_other)):
        np.testing.assert_allclose(attribute(trunk, x, "saliency"), np.abs(wanted(x)), atol=1e-5)
        compiled.append(list(traces))
    assert compiled[0] == compiled[1] == compiled[2]
    assert set(compiled[0]) == {one.architecture.key}
    assert set(compiled[3][len(compiled[0]) :]) == {other.architecture.key}
    assert not np.allclose(of_one(x), of_two(x))


def test_another_key_or_xla_is_another_function(tmp_path, traces):
    trunk, wanted = trunk_of(tmp_path, 0)
    x = images(2, SHAPE)
    for key, xla in ((("a",), False), (("b",), False), (("a",), True), (("a",), False)):
        np.testing.assert_allclose(trunk.compiled(key, slope, xla=xla)(x)[1], wanted(x), atol=1e-5)
    assert len(traces) == 3


def test_the_cache_is_bounded_and_forgets_what_was_not_asked_for_longest(tmp_path, traces, monkeypatch):
    assert architecture._functions.most == 32
    monkeypatch.setattr(architecture._functions, "most", 3)
    trunk, wanted = trunk_of(tmp_path, 0)
    x = images(1, SHAPE)
    held = trunk.compiled(("key", 0), slope)
    for number in (1, 2, 0, 3):  # 3 takes the place of 1
        trunk.compiled(("key", number), slope)
    assert len(architecture._functions) == 3
    assert len(traces) == 4
    trunk.compiled(("key", 0), slope)
    assert len(traces) == 4
    trunk.compiled(("key", 1), slope)
    assert len(traces) == 5
    assert len(architecture._functions) == 3
    np.testing.assert_allclose(held(x)[1], wanted(x), atol=1e-5)  # a function in use outlives its place


def test_threads_with_two_trunks_of_an_architecture_get_each_its_own(tmp_path, traces):
    trunks = [trunk_of(tmp_path, seed) for seed in (0, 1)]
    batches = [images(2, SHAPE, seed) for seed in range(8)]
    wanted = {(which, at): trunks[which][1](x) for which in (0, 1) for at, x in enumerate(batches)}
    with ThreadPoolExecutor(4) as pool:
        found = {
            (which, at): pool.submit(
                lambda trunk, x: trunk.compiled(("slope",), slope)(x)[1], trunks[which][0], x
            )
            for at, x in enumerate(batches)
            for which in (0, 1)
        }
        for case, future in found.items():
            np.testing.assert_allclose(future.result(), wanted[case], atol=1e-5)
    assert len(found) == 16
    assert len(traces) == 1  # who comes second waits for who compiles


def test_a_released_trunk_frees_its_weights_and_leaves_the_function(tmp_path, traces):
    one, _ = trunk_of(tmp_path, 0)
    x = images(1, SHAPE)
    one.compiled(("slope",), slope)(x)
    held = [weakref.ref(value) for value in one.weights.values()]
    held += [weakref.ref(array) for array in one.inference.weights.values()]
    assert len(held) == 4
    assert all(ref() is not None for ref in held)
    del one
    gc.collect()
    assert [ref() for ref in held] == [None] * 4
    two, wanted = trunk_of(tmp_path, 1)
    np.testing.assert_allclose(two.compiled(("slope",), slope)(x)[1], wanted(x), atol=1e-5)
    assert len(traces) == 1
