"""The measured transfer: ordinal normalisation in closed form, readouts on codes whose content is known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from studies.rooms import truth
from studies.rooms.tasks import TASK_NAMES, TASKS
from studies.rooms.train_graph import Statistics
from studies.rooms.train_report import write_csv
from studies.rooms.transfer import RANDOM, SCRATCH, losses_path, read_losses, table, write_table
from studies.rooms.transfer_ahp import affinities, principal_eigenvector, ratio_matrix, win_rates
from studies.rooms.transfer_codes import codes, view
from studies.rooms.transfer_readout import Budget, build, coarse_labels, fit
from studies.rooms.transfer_run import Splits, run_source, standardised
from tfattr.errors import ModelFileError, SettingsError
from tfattr.evaluation import Truth


def test_a_consistent_ratio_matrix_gives_back_its_weights():
    weights = np.array([0.5, 0.2, 0.2, 0.07, 0.03])
    np.testing.assert_allclose(
        principal_eigenvector(weights[:, None] / weights[None, :]), weights, rtol=1e-10
    )


def test_two_sources_have_a_closed_form():
    # wins 3 of 4 images: ratio 3, eigenvector of [[1, 3], [1/3, 1]] is (3, 1) / 4
    losses = np.array([[1.0, 1.0, 1.0, 5.0], [2.0, 2.0, 2.0, 2.0]])
    np.testing.assert_allclose(affinities(losses), [0.75, 0.25], rtol=1e-12)
    # never beaten: the clip bounds the ratio at 999
    np.testing.assert_allclose(affinities(losses[:, :3]), [0.999, 0.001], rtol=1e-9)


def test_win_rates_against_a_loop():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 4, (5, 40)).astype(float)  # with ties
    wins = win_rates(losses)
    for i in range(5):
        for j in range(5):
            each = [1.0 if a < b else 0.5 if a == b else 0.0 for a, b in zip(losses[i], losses[j])]
            assert wins[i, j] == pytest.approx(np.mean(each))
    np.testing.assert_allclose(wins + wins.T, 1.0)
    np.testing.assert_allclose(np.diag(ratio_matrix(wins)), 1.0)
    with pytest.raises(SettingsError, match="finite"):
        win_rates(np.array([[1.0, np.nan]]))


def test_affinity_does_not_depend_on_the_order_of_sources():
    losses = np.random.default_rng(1).random((6, 30))
    order = np.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(affinities(losses)[order], affinities(losses[order]), rtol=1e-9)


def test_coarse_labels_average_maps_and_sample_ids():
    maps = np.random.default_rng(2).random((2, 64, 64, 2), dtype=np.float32)
    coarse = coarse_labels("curvature", maps)
    assert coarse[1, 3, 5, 1] == pytest.approx(maps[1, 6:8, 10:12, 1].mean(), rel=1e-6)
    ids = np.arange(64 * 64).reshape(1, 64, 64)
    assert coarse_labels("segmentsemantic", ids)[0, 2, 3] == ids[0, 4, 6]
    classes = np.array([1, 2])
    assert coarse_labels("class_places", classes) is classes


def test_views():
    rgb = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    grey = view(rgb, "grey", 0)
    assert (grey[..., 0] == grey[..., 2]).all()
    hole = view(rgb, "hole", 0)
    assert (hole[:, 16:48, 16:48] == 128).all()
    np.testing.assert_array_equal(hole[:, :16], rgb[:, :16])
    noise = view(np.full((2, 64, 64, 3), 128, np.uint8), "noisy", 0).astype(float) - 128
    assert noise.std() == pytest.approx(0.12 * 255, rel=0.05)
    np.testing.assert_array_equal(view(rgb, "noisy", 7), view(rgb, "noisy", 7))
    assert view(rgb, "clean", 0) is rgb


def test_standardised_codes():
    rng = np.random.default_rng(4)
    training, test = (rng.gamma(2.0, size=(20, 16, 16, 8)) * np.arange(8) for _ in range(2))
    a, b = standardised(training, test)
    np.testing.assert_allclose(a[..., 1:].mean((0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(a[..., 1:].std((0, 1, 2)), 1, rtol=1e-9)
    assert (a[..., 0] == 0).all()
    assert np.isfinite(b).all()


def _readout_losses(targets, inputs, labels, steps, seed=0):
    statistics = {
        t: Statistics.of(labels[t]) if TASKS[t].kind in ("dense", "vector") else None for t in targets
    }
    budget = Budget(steps=steps, batch=8, rate=1e-2)
    with tf.Graph().as_default():
        readouts = build(targets, statistics, seed, budget)
        return fit(readouts, budget, seed, (inputs, labels), (inputs, labels))


def test_a_code_that_holds_the_label_beats_one_that_does_not():
    rng = np.random.default_rng(5)
    code = rng.standard_normal((16, 16, 16, 8)).astype(np.float32)
    depth = np.repeat(np.repeat(code[..., :1], 2, 1), 2, 2)
    labels = {"rgb2depth": depth}
    informed = _readout_losses(["rgb2depth"], {"clean": code}, labels, steps=60)
    blind = _readout_losses(["rgb2depth"], {"clean": code[::-1]}, labels, steps=60)
    assert informed.shape == (1, 16)
    assert informed.mean() < 0.5 * blind.mean()


def test_readouts_trained_together_do_not_touch_each_other():
    rng = np.random.default_rng(6)
    inputs = {"clean": rng.standard_normal((16, 16, 16, 8)).astype(np.float32)}
    labels = {
        "rgb2depth": rng.random((16, 32, 32, 1), dtype=np.float32),
        "vanishing_point": rng.random((16, 9), dtype=np.float32),
    }
    together = _readout_losses(["rgb2depth", "vanishing_point"], inputs, labels, steps=5)
    louder = {**labels, "vanishing_point": labels["vanishing_point"][::-1].copy()}
    again = _readout_losses(["rgb2depth", "vanishing_point"], inputs, louder, steps=5)
    np.testing.assert_allclose(again[0], together[0], rtol=1e-5)
    assert not np.allclose(again[1], together[1], rtol=1e-3)


def _made_up(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {"rgb": rng.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8)}
    for spec in TASKS.values():
        if spec.kind == "dense":
            arrays[spec.name] = rng.random((count, 64, 64, spec.channels), dtype=np.float32)
        elif spec.kind == "vector":
            arrays[spec.name] = rng.standard_normal((count, spec.channels)).astype(np.float32)
        else:
            shape = (count, 64, 64) if spec.kind == "segmentation" else (count,)
            arrays[spec.name] = rng.integers(0, spec.channels, shape).astype(np.int32)
    return arrays


@pytest.mark.slow
def test_one_source_end_to_end_and_the_table(tmp_path):
    splits = Splits.of(_made_up(10, 0), _made_up(6, 1), limit=8)
    assert len(splits.train_rgb) == len(splits.train_labels["reshade"]) == 8
    first, _ = run_source(RANDOM, 0, splits, tmp_path, Budget(steps=2, batch=4))
    second, _ = run_source(RANDOM, 0, splits, tmp_path, Budget(steps=2, batch=4))
    assert first.shape == (20, 6)
    np.testing.assert_array_equal(first, second)
    alone, _ = run_source("scratch-class_places", 0, splits, tmp_path, Budget(steps=2, batch=4))
    assert alone.shape == (1, 6)
    assert np.isfinite(alone).all()
    rng = np.random.default_rng(7)
    for source in (*TASK_NAMES, RANDOM, SCRATCH):
        for seed in (0, 1):
            noise = first * rng.uniform(0.5, 1.5, first.shape)
            for target, row in zip(TASK_NAMES, noise):
                if source == SCRATCH:
                    np.savez(losses_path(tmp_path, f"{SCRATCH}-{target}", seed), losses=row[None])
            if source != SCRATCH:
                np.savez(losses_path(tmp_path, source, seed), losses=noise)
    assert write_table(tmp_path, tmp_path / "transfer.csv", (*TASK_NAMES, RANDOM, SCRATCH), (0, 1)) == 22
    affinity = truth.read_transfer(tmp_path / "transfer.csv")
    losses = read_losses(tmp_path, (*TASK_NAMES, RANDOM), (0, 1))
    row = np.stack([np.concatenate([losses[s][k][3] for k in (0, 1)]) for s in (*TASK_NAMES, RANDOM)])
    np.testing.assert_allclose(affinity[3], affinities(row)[:20], rtol=1e-6)
    mean = truth.read_transfer(tmp_path / "transfer.csv", "test_loss")
    assert mean[3, 5] == pytest.approx(row[5].mean(), rel=1e-5)
    gain = truth.read_transfer(tmp_path / "transfer.csv", "gain")
    assert gain[3, 5] == pytest.approx(1 - row[5].mean() / row[20].mean(), abs=1e-4)
    scratch = [
        r
        for r in table(read_losses(tmp_path, (*TASK_NAMES, RANDOM, SCRATCH), (0, 1)))
        if r["source"] == SCRATCH
    ]
    assert {r["affinity"] for r in scratch} == {""}


def test_a_missing_encoder_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="edge2d.*studies.rooms.train"):
        codes("edge2d", tmp_path, [])


def test_truth_names_what_is_missing(tmp_path):
    with pytest.raises(SettingsError, match="transfer.csv is missing"):
        truth.read_transfer(tmp_path / "transfer.csv")
    write_csv(
        tmp_path / "t.csv",
        ["target", "source", "affinity"],
        [{"target": "a", "source": "a", "affinity": "1"}],
    )
    with pytest.raises(SettingsError, match="column 'gain' is missing"):
        truth.read_transfer(tmp_path / "t.csv", "gain")
    with pytest.raises(SettingsError, match="lacks 3 of 4 transfers, the first b to a"):
        truth.read_transfer(tmp_path / "t.csv", tasks=("a", "b"))


def test_ranking_puts_the_target_first_then_the_best():
    measured = np.array([[0.1, 0.5, 0.4], [0.2, 0.1, 0.7], [0.6, 0.3, 0.1]])
    order = Truth(tuple("abc"), tuple("abc"), measured).ranking()
    np.testing.assert_array_equal(order, [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
