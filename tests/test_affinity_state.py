"""The affinity state against a plain numpy loop; order and split; zero, broken and extreme maps."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfattr.affinity import AffinityState, DroppedMap, measures
from tfattr.errors import RecordsError, SettingsError

MODELS = ["a", "b", "c", "d"]


def correlated(images=9, models=4, size=(20, 30), seed=0):
    """Maps ``[images, models, H, W]`` that share a part, so that affinities are neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((images, 1, *size))
    own = rng.standard_normal((images, models, *size))
    return (shared * np.linspace(0, 2, models)[:, None, None] + own).astype(np.float32)


@np.errstate(invalid="ignore")
def direct(maps):
    """The authors' loop in float64: cosine per image, mean over images."""
    images, models = maps.shape[:2]
    affinity = np.zeros((models, models))
    for image in maps.astype(np.float64).reshape(images, models, -1):
        for i in range(models):
            for j in range(models):
                affinity[i, j] += image[i] @ image[j] / np.linalg.norm(image[i]) / np.linalg.norm(image[j])
    return affinity / images


def accumulate(maps, order=None, models=MODELS):
    state = AffinityState.empty(models)
    for index in range(len(maps)) if order is None else order:
        state.update(list(maps[index]), f"image{index}")
    return state


def test_equals_the_direct_loop():
    maps = correlated(size=(150, 131))  # more values than one block of the products
    affinity, counts = accumulate(maps).compute()
    np.testing.assert_allclose(affinity, direct(maps), atol=1e-7)
    assert affinity.dtype == np.float64
    np.testing.assert_array_equal(np.diagonal(affinity), 1.0)
    np.testing.assert_array_equal(affinity, affinity.T)
    np.testing.assert_array_equal(counts, 9)
    np.testing.assert_array_equal(
        AffinityState.empty(MODELS).update(maps[0].reshape(4, -1), "x").total,
        accumulate(maps[:1]).total,
    )


@pytest.mark.parametrize("products", ["numkong", "numpy"])
def test_stored_halves_equal_the_direct_loop(products, monkeypatch):
    if products == "numpy":
        monkeypatch.setattr(measures, "_multiplies_halves", lambda: False)
    elif measures.numkong is None:
        pytest.skip("numkong is not installed")
    maps = correlated(size=(150, 131)) * np.geomspace(
        1, 1e-4, 131, dtype=np.float32
    )  # down to subnormal halves
    stored = (maps / np.abs(maps).max(axis=(2, 3), keepdims=True)).astype(np.float16)
    assert ((stored != 0) & (np.abs(stored) < np.finfo(np.float16).tiny)).any()
    # numkong's sums of 16,384 products in float32; halves themselves are off by hundred times that.
    atol = 1e-7 if products == "numpy" else 5e-7
    np.testing.assert_allclose(accumulate(stored).compute()[0], direct(stored), atol=atol)
    mixed = [stored[0, 0], *stored[0, 1:].astype(np.float32)]
    np.testing.assert_allclose(
        AffinityState.empty(MODELS).update(mixed, "x").compute()[0], direct(stored[:1]), atol=1e-7
    )


def test_products_that_are_coarse_on_this_processor_are_not_taken(monkeypatch):
    """As kernels would give them that sum in half precision."""
    exact = pytest.importorskip("numkong").dots_symmetric
    assert measures._multiplies_halves()
    monkeypatch.setattr(
        measures.numkong, "dots_symmetric", lambda rows: np.asarray(exact(rows)).astype(np.float16)
    )
    assert not measures._multiplies_halves.__wrapped__()


def test_rows_of_one_array_and_rows_that_only_look_like_it():
    stored = (correlated(images=1, size=(9, 8))[0] / 8).astype(np.float16)
    together = AffinityState.empty(MODELS).update(stored[..., None], "x").total  # settles the grid first
    state = AffinityState.empty(MODELS, (9, 8))
    np.testing.assert_array_equal(state.update(stored[..., None], "x").total, together)
    backwards = AffinityState.empty(MODELS, (9, 8)).update(list(stored[::-1]), "x").total
    np.testing.assert_array_equal(backwards[::-1, ::-1], together)
    np.testing.assert_allclose(state.compute()[0], direct(stored[None]), atol=1e-7)


def test_broken_halves_are_left_out_and_named():
    stored = correlated(images=1)[0].astype(np.float16)
    stored[0, 3, 4], stored[1, 0, 0], stored[2] = np.inf, np.nan, -0.0
    state = AffinityState.empty(MODELS).update(list(stored), "x")
    assert [drop.reason for drop in state.dropped] == ["not finite", "not finite", "zero"]
    np.testing.assert_array_equal(state.counts, np.diag([0, 0, 0, 1]))


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)), st.lists(st.integers(0, 9), max_size=4), st.randoms())
def test_any_order_and_any_split_give_the_same_bits(order, cuts, random):
    maps = correlated()
    maps[2, 1] = 0
    maps[5, 3, 0, 0] = np.nan
    whole = accumulate(maps)
    edges = [0, *sorted(cuts), 9]
    parts = [accumulate(maps, order[start:stop]) for start, stop in zip(edges, edges[1:])]
    while len(parts) > 1:  # merge in any order, any tree
        left = parts.pop(random.randrange(len(parts)))
        right = parts.pop(random.randrange(len(parts)))
        parts.append(left.merge(right))
    np.testing.assert_array_equal(parts[0].compute()[0], whole.compute()[0])
    np.testing.assert_array_equal(parts[0].compute()[1], whole.compute()[1])
    assert parts[0].images == 9
    assert sorted(parts[0].dropped) == sorted(whole.dropped)


def test_merge_changes_neither_and_survives_pickling():
    maps = correlated()
    one, two = accumulate(maps[:4]), accumulate(maps[4:])
    before = one.total.copy()
    merged = pickle.loads(pickle.dumps(one)).merge(pickle.loads(pickle.dumps(two)))
    np.testing.assert_array_equal(one.total, before)
    np.testing.assert_array_equal(merged.total, accumulate(maps).total)
    np.testing.assert_array_equal(AffinityState.empty(MODELS).merge(one).total, one.total)


def test_zero_and_broken_maps_are_left_out_pairwise_and_named():
    maps = correlated(images=3)
    maps[0, 1] = 0
    maps[1, 2, 3, 3] = np.nan
    maps[2, 3, 0, 0] = -np.inf
    state = accumulate(maps)
    assert state.dropped == [
        DroppedMap("b", "image0", "zero"),
        DroppedMap("c", "image1", "not finite"),
        DroppedMap("d", "image2", "not finite"),
    ]
    affinity, counts = state.compute()
    np.testing.assert_array_equal(np.diagonal(counts), [3, 2, 2, 2])
    np.testing.assert_array_equal(counts[0, 1:], [2, 2, 2])
    assert counts[1, 2] == counts[1, 3] == counts[2, 3] == 1
    np.testing.assert_allclose(affinity[0, 1], direct(maps[1:])[0, 1], atol=1e-7)  # image 0 is out for b only
    np.testing.assert_allclose(affinity[1, 3], direct(maps[1:2])[1, 3], atol=1e-7)
    np.testing.assert_array_equal(np.diagonal(affinity), 1.0)


def test_nan_where_no_image_counts():
    maps = correlated(images=2)
    maps[:, 1] = 0
    affinity, counts = accumulate(maps).compute()
    assert np.isnan(affinity[1]).all()
    assert np.isnan(affinity[:, 1]).all()
    assert np.isfinite(np.delete(np.delete(affinity, 1, 0), 1, 1)).all()
    assert not counts[1].any()
    assert np.isnan(AffinityState.empty(MODELS).compute()[0]).all()


@pytest.mark.parametrize("scales", [(1e-44, 1e-30, 1e30, 3e38), (1, 1e-38, 1e38, 1e-40)])
def test_scale_does_not_matter(scales):
    maps = correlated(images=2)
    maps /= np.abs(maps).max(axis=(2, 3), keepdims=True)
    scaled = (maps.astype(np.float64) * np.reshape(scales, (4, 1, 1))).astype(np.float32)
    np.testing.assert_allclose(accumulate(scaled).compute()[0], direct(scaled), atol=1e-7)


def test_maps_of_different_sizes_are_resized_by_area():
    rng = np.random.default_rng(4)
    small, large = rng.standard_normal((4, 6)), rng.standard_normal((8, 12, 3))
    state = AffinityState.empty(["small", "large"]).update([small, large], "x")
    assert state.grid == (8, 12)
    up = small.repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(state.compute()[0], direct(np.stack([up, large.mean(-1)])[None]), atol=1e-6)
    coarse = AffinityState.empty(["small", "large"], grid=(4, 6)).update([small, large], "x")
    down = large.mean(-1).reshape(4, 2, 6, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(coarse.compute()[0], direct(np.stack([small, down])[None]), atol=1e-6)


def test_a_map_that_vanishes_on_the_grid_is_left_out():
    board = np.indices((8, 8)).sum(0) % 2 * 2.0 - 1.0  # each 2 x 2 block sums to 0
    state = AffinityState.empty(["board", "ones"], grid=4).update([board, np.ones((8, 8))], "x")
    assert state.dropped == [DroppedMap("board", "x", "zero")]


def test_broken_maps_are_left_out_after_resizing_too():
    broken = np.ones((8, 8))
    broken[0, 0], broken[1, 1] = np.inf, np.nan
    state = AffinityState.empty(["broken", "ones"], grid=3).update([broken, np.ones((8, 8))], "x")
    assert state.dropped == [DroppedMap("broken", "x", "not finite")]


def test_inputs_that_cannot_be_used():
    with pytest.raises(SettingsError, match="no model"):
        AffinityState.empty([])
    with pytest.raises(SettingsError, match="b is named twice"):
        AffinityState.empty(["a", "b", "b"])
    state = AffinityState.empty(["a", "b"], grid=4)
    with pytest.raises(RecordsError, match="3 maps, expected one for each of 2"):
        state.update(np.ones((3, 16)), "x")
    with pytest.raises(SettingsError, match="15 values, expected 4 x 4"):
        state.update(np.ones((2, 15)), "x")
    with pytest.raises(SettingsError, match=r"map of b has shape \(5,\)"):
        state.update([np.ones((4, 4)), np.ones(5)], "x")
    with pytest.raises(SettingsError, match="different models"):
        state.merge(AffinityState.empty(["b", "a"], grid=4))
    with pytest.raises(SettingsError, match="one grid to both"):
        state.merge(AffinityState.empty(["a", "b"], grid=5))
    state.images = 2**23
    with pytest.raises(SettingsError, match="overflows"):
        state.compute()
