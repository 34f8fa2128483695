"""Raw pixels and the symmetrised truth, by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from found import some

from tfattr.baselines import raw_pixel_cosines, symmetrised_truth
from tfattr.errors import RecordsError, SettingsError
from tfattr.evaluation import Truth, score


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    photos = random.uniform(size=(5, 8, 8, 3)).astype(np.float32)
    return {
        "unit": photos,
        "signed": photos * 2 - 1,
        "again": photos * 255,
        "grey": photos.mean(axis=3, keepdims=True),
    }


def pixel_cosines(inputs, images=None, grid=None):
    names = images or [str(number) for number in range(len(next(iter(inputs.values()))))]
    fed = ((name, [array[at] for array in inputs.values()]) for at, name in enumerate(names))
    return raw_pixel_cosines(tuple(inputs), fed, grid)


def test_raw_pixels_are_cosines_of_the_fed_images(inputs):
    found = pixel_cosines(inputs, images=list("abcde"))
    planes = {name: array.mean(axis=3).reshape(5, -1).astype(float) for name, array in inputs.items()}
    unit, signed = planes["unit"], planes["signed"]
    by_hand = [u @ s / np.sqrt((u @ u) * (s @ s)) for u, s in zip(unit, signed)]
    assert found.images == tuple("abcde")
    np.testing.assert_allclose(found.matrices("raw_pixels")[:, 0, 1], by_hand, atol=1e-6)
    assert found.mean("raw_pixels")[0, 1] == pytest.approx(np.mean(by_hand), abs=1e-6)
    twice_the_first = found.mean("raw_pixels", np.array([2, 0, 0, 0, 0]))
    assert twice_the_first[0, 1] == pytest.approx(by_hand[0], abs=1e-6)


def test_models_that_are_fed_alike_tie(inputs):
    affinity = pixel_cosines(inputs).mean("raw_pixels")
    np.testing.assert_allclose(affinity[0, [0, 2, 3]], 1, atol=1e-6)
    assert affinity[0, 1] < 0.99


def test_raw_pixels_of_different_sizes_are_compared_at_a_grid(inputs):
    coarse = inputs["unit"].reshape(5, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    affinity = pixel_cosines({"fine": inputs["unit"], "coarse": coarse}, grid=4).mean("raw_pixels")
    assert affinity[0, 1] == pytest.approx(1, abs=1e-6)


def test_an_image_that_not_every_model_is_fed_is_refused(inputs):
    first = [array[0] for array in inputs.values()]
    with pytest.raises(RecordsError, match="3 maps, expected one for each of 4"):
        raw_pixel_cosines(tuple(inputs), [("a", first), ("b", first[:3])])


def measured(targets: str, sources: str, seed: int = 0, symmetric: bool = False) -> Truth:
    values = np.random.default_rng(seed).uniform(0.1, 1, (len(sources), len(sources)))
    if symmetric:
        values = values + values.T
    np.fill_diagonal(values, np.nan)
    rows = [sources.index(target) for target in targets]
    return Truth(tuple(targets), tuple(sources), values[rows])


@pytest.mark.parametrize("by", ["rank", "log"])
def test_symmetrised_truth_is_the_mean_of_both_directions(by):
    truth = measured("acde", "abcdef")

    def one(target: str, source: str) -> float | None:
        if target not in truth.targets:
            return None
        row = truth.affinity[truth.targets.index(target)]
        value = row[truth.sources.index(source)]
        return np.log(value) if by == "log" else (row <= value).sum() / 5

    found = symmetrised_truth(truth, by)
    for i, left in some(enumerate(truth.sources)):
        for j, right in some(enumerate(truth.sources)):
            if left == right:
                assert found[i, j] == (1 if by == "rank" else 0)
                continue
            known = [value for value in (one(left, right), one(right, left)) if value is not None]
            expected = np.mean(known) if known else np.nan
            np.testing.assert_allclose(found[i, j], expected, atol=1e-15)
    assert np.isnan(found[1, 5])


@pytest.mark.parametrize("by", ["rank", "log"])
def test_a_truth_that_is_symmetric_already_is_found(by):
    """By logarithm any symmetric truth is kept whole; by rank, a line of models nearly so."""
    sources = "abcdefghij"
    truth = measured(sources, sources, symmetric=True)
    if by == "rank":  # the nearer the better
        place = np.cumsum(1.3 ** np.arange(10))
        values = -abs(place[:, None] - place[None])
        np.fill_diagonal(values, np.nan)
        truth = Truth(truth.targets, truth.sources, values)
    found = score(symmetrised_truth(truth, by), sources, truth)
    if by == "log":
        assert found.precision[0] == found.precision[4] == 1
    else:
        assert np.mean(found.spearman) > 0.9


def test_symmetrising_by_log_needs_positive_affinities():
    truth = measured("abc", "abc")
    negative = Truth(truth.targets, truth.sources, -truth.affinity)
    with pytest.raises(SettingsError, match="by rank"):
        symmetrised_truth(negative, "log")
    with pytest.raises(SettingsError, match="'sum'"):
        symmetrised_truth(truth, "sum")


def test_baselines_do_not_wait_for_tensorflow():
    code = "import sys, tfattr.baselines, tfattr.evaluation.literature; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
