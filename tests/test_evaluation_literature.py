"""The literature's mean Spearman over 17 tasks: who takes part, self-transfer, files."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from tfattr.errors import SettingsError
from tfattr.evaluation import Truth, find_truth, read_truth
from tfattr.evaluation.literature import TASKS_17, mean_spearman, read_transfer, spearman_per_target
from tfattr.evaluation.taskonomy import THEIR_NAMES, task_names
from tfattr.safety import safe_pickle

TASKS = ("a", "b", "c", "d", "e")


def truth_of(values: np.ndarray, with_self: bool) -> Truth:
    values = values.copy()
    if not with_self:
        np.fill_diagonal(values, np.nan)
    return Truth(TASKS, TASKS, values)


@pytest.fixture
def measured() -> np.ndarray:
    values = np.random.default_rng(0).uniform(size=(5, 5))
    np.fill_diagonal(values, 2)
    values[1, 1] = 0.5  # as autoencoder in Taskonomy's file, not its own best source
    return values


@pytest.fixture
def affinity() -> np.ndarray:
    values = np.random.default_rng(1).uniform(size=(5, 5))
    values = values + values.T
    np.fill_diagonal(values, 3)
    return values


def by_hand(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def test_the_17_are_the_papers_20_without_three():
    left_out = {"colorization", "class_places", "inpainting_whole"}
    assert tuple(task for task in task_names() if task not in left_out) == TASKS_17
    assert len(TASKS_17) == 17


def test_the_target_is_among_its_sources_at_the_files_value(measured, affinity):
    found = spearman_per_target(affinity, TASKS, truth_of(measured, with_self=True), TASKS)
    expected = {task: by_hand(affinity[i], measured[i]) for i, task in enumerate(TASKS)}
    assert found == pytest.approx(expected)
    mean = mean_spearman(affinity, TASKS, truth_of(measured, with_self=True), TASKS)
    assert mean == pytest.approx(np.mean(list(expected.values())))


def test_a_target_without_a_value_for_itself_is_its_own_best_source(measured, affinity):
    found = spearman_per_target(affinity, TASKS, truth_of(measured, with_self=False), TASKS)
    best = measured.copy()
    best[1, 1] = 2
    assert found == pytest.approx({task: by_hand(affinity[i], best[i]) for i, task in enumerate(TASKS)})


def test_the_target_can_be_left_out(measured, affinity):
    for with_self in (True, False):
        truth = truth_of(measured, with_self)
        found = spearman_per_target(affinity, TASKS, truth, TASKS, include_self=False)
        expected = {
            task: by_hand(np.delete(affinity[i], i), np.delete(measured[i], i))
            for i, task in enumerate(TASKS)
        }
        assert found == pytest.approx(expected)


def test_only_the_tasks_count_whatever_the_order_of_models(measured, affinity):
    truth = truth_of(measured, with_self=True)
    order = [3, 0, 4, 2, 1]
    shuffled = affinity[np.ix_(order, order)]
    names = [TASKS[index] for index in order]
    some = ("e", "b", "a", "c")
    at = [TASKS.index(task) for task in some]
    expected = {task: by_hand(affinity[i, at], measured[i, at]) for task, i in zip(some, at)}
    assert spearman_per_target(shuffled, names, truth, some) == pytest.approx(expected)


def test_the_true_matrix_scores_one_and_its_reverse_minus_one(measured):
    truth = truth_of(measured, with_self=True)
    assert mean_spearman(measured, TASKS, truth, TASKS) == pytest.approx(1)
    assert mean_spearman(-measured, TASKS, truth, TASKS) == pytest.approx(-1)


def test_an_undefined_or_constant_row_is_nan(measured, affinity):
    truth = truth_of(measured, with_self=True)
    affinity[2, 3] = np.nan
    affinity[4] = 1
    found = spearman_per_target(affinity, TASKS, truth, TASKS)
    assert [task for task, value in found.items() if np.isnan(value)] == ["c", "e"]
    assert np.isnan(mean_spearman(affinity, TASKS, truth, TASKS))


def test_a_task_that_is_missing_is_named(measured, affinity):
    truth = truth_of(measured, with_self=True)
    with pytest.raises(SettingsError, match="the affinity lacks the task e"):
        mean_spearman(affinity[:4, :4], TASKS[:4], truth, TASKS)
    fewer = Truth(TASKS[:4], TASKS, measured[:4])
    with pytest.raises(SettingsError, match="the measured transfer lacks the task e"):
        mean_spearman(affinity, TASKS, fewer, TASKS)


def test_shipped_files_have_the_17(affinity):
    rooms = read_transfer(find_truth("rooms"))
    assert np.isfinite(rooms.affinity).all()
    plain = read_truth(find_truth("rooms"), TASKS_17)
    off = ~np.eye(17, dtype=bool)
    np.testing.assert_array_equal(rooms.affinity[off], plain.affinity[off])
    wins = read_transfer(find_truth("rooms"), "win_rate")
    assert 0 <= wins.affinity.min() < wins.affinity.max() <= 1
    # Win rates and the affinities made from them order the sources alike.
    assert mean_spearman(wins.affinity, TASKS_17, rooms) > 0.95
    taskonomy = read_transfer(find_truth("taskonomy"))
    assert np.isnan(np.diag(taskonomy.affinity)).all()
    assert np.isfinite(taskonomy.affinity[off]).all()


def test_taskonomy_ranks_all_but_two_targets_as_their_own_best_source(shared):
    """What stands for the missing diagonal of the shipped file, counted in Taskonomy's own."""
    transfers = safe_pickle.load(shared / "taskonomy" / "all_affinities_16k.pkl")
    names = [THEIR_NAMES.get(task, task) for task in TASKS_17]
    square = np.array([[transfers[f"{source}__{target}"] for source in names] for target in names], float)
    others = np.flatnonzero(square.argmax(axis=1) != np.arange(17))
    assert [TASKS_17[index] for index in others] == ["autoencoder", "curvature"]


@pytest.mark.parametrize(
    "text, column, words",
    [
        ("target,source\na,b\n", "affinity", "column 'affinity' is missing"),
        ("target,source,affinity\na,b,x\n", "affinity", "holds no number"),
        ("target,source,win_rate\na,b,.5\n", "win_rate", "from a to b is missing"),
        ("", "affinity", "column 'target' is missing"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, text, column, words):
    path = tmp_path / "transfer.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        read_transfer(path, column, ("a", "b"))
    assert "transfer.csv" in str(caught.value)


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nowhere.csv: the measured transfer cannot be read"):
        read_transfer(tmp_path / "nowhere.csv")
