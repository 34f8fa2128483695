"""The claims on cosines whose answers are known by construction, and their parts against other routes."""

from __future__ import annotations

import numpy as np
import pytest
from found import some
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from tfattr.affinity import ImageCosines
from tfattr.claims import (
    default_sizes,
    local_structure,
    methods_agree,
    newcomers,
    probe_insensitivity,
    same_task,
    sample_size_curve,
    size_insensitivity,
)
from tfattr.claims.claim import matrix_correlation
from tfattr.claims.kinship import kept_structure, kin_place
from tfattr.evaluation import Truth

NAMES = tuple(f"m{i}" for i in range(10))
TASKS = {name: f"t{i // 2}" for i, name in enumerate(NAMES)}  # five tasks, two models of each


def blocks(strength=0.6):
    """Affinity with pairs of one task at ``strength``, groups of the first and last half at .2, the rest 0."""
    matrix = np.zeros((10, 10))
    matrix[:5, :5] = matrix[5:, 5:] = 0.2
    for i in range(0, 10, 2):
        matrix[i, i + 1] = matrix[i + 1, i] = strength
    np.fill_diagonal(matrix, 1.0)
    return matrix


def cosines(matrices, images=30, noise=0.05, seed=0):
    random = np.random.default_rng(seed)
    return ImageCosines(
        NAMES,
        tuple(f"i{k}" for k in range(images)),
        {
            method: (squareform(matrix, checks=False) + noise * random.normal(size=(images, 45))).astype(
                np.float32
            )
            for method, matrix in matrices.items()
        },
    )


def unrelated(seed):
    random = np.random.default_rng(seed)
    matrix = random.uniform(0, 0.5, (10, 10))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    return matrix


def test_matrix_correlation_is_numpys():
    one, other = unrelated(0), unrelated(1)
    upper = np.triu_indices(10, 1)
    assert matrix_correlation(one, other) == pytest.approx(np.corrcoef(one[upper], other[upper])[0, 1])
    one[0, 1] = one[1, 0] = np.nan
    known = np.isfinite(one[upper])
    expected = np.corrcoef(one[upper][known], other[upper][known])[0, 1]
    assert matrix_correlation(one, other) == pytest.approx(expected)


def test_probe_sets_that_agree_and_that_do_not():
    same = {name: cosines({"grad_input": blocks()}, seed=seed) for seed, name in enumerate("ab")}
    found = probe_insensitivity(same, draws=100)
    assert found.holds
    (number,) = found.numbers
    assert number.interval[0] <= number.value + 1e-9
    other = {"a": same["a"], "c": cosines({"grad_input": unrelated(5)})}
    assert probe_insensitivity(other, draws=100).holds is False
    assert probe_insensitivity({"a": same["a"]}).holds is None


def test_methods_that_agree_and_one_that_differs():
    truth = Truth(NAMES, NAMES, np.where(np.eye(10, dtype=bool), np.nan, blocks()))
    good = cosines({"saliency": unrelated(1), "grad_input": blocks(), "elrp": blocks()})
    assert methods_agree(good, truth, draws=50).holds
    swapped = cosines({"saliency": blocks(), "grad_input": unrelated(1), "elrp": unrelated(1)})
    found = methods_agree(swapped, truth, draws=50)
    assert found.holds is False
    assert "not as the paper" in found.sentence
    assert methods_agree(cosines({"saliency": blocks()})).missing


def test_size_curve_rises_to_one_and_noise_matters():
    quiet = sample_size_curve(cosines({"m": blocks()}, noise=0.01), "m", (5, 29, 30), draws=40)
    assert quiet.correlation[-1] == pytest.approx(1.0)
    assert quiet.cophenetic[-1] == pytest.approx(1.0)
    loud = sample_size_curve(cosines({"m": blocks()}, noise=2.0), "m", (2, 5, 20), draws=40)
    assert (np.diff(loud.correlation[:, 0]) > 0).all()
    assert loud.correlation[0, 0] < 0.7
    assert size_insensitivity([quiet], 30).holds
    assert size_insensitivity([loud], 30).holds is False
    assert default_sizes(1000) == (100, 400, 800)
    assert default_sizes(200) == (10, 20, 50, 100)


def test_same_task_by_enumeration_of_the_statistic():
    one = cosines({"m": blocks()}, noise=0.0)
    found = same_task(one, TASKS, "m", draws=20, permutations=300)
    within, between, difference = found.numbers
    assert within.value == pytest.approx(0.6)
    rest = blocks()[np.triu_indices(10, 1)]
    assert between.value == pytest.approx((rest.sum() - 5 * 0.6) / 40)
    assert difference.p < 0.02
    assert found.holds
    nothing = same_task(cosines({"m": unrelated(3)}), TASKS, "m", draws=20, permutations=300)
    assert nothing.numbers[2].p > 0.05
    assert same_task(one, {name: name for name in NAMES}, "m").missing


def test_newcomers_and_places_by_sorting():
    found = newcomers(cosines({"m": blocks()}), TASKS, "m", draws=50)
    assert found.holds
    assert [number.value for number in found.numbers] == [1.0] * 5
    matrix = unrelated(2)
    for row in range(10):
        others = [column for column in range(10) if column != row]
        ranked = sorted(others, key=lambda column: -matrix[row, column])
        for column in some(others):
            assert kin_place(matrix[row], row, [column]) == 1 + ranked.index(column)


def test_structure_of_a_part_by_scipy():
    matrix, part = unrelated(4), NAMES[2:8]
    merged = squareform(cophenet(linkage(matrix, "single")))[2:8, 2:8]
    alone = squareform(cophenet(linkage(matrix[2:8, 2:8], "single")))
    upper = np.triu_indices(6, 1)
    expected = np.corrcoef(merged[upper], alone[upper])[0, 1]
    assert kept_structure(matrix, NAMES, part) == pytest.approx(expected)
    claim = local_structure(
        cosines({"m": blocks()}), {"left": NAMES[:5], "all": NAMES, "two": NAMES[:2]}, "m", draws=20
    )
    assert [number.what.split(" (")[0] for number in claim.numbers[:-1]] == ["left"]


def test_claims_are_plain_json():
    import json

    found = same_task(cosines({"m": blocks()}), TASKS, "m", draws=10, permutations=20).to_dict()
    assert set(found) == {"number", "title", "statement", "sentence", "holds", "numbers", "missing"}
    assert json.loads(json.dumps(found)) == found
