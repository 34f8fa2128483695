"""The protocol of benchmarks/own_measure.py: halves, scores, paired test, corrections of hubs."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test, rankdata

from tfattr.evaluation import find_truth, read_truth, score
from tfattr.measures import linear_predictivity
from tfattr.zoo.file import open_zoo


@pytest.fixture(scope="module")
def own():
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "own_measure.py"
    if not path.exists():
        pytest.skip("the benchmarks are not part of an installed package")
    spec = importlib.util.spec_from_file_location("own_measure", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_measure"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["own_measure"]


@pytest.fixture(scope="module")
def truth():
    return read_truth(find_truth("rooms"), [model.name for model in open_zoo("rooms")])


def test_halves_share_no_target_and_are_stratified(own, truth):
    groups = open_zoo("rooms").groups
    choice, verdict = own.halves(truth, groups)
    assert sorted(choice.targets + verdict.targets) == sorted(truth.targets)
    assert len(choice.targets) == len(verdict.targets) == 9
    for group in ("2D", "3D"):
        counts = [sum(groups[target] == group for target in half.targets) for half in (choice, verdict)]
        assert abs(counts[0] - counts[1]) <= 1
    for half in (choice, verdict):
        for target, row in zip(half.targets, half.affinity):
            np.testing.assert_array_equal(row, truth.affinity[truth.targets.index(target)])
        assert half.sources == truth.sources


def test_scores_of_a_target_are_those_of_the_evaluation(own, truth):
    half, _ = own.halves(truth, open_zoo("rooms").groups)
    matrices = np.random.default_rng(0).normal(size=(3, len(truth.sources), len(truth.sources)))
    spearman, hits = own.per_target(matrices, half)
    for matrix, one, hit in zip(matrices, spearman, hits):
        found = score(matrix, truth.sources, half)
        np.testing.assert_allclose(one, found.spearman, atol=1e-12)
        assert hit.sum() == found.hits[4]


def test_sign_flips_are_scipys_exact_paired_test(own):
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 9))
    expected = permutation_test(
        (first, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert own.sign_flips(first - second) == pytest.approx(expected.pvalue)


def test_the_best_is_the_earlier_of_equals_and_rivals_are_no_candidates(own, truth):
    probe = own.Probe(Path(), Path(), "none", truth.sources)
    half = replace(truth, targets=truth.targets[:4], affinity=truth.affinity[:4])
    good = np.full((len(truth.sources),) * 2, np.nan)
    good[[truth.sources.index(target) for target in half.targets]] = half.affinity
    found = own.Search([probe], half)
    found.add("rival", [good], candidate=False)
    noise = np.random.default_rng(0).normal(size=good.shape)
    found.add("A noise", [noise])
    found.add("A first", [own.row_ranks(good)])
    found.add("B second", [2 * own.row_ranks(good)])
    assert found.scores["A first"] == pytest.approx((1.0, 1.0))
    assert found.best("") == "A first"
    assert found.best("B") == "B second"
    assert found.candidates == ["A noise", "A first", "B second"]


def test_the_search_and_the_package_predict_alike(own):
    random = np.random.default_rng(0)
    base = random.normal(size=(10, 16, 16, 2))
    codes = {"s": base, "t": np.tanh(base @ random.normal(size=(2, 2)) + random.normal(size=base.shape))}
    maps = {model: random.normal(size=(10, 16, 16)) for model in codes}
    weights = np.abs(maps["t"]) / np.abs(maps["t"]).mean()
    unit = {model: own.standard(code)[0] for model, code in codes.items()}
    errors, total = own.unpredicted(
        own.features(unit["s"], 3, False),
        unit["t"].reshape(own.BLOCKS, -1, 2).astype(np.float32),
        weights.reshape(own.BLOCKS, -1).astype(np.float32),
    )
    assert linear_predictivity(codes, maps).affinity()[1, 0] == pytest.approx(
        1 - (errors / total).mean(), abs=1e-5
    )


def test_hub_corrections_by_hand(own):
    matrix = np.random.default_rng(0).uniform(size=(7, 7))
    off = [[matrix[i, j] for j in range(7) if j != i] for i in range(7)]
    columns = [[matrix[i, j] for i in range(7) if i != j] for j in range(7)]
    csls, scaled = own.csls(matrix), own.HUBS["columns scaled"](matrix)
    for i, j in ((0, 1), (3, 5), (6, 2)):
        near = np.mean(sorted(off[i])[-5:]) + np.mean(sorted(columns[j])[-5:])
        assert csls[i, j] == pytest.approx(2 * matrix[i, j] - near)
        assert scaled[i, j] == pytest.approx((matrix[i, j] - np.mean(columns[j])) / np.std(columns[j]))


def test_maps_as_ranks_do_not_see_a_monotone_change(own):
    maps = np.random.default_rng(0).normal(size=(2, 3, 16))
    bent = np.stack([maps[0], np.exp(maps[1])])
    np.testing.assert_allclose(own.cosines(bent, "ranks"), own.cosines(maps, "ranks"))
    expected = np.corrcoef(rankdata(maps[0, 0]), rankdata(maps[1, 0]))[0, 1]
    assert own.cosines(maps, "ranks")[0, 0, 1] == pytest.approx(expected)
