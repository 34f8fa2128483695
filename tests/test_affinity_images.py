"""Cosines image by image: their mean is the affinity, weights are repeated images, files are whole or named."""

from __future__ import annotations

import numpy as np
import pytest
from found import some
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from tfattr.affinity import AffinityState, ImageCosines
from tfattr.errors import RecordsError, SettingsError

MODELS = ("a", "b", "c", "d")
IDS = tuple(f"{index}.jpg" for index in range(9))


def maps(seed=0, images=9, models=4):
    """float32 ``[N, M, 40]`` that share a part."""
    random = np.random.default_rng(seed)
    own = random.standard_normal((images, models, 40))
    return (own + random.standard_normal((images, 1, 40))).astype(np.float32)


def state_of(arrays, ids=IDS, models=MODELS):
    state = AffinityState.empty(models, (5, 8), keep_images=True)
    for image, rows in zip(ids, arrays):
        state.update(rows, image)
    return state


def direct(arrays):
    """Cosines by scipy, float64 ``[N, M (M - 1) / 2]``."""
    return np.stack([1 - pdist(rows.astype(np.float64), "cosine") for rows in arrays])


@pytest.fixture(scope="module")
def arrays():
    return {"saliency": maps(0), "lrp.epsilon": maps(1)}


@pytest.fixture(scope="module")
def cosines(arrays):
    return ImageCosines.from_states({name: state_of(one) for name, one in arrays.items()}, IDS)


def test_cosines_and_matrices_are_scipys(arrays, cosines):
    assert cosines.models == MODELS
    assert cosines.images == IDS
    assert cosines.methods == ("saliency", "lrp.epsilon")
    for name, one in some(arrays.items()):
        assert cosines.cosines[name].dtype == np.float32
        np.testing.assert_allclose(cosines.cosines[name], direct(one), atol=2e-7)
        full = cosines.matrices(name)
        assert full.dtype == np.float64
        for matrix, values in zip(full, cosines.cosines[name]):
            wanted = squareform(values.astype(np.float64))
            np.fill_diagonal(wanted, 1)
            np.testing.assert_array_equal(matrix, wanted)


def test_the_mean_is_the_affinity(arrays, cosines):
    for name, one in some(arrays.items()):
        mean = cosines.mean(name)
        np.testing.assert_allclose(mean, state_of(one).compute()[0], atol=1e-7)
        wanted = squareform(direct(one).mean(axis=0))
        np.fill_diagonal(wanted, 1)
        np.testing.assert_allclose(mean, wanted, atol=1e-7)


def test_the_order_of_images_is_the_one_asked_for(arrays):
    order = [4, 0, 8, 2, 1, 3, 7, 6, 5]
    shuffled = state_of(arrays["saliency"][order], [IDS[index] for index in order])
    again = ImageCosines.from_states({"saliency": shuffled}, IDS)
    np.testing.assert_allclose(again.cosines["saliency"], direct(arrays["saliency"]), atol=2e-7)
    two = ImageCosines.from_states({"saliency": shuffled}, [IDS[7], IDS[2]])
    np.testing.assert_allclose(two.cosines["saliency"], direct(arrays["saliency"][[7, 2]]), atol=2e-7)


def test_states_of_parts_merge(arrays, cosines):
    one = arrays["saliency"]
    merged = state_of(one[5:], IDS[5:]).merge(state_of(one[:5], IDS[:5]))
    found = ImageCosines.from_states({"saliency": merged}, IDS)
    np.testing.assert_array_equal(found.cosines["saliency"], cosines.cosines["saliency"])


def test_states_that_kept_no_images_are_refused(arrays):
    plain = AffinityState.empty(MODELS, (5, 8)).update(arrays["saliency"][0], IDS[0])
    with pytest.raises(SettingsError, match="saliency does not hold the comparisons of every image"):
        ImageCosines.from_states({"saliency": plain}, IDS[:1])
    with pytest.raises(SettingsError, match="every image"):
        ImageCosines.from_states({"saliency": state_of(arrays["saliency"])}, [*IDS, "more"])
    mixed = state_of(arrays["saliency"][:3]).merge(plain)
    with pytest.raises(SettingsError, match="every image"):
        ImageCosines.from_states({"saliency": mixed}, IDS[:1])


# --- weights ---


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=9, max_size=9).filter(any))
def test_weights_are_repeated_images(cosines, weights):
    one = maps(0)
    repeated = [index for index, times in enumerate(weights) for _ in range(times)]
    state = state_of(one[repeated], [f"{number}" for number in range(len(repeated))])
    np.testing.assert_allclose(cosines.mean("saliency", np.array(weights)), state.compute()[0], atol=1e-7)


def test_many_weights_at_once(cosines):
    weights = np.random.default_rng(0).multinomial(9, np.full(9, 1 / 9), size=130)  # more than one block
    found = cosines.mean("saliency", weights)
    assert found.shape == (130, 4, 4)
    for row, matrix in zip(weights, found):
        np.testing.assert_allclose(matrix, cosines.mean("saliency", row), atol=1e-12)
    np.testing.assert_allclose(cosines.mean("saliency", 0.25 * weights[:3]), found[:3], atol=1e-12)
    assert cosines.mean("saliency", weights[:1]).shape == (1, 4, 4)


# --- maps that were left out ---


def test_maps_that_were_left_out(arrays):
    broken = arrays["saliency"].copy()
    broken[0, 1, 3] = np.nan
    broken[1, 2] = 0
    broken[2, :2] = np.inf
    state = state_of(broken)
    cosines = ImageCosines.from_states({"saliency": state}, IDS)
    absent = np.isnan(cosines.matrices("saliency"))
    pairs = {
        0: {(0, 1), (1, 2), (1, 3)},
        1: {(0, 2), (1, 2), (2, 3)},
        2: {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)},
    }
    for image in range(9):
        assert {(i, j) for i, j in zip(*np.nonzero(absent[image])) if i < j} == pairs.get(image, set())
    np.testing.assert_allclose(cosines.mean("saliency"), state.compute()[0], atol=1e-7)

    weights = np.array([2, 1, 1, 0, 0, 0, 0, 0, 1])
    repeated = [0, 0, 1, 2, 8]
    wanted, counts = state_of(broken[repeated], [str(number) for number in range(5)]).compute()
    found = cosines.mean("saliency", weights)
    assert counts[0, 1] == 2  # images 1 and 8
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    only_bad = np.eye(9)[2]
    found = cosines.mean("saliency", only_bad)
    assert np.isnan(found[0, 1])
    assert np.isfinite(found[2, 3])
    assert (np.diagonal(found) == 1).all()


# --- some of the models ---


@pytest.mark.parametrize("chosen", [("c", "a"), ("d", "b", "a"), MODELS, MODELS[::-1], ("b",)])
def test_only_some_models(cosines, chosen):
    part, at = cosines.only(chosen), [MODELS.index(name) for name in chosen]
    assert part.models == chosen
    assert part.images == IDS
    for name in some(cosines.methods):
        np.testing.assert_array_equal(part.matrices(name), cosines.matrices(name)[:, at][:, :, at])
        np.testing.assert_allclose(part.mean(name), cosines.mean(name)[np.ix_(at, at)], atol=1e-12)


def test_only_models_that_there_are(cosines):
    with pytest.raises(SettingsError, match="no model is named 'e'; there are a, b, c, d"):
        cosines.only(("a", "e"))


# --- the file ---


def test_round_trip(tmp_path, cosines):
    path = cosines.save(tmp_path / "sub" / "affinity_images.npz")
    loaded = ImageCosines.load(path)
    assert (loaded.models, loaded.images, loaded.methods) == (MODELS, IDS, cosines.methods)
    for name in cosines.methods:
        np.testing.assert_array_equal(loaded.cosines[name], cosines.cosines[name])
    assert list(path.parent.iterdir()) == [path]
    with np.load(path, allow_pickle=False) as plain:  # as a reader without tfattr sees it
        assert plain["saliency"].shape == (9, 6)
        assert list(plain["models"]) == list(MODELS)
        assert list(plain["images"]) == list(IDS)


def test_damaged_files(tmp_path, cosines):
    path = tmp_path / "affinity_images.npz"
    with pytest.raises(RecordsError, match="no such file; compute it with `tfattr affinity`"):
        ImageCosines.load(path)
    content = cosines.save(path).read_bytes()
    for kept in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(RecordsError, match="affinity_images.npz: cannot be read"):
            ImageCosines.load(path)
    at = content.index(cosines.cosines["saliency"].tobytes())
    flipped = bytearray(content)
    flipped[at + 5] ^= 4
    path.write_bytes(flipped)
    with pytest.raises(RecordsError, match="affinity_images.npz: cannot be read.*CRC"):
        ImageCosines.load(path)
    np.savez(path, models=np.array(["a"]), images=np.array(["1"]))
    with pytest.raises(RecordsError, match="cannot be read.*methods"):
        ImageCosines.load(path)
    np.savez(path, models=np.array(MODELS), images=np.array(IDS), methods=np.array(["x"]), x=np.ones((9, 5)))
    with pytest.raises(RecordsError, match=r"x has shape \(9, 5\), expected \(9, 6\)"):
        ImageCosines.load(path)
    np.savez(path, models=np.array(MODELS, object), images=np.array(IDS), methods=np.array(["x"]))
    with pytest.raises(RecordsError, match="cannot be read"):  # a pickle is never opened
        ImageCosines.load(path)
