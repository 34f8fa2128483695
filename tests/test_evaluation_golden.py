"""The authors' numbers: a hand-made affinity that has their hit counts, intervals against resampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from found import some
from scipy.stats import spearmanr

from tfattr.affinity import similarity_tree
from tfattr.errors import RecordsError, SettingsError
from tfattr.evaluation import find_truth, interval, read_truth, resamples, score, score_intervals
from tfattr.evaluation.golden import authors_figures, precision_verdicts, tree_verdicts
from tfattr.evaluation.taskonomy import task_names
from tfattr.runs.evaluating import evaluate_authors

# zoo_facts, table 10.4: hits of 18 targets at K = 1 .. 6
TABLE = {
    "taskonomy": {"saliency": [12, 21, 32, 38, 47, 51], "grad_input": [13, 30, 39, 53, 60, 67], "elrp": [13, 30, 39, 53, 60, 67]},
    "coco": {"saliency": [14, 28, 38, 48, 56, 61], "grad_input": [15, 27, 41, 54, 67, 71], "elrp": [14, 27, 41, 54, 67, 71]},
    "indoor": {"saliency": [14, 26, 35, 45, 55, 62], "grad_input": [15, 32, 44, 52, 62, 72], "elrp": [15, 32, 44, 52, 62, 72]},
}  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    return read_truth(find_truth("taskonomy"), task_names())


def hand_made(hits, truth):
    """An affinity [20, 20] whose rankings have exactly these hits: at each K, so many targets name a true source."""
    models = list(truth.sources)
    relevant = truth.relevant(5)
    steps = np.diff([0, *hits])
    orders = []
    for row in range(len(truth.targets)):
        good = [models[c] for c in np.flatnonzero(relevant[row])]
        bad = [m for c, m in enumerate(models) if not relevant[row, c] and m != truth.targets[row]]
        orders.append(([], good, bad))
    for step in steps:
        # Those with most true sources left give one, so that nobody runs out.
        givers = sorted(range(len(orders)), key=lambda row: -len(orders[row][1]))[:step]
        for row, (order, good, bad) in enumerate(orders):
            order.append(good.pop(0) if row in givers else bad.pop(0))
    affinity = np.zeros((20, 20))
    np.fill_diagonal(affinity, 1.0)
    for target, (order, good, bad) in zip(truth.targets, orders):
        for place, source in enumerate([*order, *bad, *good]):
            affinity[models.index(target), models.index(source)] = 0.9 - 0.01 * place
    return affinity


@pytest.mark.parametrize("probe", TABLE)
def test_the_authors_layout_with_their_hits_is_reproduced_exactly(probe, truth, tmp_path):
    stacked = np.stack(
        [hand_made(TABLE[probe][method], truth) for method in ("saliency", "grad_input", "elrp")]
    )
    np.save(tmp_path / "affinity.npy", stacked)
    found = evaluate_authors(tmp_path / "affinity.npy", "taskonomy", probe)
    for one in some(found.results):
        assert list(one.scores.hits[:6]) == TABLE[probe][one.ranking.name]
        assert one.scores.precision[4] == pytest.approx(TABLE[probe][one.ranking.name][4] / 90)
        assert one.scores.recall[4] == one.scores.precision[4]
    precision = [verdict for verdict in found.verdicts if verdict["item"].startswith("P@")]
    assert len(precision) == 18
    assert all(verdict["reproduced"] for verdict in precision)
    stacked[1, 0] = stacked[1, 0, ::-1]
    np.save(tmp_path / "affinity.npy", stacked)
    changed = evaluate_authors(tmp_path / "affinity.npy", "taskonomy", probe).verdicts
    assert not all(verdict["reproduced"] for verdict in changed if "grad_input" in verdict["item"])


def test_matlab_file_and_bad_files(truth, tmp_path):
    from scipy.io import savemat

    stacked = np.stack([hand_made(TABLE["coco"]["elrp"], truth)] * 3)
    savemat(tmp_path / "affinity.mat", {"affinity": stacked})
    assert (
        list(evaluate_authors(tmp_path / "affinity.mat").results[2].scores.hits[:6]) == TABLE["coco"]["elrp"]
    )
    np.save(tmp_path / "small.npy", stacked[:, :5])
    with pytest.raises(RecordsError, match=r"expected \(3, 20, 20\)"):
        evaluate_authors(tmp_path / "small.npy")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object))
    with pytest.raises(RecordsError, match="cannot be read"):
        evaluate_authors(tmp_path / "object.npy")
    with pytest.raises(SettingsError, match="no figures of the probe set"):
        evaluate_authors(tmp_path / "affinity.mat", probe="imagenet")


def test_kept_numbers_are_possible():
    """Each number of hits is one that 18 targets with five true sources can have, and hits never fall."""
    for figure in some(authors_figures()["precision"]):
        for hits in some(figure["hits"].values()):
            assert (np.diff(hits) >= 0).all()
            assert all(hit <= min(18 * k, 90) for k, hit in enumerate(hits, 1))
            assert all(step <= 18 for step in np.diff([0, *hits]))


def test_kept_tree_is_a_tree_and_verdicts_find_it():
    """Twenty leaves need nineteen merges, clusters nested; a tree with just these heights gets every verdict."""
    merges = authors_figures()["tree"]["merges"]
    clusters = [frozenset(merge["cluster"]) for merge in merges]
    assert len(set(clusters)) == 19
    assert set.union(*map(set, clusters)) == set(task_names())
    assert all(a <= b or b <= a or not a & b for a in clusters for b in clusters)
    names = task_names()
    distance = np.zeros((20, 20))
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            if i != j:
                distance[i, j] = min(m["height"] for m in merges if {one, other} <= set(m["cluster"]))
    # Points in a space of many dimensions with these (ultrametric) distances: rows of a matrix that gives the tree.
    centre = np.eye(20) - 1 / 20
    values, vectors = np.linalg.eigh(-centre @ distance**2 @ centre / 2)
    rows = vectors * np.sqrt(np.clip(values, 0, None))
    found = tree_verdicts(similarity_tree(rows, names))
    assert len(found) == 19
    assert all(verdict.reproduced for verdict in found)
    rows[names.index("autoencoder")] *= 3
    assert not all(verdict.reproduced for verdict in tree_verdicts(similarity_tree(rows, names)))


def test_precision_verdicts_leave_other_probes_and_rankings_aside():
    assert precision_verdicts({"grad_input": [1] * 6}, "rooms") == []
    found = precision_verdicts({"rsa": [15, 32, 46, 59, 66], "mine": [1] * 6}, "taskonomy")
    assert [verdict.reproduced for verdict in found] == [True] * 5


def test_intervals_against_scoring_each_resample(truth):
    random = np.random.default_rng(0)
    matrices = random.normal(size=(60, 20, 20))
    found = score_intervals(matrices, task_names(), truth)
    each = [score(matrix, task_names(), truth) for matrix in matrices]
    precision = np.array([one.precision for one in each])
    np.testing.assert_allclose(found.precision, np.percentile(precision, [2.5, 97.5], axis=0))
    means = []
    for matrix in matrices:
        rows = []
        for index, target in enumerate(truth.targets):
            at = [c for c, source in enumerate(truth.sources) if source != target]
            rows.append(
                spearmanr(matrix[truth.sources.index(target), at], truth.affinity[index, at]).statistic
            )
        means.append(np.mean(rows))
    np.testing.assert_allclose(found.spearman, np.percentile(means, [2.5, 97.5]))


def test_resamples_draw_as_many_images_as_there_are():
    drawn = resamples(50, 300, seed=1)
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn.mean() == pytest.approx(1.0)
    assert (drawn == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.02)
    assert interval([np.nan, *range(101)]) == pytest.approx((2.5, 97.5))
    assert all(np.isnan(interval([np.nan])))
