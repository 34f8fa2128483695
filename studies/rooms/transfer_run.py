"""One source of the measured transfer: its codes, its twenty readouts, their test losses."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from studies.rooms.inputs import network_input
from studies.rooms.tasks import TASK_NAMES, TASKS
from studies.rooms.train_graph import Statistics
from studies.rooms.train_plan import ENTRIES
from studies.rooms.transfer_codes import RANDOM, codes, view
from studies.rooms.transfer_readout import Budget, build, coarse_labels, fit, view_of

#: Before a target's name: its own encoder, trained from scratch with its readout.
SCRATCH = "scratch-"

__all__ = ["Splits", "run_source", "RANDOM", "SCRATCH"]


@dataclass(frozen=True)
class Splits:
    """Pictures uint8 [N, 64, 64, 3] and coarse labels by task of the training and the test split."""

    train_rgb: np.ndarray
    train_labels: dict[str, np.ndarray]
    test_rgb: np.ndarray
    test_labels: dict[str, np.ndarray]

    @staticmethod
    def of(training: dict[str, np.ndarray], test: dict[str, np.ndarray], limit: int) -> Splits:
        """From the dataset's arrays (``rgb`` and a label array a task); at most ``limit`` training pictures."""

        def labels(arrays, count):
            return {name: coarse_labels(name, arrays[name][:count]) for name in TASK_NAMES}

        return Splits(training["rgb"][:limit], labels(training, limit), test["rgb"], labels(test, None))


def standardised(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes [N, 16, 16, 8] centred and scaled per channel by the training codes (a dead channel stays 0)."""
    centre = training.mean(axis=(0, 1, 2))
    spread = training.std(axis=(0, 1, 2))
    spread = np.where(spread > 1e-6, spread, 1.0)
    return (training - centre) / spread, (test - centre) / spread


def run_source(
    source: str, seed: int, splits: Splits, zoo: Path, budget: Budget | None = None
) -> tuple[np.ndarray, float]:
    """Test losses of a source's readouts, float32 [20 targets, N], and the seconds taken.

    source: a name of the plan, ``random``, or ``scratch-<target>`` (that target alone, [1, N], with its own
    untrained encoder, trained with its readout). seed: initial weights and data order, the same for every
    source.
    """
    budget = budget or Budget()
    started = time.perf_counter()
    statistics = {
        name: None if ENTRIES[name].loss == "softmax" else Statistics.of(splits.train_labels[name])
        for name in TASK_NAMES
    }
    if source.startswith(SCRATCH):
        losses = _scratch(source[len(SCRATCH) :], seed, splits, budget, statistics)
    else:
        losses = _frozen(source, seed, splits, zoo, budget, statistics)
    return losses, time.perf_counter() - started


def _frozen(source, seed, splits, zoo, budget, statistics) -> np.ndarray:
    kinds = sorted({view_of(name) for name in TASK_NAMES})
    pictures = [view(splits.train_rgb, kind, seed=0) for kind in kinds]
    pictures += [view(splits.test_rgb, kind, seed=1) for kind in kinds]
    found = codes(source, zoo, pictures)
    pairs = [standardised(a, b) for a, b in zip(found[: len(kinds)], found[len(kinds) :])]
    train_inputs = {kind: pair[0] for kind, pair in zip(kinds, pairs)}
    test_inputs = {kind: pair[1] for kind, pair in zip(kinds, pairs)}
    with tf.Graph().as_default():
        readouts = build(list(TASK_NAMES), statistics, seed, budget)
        return fit(
            readouts, budget, seed, (train_inputs, splits.train_labels), (test_inputs, splits.test_labels)
        )


def _scratch(target, seed, splits, budget, statistics) -> np.ndarray:
    kind = TASKS[target].input

    def inputs(rgb: np.ndarray, number: int) -> dict[str, np.ndarray]:
        pictures = view(rgb, view_of(target), seed=number)
        return {"pictures": network_input(pictures, "low_sat" if kind == "noisy" else kind)}

    training = inputs(splits.train_rgb, 0), {target: splits.train_labels[target]}
    test = inputs(splits.test_rgb, 1), {target: splits.test_labels[target]}
    with tf.Graph().as_default():
        return fit(build([target], statistics, seed, budget, scratch=target), budget, seed, training, test)
