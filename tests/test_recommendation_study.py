"""The protocol of benchmarks/recommendation_study.py: halves, scores, candidates, paired test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from found import some
from scipy.stats import permutation_test

from tfattr.evaluation import find_truth, read_truth, score
from tfattr.zoo.file import open_zoo


@pytest.fixture(scope="module")
def own():
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "recommendation_study.py"
    if not path.exists():
        pytest.skip("the benchmarks are not part of an installed package")
    spec = importlib.util.spec_from_file_location("recommendation_study", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["recommendation_study"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["recommendation_study"]


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
        for target, row in some(zip(half.targets, half.affinity)):
            np.testing.assert_array_equal(row, truth.affinity[truth.targets.index(target)])
        assert half.sources == truth.sources


def test_scores_of_a_target_are_those_of_the_evaluation(own, truth):
    half, _ = own.halves(truth, open_zoo("rooms").groups)
    matrices = np.random.default_rng(0).normal(size=(3, len(truth.sources), len(truth.sources)))
    spearman, hits = own.per_target(matrices, half)
    for matrix, one, hit in some(zip(matrices, spearman, hits)):
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


def test_candidates_are_all_small_sets_with_one_kind_of_explained(own):
    found = own.candidates(["dds", "rsa", "predictivity", "grad_input_explained", "gradient_norm_explained"])
    assert len(found) == len(set(found)) == 11
    assert found[0] == ("predictivity",)
    assert ("predictivity", "dds", "gradient_norm_explained") in found
    assert not [one for one in found if {"grad_input_explained", "gradient_norm_explained"} <= set(one)]
    assert own.candidates(["dds", "predictivity"]) == [("predictivity",), ("dds",), ("predictivity", "dds")]


def test_of_nearly_equal_candidates_the_one_with_more_hits_is_chosen(own):
    scores = {("a",): (0.70, 3.0), ("b",): (0.697, 3.5), ("c",): (0.697, 3.5), ("d",): (0.6, 5.0)}
    assert own.choose(scores) == ("b",)
