"""Measures of affinity against scipy and against QR and SVD in float64; what a non-symmetric one asks of the rest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from tfattr.affinity import (
    AffinityResult,
    AffinityState,
    ImageCosines,
    both_directions,
    entry_name,
    find_measure,
    measure_names,
    rank,
    register,
    similarity_tree,
)
from tfattr.affinity.measures import choose_entry, split_entry
from tfattr.errors import RecordsError, SettingsError

MODELS = ("a", "b", "c", "d")
IDS = tuple(f"{number}.jpg" for number in range(7))


def parts(seed=0, models=4, images=7, count=3, side=6):
    """``[N, M, side, side, count]``: maps that share directions between neighbouring models."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((images, models + 1, side, side, count))
    found = shared[:, :-1] + shared[:, 1:] + 0.3 * random.standard_normal((images, models, side, side, count))
    found[:, ::2] *= np.geomspace(1, 0.1, count)
    return (found / np.abs(found).max(axis=(2, 3, 4), keepdims=True)).astype(np.float16)


def state_of(arrays, measure, ids=IDS, models=MODELS):
    state = AffinityState.empty(models, keep_images=True, measure=measure)
    for image, maps in zip(ids, arrays):
        state.update(list(maps), image)
    return state


def matrices_of(arrays, compare):
    """The per-image matrices by a plain loop over pairs: ``[N, M, M]``, row = first argument."""
    size = arrays.shape[1]
    found = np.empty((len(arrays), size, size))
    for image, (i, j) in itertools.product(range(len(arrays)), itertools.product(range(size), repeat=2)):
        found[image, i, j] = compare(arrays[image, i].astype(np.float64), arrays[image, j].astype(np.float64))
    return found


def pearson(a, b):
    return scipy.stats.pearsonr(a.mean(-1).ravel(), b.mean(-1).ravel())[0]


def spearman(a, b):
    return scipy.stats.spearmanr(a.mean(-1).ravel(), b.mean(-1).ravel())[0]


def subspace(a, b):
    """From the principal angles between the column spaces, which scipy finds by QR and SVD."""
    angles = scipy.linalg.subspace_angles(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]))
    return (np.cos(angles) ** 2).sum() / np.sqrt(a.shape[-1] * b.shape[-1])


def explained(a, b):
    """1 less the residual of least squares: the target's maps fitted by the source's, both centred."""
    a, b = (one.reshape(-1, one.shape[-1]) for one in (a, b))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    residual = a - b @ np.linalg.lstsq(b, a, rcond=None)[0]
    return 1 - (residual**2).sum() / (a**2).sum()


TWINS = {"pearson": pearson, "spearman": spearman, "subspace": subspace, "explained": explained}


@pytest.mark.parametrize("measure", TWINS)
def test_each_measure_is_its_independent_twin(measure):
    arrays = parts()
    state = state_of(arrays, measure)
    wanted = matrices_of(arrays, TWINS[measure])
    np.testing.assert_allclose(state.compute()[0], wanted.mean(axis=0), atol=2e-7)
    images = ImageCosines.from_states({"x": state}, IDS)
    np.testing.assert_allclose(images.matrices("x"), wanted, atol=2e-6)
    assert images.measure("x") == measure


def test_every_registered_measure_has_a_twin():
    assert set(measure_names()) == {"cosine", *TWINS}  # the cosine's is in test_affinity_state.py


def test_spans_of_different_dimensions():
    wide, narrow = parts(1, models=1, count=5)[:, 0], parts(1, models=1, count=5)[:, 0, ..., :2]
    state = AffinityState.empty(("wide", "narrow"), measure="subspace")
    share = AffinityState.empty(("wide", "narrow"), measure="explained")
    for image in range(7):
        state.update([wide[image], narrow[image]], str(image))
        share.update([wide[image], narrow[image]], str(image))
    np.testing.assert_allclose(state.compute()[0][0, 1], 2 / np.sqrt(10), atol=1e-12)  # 2 of 5 directions
    found = share.compute()[0]
    np.testing.assert_allclose(found[1, 0], 1, atol=1e-12)  # the wide span holds the narrow one
    assert found[0, 1] < 0.95


def test_repeated_maps_add_no_dimension():
    one = parts(2, models=1, count=2)[0, 0]
    twice = np.concatenate([one, one[..., :1]], axis=-1)
    other = parts(3, models=1, count=2)[0, 0]
    for measure in ("subspace", "explained"):
        left, right = (AffinityState.empty(("a", "b"), measure=measure) for _ in range(2))
        left.update([other, one], "x")
        right.update([other, twice], "x")
        np.testing.assert_allclose(left.compute()[0][0, 1], right.compute()[0][0, 1], atol=1e-12)


@pytest.mark.parametrize("measure", ["spearman", "subspace", "explained"])
def test_any_split_gives_the_same_bits(measure):
    arrays = parts()
    arrays[2, 1] = 0
    arrays[4, 3, 0, 0, 0] = np.nan
    whole = state_of(arrays, measure)
    order = [5, 2, 0, 6, 1, 4, 3]
    shuffled = [IDS[number] for number in order]
    split = state_of(arrays[order[4:]], measure, shuffled[4:]).merge(
        state_of(arrays[order[:4]], measure, shuffled[:4])
    )
    for one, other in zip(whole.compute(), split.compute()):
        np.testing.assert_array_equal(one, other)
    assert sorted(whole.dropped) == sorted(split.dropped)
    assert {(drop.model, drop.reason) for drop in whole.dropped} == {("b", "zero"), ("d", "not finite")}
    assert whole.counts[0, 1] == 6
    assert whole.counts[1, 3] == 5
    with pytest.raises(SettingsError, match="by .* and cosine cannot be merged"):
        whole.merge(state_of(arrays[:1], "cosine"))


@pytest.mark.parametrize("measure", ["pearson", "spearman", "explained"])
def test_constant_maps_have_no_correlation(measure):
    maps = [parts()[0, 0], np.full((6, 6), 0.25, np.float16), parts()[0, 2]]
    state = AffinityState.empty(("a", "flat", "c"), measure=measure).update(maps, "x")
    assert [tuple(drop) for drop in state.dropped] == [("flat", "x", "constant")]
    assert np.isnan(state.compute()[0][0, 1])
    assert np.isfinite(state.compute()[0][0, 2])


# --- files, rows and columns ---


@pytest.fixture
def both():
    arrays = parts()
    return {entry_name("grad_input", name): state_of(arrays, name) for name in ("cosine", "explained")}


def test_files_say_the_measure_and_which_way_it_goes(tmp_path, both):
    result = AffinityResult.load(AffinityResult.from_states(both).save(tmp_path / "affinity.npz"))
    images = ImageCosines.load(ImageCosines.from_states(both, IDS).save(tmp_path / "images.npz"))
    for found in (result, images):
        assert found.methods == ("grad_input", "grad_input_explained")
        assert [found.measure(entry) for entry in found.methods] == ["cosine", "explained"]
    wanted = matrices_of(parts(), explained).mean(axis=0)
    assert abs(wanted - wanted.T).max() > 0.02
    np.testing.assert_allclose(images.mean("grad_input_explained"), wanted, atol=1e-6)
    np.testing.assert_allclose(result.affinity["grad_input_explained"], wanted, atol=1e-6)
    assert images.cosines["grad_input_explained"].shape == (7, 12)
    assert images.cosines["grad_input"].shape == (7, 6)
    some, at = images.only(("d", "a", "b")), [3, 0, 1]
    np.testing.assert_array_equal(
        some.matrices("grad_input_explained"), images.matrices("grad_input_explained")[:, at][:, :, at]
    )
    best = rank(result.affinity["grad_input_explained"], "b", result.models)[0]
    row = np.where(np.arange(4) == 1, -1, wanted[1])
    assert best[0] == MODELS[row.argmax()]


def test_files_of_the_first_format_hold_cosines(tmp_path, both):
    path = ImageCosines.from_states({"m": both["grad_input"]}, IDS).save(tmp_path / "images.npz")
    with np.load(path) as file:
        old = {name: file[name] for name in file.files if name not in ("format", "measures")}
        new = dict(file)
    np.savez(path, **old)
    found = ImageCosines.load(path)
    assert found.measure("m") == "cosine"
    np.testing.assert_array_equal(found.cosines["m"], new["m"])
    np.savez(path, **{**new, "format": 3})
    with pytest.raises(RecordsError, match="format 3, this tfattr reads up to 2; update tfattr"):
        ImageCosines.load(path)


def test_a_tree_takes_the_mean_of_both_directions(both):
    A = both["grad_input_explained"].compute()[0]
    grown, other = (similarity_tree(both_directions(one), MODELS) for one in (A, A.T))
    np.testing.assert_array_equal(grown.linkage, other.linkage)
    assert abs(grown.linkage - similarity_tree(A, MODELS).linkage).max() > 1e-3


def test_names_of_entries():
    entries = ("grad_input_subspace", "grad_input_explained", "saliency")
    assert choose_entry(entries, "grad_input") == "grad_input_subspace"
    assert choose_entry(entries, "grad_input", "explained") == "grad_input_explained"
    assert choose_entry(entries, "grad_input_explained") == "grad_input_explained"
    assert split_entry("lrp.epsilon_explained") == ("lrp.epsilon", "explained")
    assert split_entry("grad_input") == ("grad_input", "cosine")
    with pytest.raises(
        SettingsError, match="no method 'saliency' by the measure subspace in this run; there are grad"
    ):
        choose_entry(entries, "saliency", "subspace")


def test_a_measure_of_ones_own(monkeypatch):
    class SignedCosine:
        name, description, symmetric, parts = "signs", "mean agreement of signs", True, False

        def contribution(self, maps):
            return np.sign(maps[0].astype(np.float64))

        def compare(self, contributions):
            rows = np.stack(contributions)
            return rows @ rows.T / rows.shape[1]

    monkeypatch.setattr("tfattr.affinity.measures._MEASURES", {})
    measure = register(SignedCosine())
    assert find_measure("signs") is measure
    arrays = parts()[..., :1]
    wanted = matrices_of(arrays, lambda a, b: (np.sign(a) == np.sign(b)).mean() * 2 - 1)
    np.testing.assert_allclose(state_of(arrays, "signs").compute()[0], wanted.mean(axis=0), atol=1e-9)
    with pytest.raises(SettingsError, match="there is a measure 'signs' already"):
        register(SignedCosine())
    with pytest.raises(SettingsError, match="no measure is named 'cosine'; expected one of signs"):
        AffinityState.empty(MODELS, measure="cosine")
