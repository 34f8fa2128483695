"""P@K and R@K against counting by hand, the authors' procedure and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tfattr.errors import SettingsError
from tfattr.evaluation import (
    NOT_TARGETS,
    chance_p_value,
    hits_at_k,
    oracle_precision,
    random_precision,
    read_truth,
    relabelling_p_value,
    score,
)

NAMES = [f"m{i}" for i in range(8)]


def write(path, values, names=NAMES):
    rows = ["target,source,affinity,note"]
    rows += [f"{t},{s},{values[i][j]},x" for i, t in enumerate(names) for j, s in enumerate(names)]
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def matrix():
    random = np.random.default_rng(3)
    square = random.normal(size=(8, 8))
    square = (square + square.T) / 2
    np.fill_diagonal(square, 1.0)
    return square


@pytest.fixture
def measured():
    return np.random.default_rng(4).uniform(size=(8, 8))


def test_hits_by_the_authors_procedure(tmp_path, matrix, measured):
    """argsort of -affinity along the row, position 0 dropped, against columns 1..5 of the true order."""
    matrix = matrix - 2 * (1 - np.eye(8))  # every target is its own nearest, as the authors take for granted
    truth = read_truth(write(tmp_path / "t.csv", measured), NAMES)
    found = score(matrix, NAMES, truth)
    true_order = measured.copy()
    np.fill_diagonal(true_order, 2.0)
    true_order = np.argsort(-true_order, axis=1)
    for k in range(1, 8):
        ranked = np.argsort(-matrix, axis=1)[:, 1 : k + 1]
        hits = sum(len(set(ranked[row]) & set(true_order[row, 1:6])) for row in range(8))
        assert found.hits[k - 1] == hits
        assert found.precision[k - 1] == pytest.approx(hits / k / 8)
        assert found.recall[k - 1] == pytest.approx(hits / 5 / 8)


def test_the_target_is_left_out_by_name_even_where_it_does_not_rank_first(tmp_path, matrix, measured):
    truth = read_truth(write(tmp_path / "t.csv", measured), NAMES)
    usual = score(matrix, NAMES, truth).hits
    odd = matrix.copy()
    np.fill_diagonal(odd, -5.0)
    np.testing.assert_array_equal(score(odd, NAMES, truth).hits, usual)
    np.fill_diagonal(odd, np.nan)
    np.testing.assert_array_equal(score(odd, NAMES, truth).hits, usual)


def test_undefined_affinities_rank_last():
    scores = np.array([[np.nan, 0.1, -0.5, np.nan]])
    relevant = np.array([[True, False, False, False]])
    candidates = np.array([[True, True, True, False]])
    np.testing.assert_array_equal(hits_at_k(scores, relevant, candidates), [0, 0, 1])


def test_oracle_and_random(tmp_path, measured):
    truth = read_truth(write(tmp_path / "t.csv", measured), NAMES)
    perfect = score(measured, NAMES, truth)
    np.testing.assert_allclose(perfect.precision, oracle_precision(5, 7))
    np.testing.assert_allclose(perfect.spearman, 1.0)
    np.testing.assert_allclose(perfect.kendall, 1.0)
    random = np.random.default_rng(0)
    mean = np.mean([score(random.normal(size=(8, 8)), NAMES, truth).precision for _ in range(400)], axis=0)
    np.testing.assert_allclose(mean, random_precision(5, 7), atol=0.03)


def test_chance_by_enumeration():
    """Two targets, five candidates, two relevant, K = 2: all pairs of rankings counted."""
    counts = [len({0, 1} & set(top)) for top in itertools.permutations(range(5), 2)]
    total = [a + b for a in counts for b in counts]
    for hits in range(5):
        expected = np.mean(np.array(total) >= hits)
        assert chance_p_value(hits, 2, 2, 2, 5) == pytest.approx(expected)


def test_relabelling_finds_the_truth_and_not_noise(tmp_path):
    block = np.kron(np.eye(2), np.ones((4, 4))) + 0.01 * np.random.default_rng(0).normal(size=(8, 8))
    truth = read_truth(write(tmp_path / "t.csv", block), NAMES)
    rows, relevant = np.arange(8), truth.relevant(3)
    assert relabelling_p_value(block, rows, relevant, 3, draws=300) < 0.1
    shuffled = block[np.ix_([0, 4, 1, 5, 2, 6, 3, 7], [0, 4, 1, 5, 2, 6, 3, 7])]
    assert relabelling_p_value(shuffled, rows, relevant, 3, draws=300) > 0.5


def test_models_beside_the_truth_and_excluded_targets(tmp_path, measured, matrix):
    names = [*NAMES[:6], *NOT_TARGETS]
    truth = read_truth(write(tmp_path / "t.csv", measured, names), ["stranger", *names])
    assert truth.targets == tuple(NAMES[:6])
    assert truth.sources == tuple(names)
    wide = np.zeros((9, 9))
    wide[1:, 1:] = matrix
    found = score(wide, ["stranger", *names], truth)
    assert found.targets == 6
    assert found.candidates == 7
    np.testing.assert_array_equal(found.hits, score(matrix, names, truth).hits)


def test_bad_truth_is_one_sentence(tmp_path, measured, matrix):
    good = write(tmp_path / "t.csv", measured)
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "numbers.csv").write_text("target,source,affinity\nm0,m1,high\n")
    lines = good.read_text().splitlines()
    (tmp_path / "gap.csv").write_text("\n".join(line for line in lines if not line.startswith("m2,m3")))
    cases = [
        (tmp_path / "absent.csv", "cannot be read"),
        (tmp_path / "columns.csv", "'affinity' is missing"),
        (tmp_path / "numbers.csv", "no number"),
        (tmp_path / "gap.csv", "from m3 to m2 is missing"),
    ]
    for path, said in cases:
        with pytest.raises(SettingsError) as caught:
            read_truth(path, NAMES)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
    with pytest.raises(SettingsError, match="none are in this truth"):
        read_truth(good, ["other"])
    with pytest.raises(SettingsError, match="no model 'm7'"):
        score(matrix[:7, :7], NAMES[:7], read_truth(good, NAMES))


def test_k_adapts_to_a_small_zoo(tmp_path):
    """Five models can be judged: the better half of four candidates is relevant; by hand for a perfect ranking."""
    from tfattr.evaluation import Evaluation, evaluate
    from tfattr.evaluation.rankings import Ranking

    names = [f"m{number}" for number in range(5)]
    place = np.arange(5)
    matrix = -np.abs(place[:, None] - place[None]).astype(float) + 0.01 * place
    lines = [f"{t},{s},{matrix[i, j]}" for i, t in enumerate(names) for j, s in enumerate(names) if i != j]
    (tmp_path / "truth.csv").write_text("\n".join(["target,source,affinity", *lines]))
    truth = read_truth(tmp_path / "truth.csv", names)
    rankings = [
        Ranking("right", "maps", matrix, lambda: iter([matrix, matrix])),
        Ranking("wrong", "maps", -matrix),
    ]
    for given, k in ((None, 2), (3, 3), (1, 1)):
        right, wrong = evaluate(rankings, names, truth, k=given)
        assert right.scores.relevant == k
        assert right.row()[f"P@{k}"] == right.row()[f"R@{k}"] == 1.0
        assert right.row()[f"P@{k}_interval"] == [1.0, 1.0]
        assert wrong.row()[f"P@{k}"] == pytest.approx(max(0, 2 * k - 4) / k)  # of four, the k worst
        found = Evaluation("by hand", truth, 1, [right, wrong])
        assert f"P@{k}=R@{k}" in found.table()
        found.save(tmp_path)
        assert f"P@{k}" in (tmp_path / "evaluation.csv").read_text().splitlines()[0].split(",")
    with pytest.raises(SettingsError, match="4 candidates a target are too few to look for the 4 best.*--k"):
        evaluate(rankings, names, truth, k=4)
