"""The score that later papers report on Taskonomy: mean Spearman correlation over 17 target tasks.

Their protocol (duality diagram similarity, ECCV 2020; ModelGiF, ICCV 2023): 17 tasks are both sources and targets
(Taskonomy's encoders without colorization, class_places and inpainting_whole); for each target the Spearman correlation
of its column in the measure's matrix with its column in the measured transfer, **the target's transfer to itself
included**; the mean over the 17. Measured transfer is ``results/affinities/all_affinities.pkl`` or
``results/winrates/wins_vs_pixels_16k.pkl`` of StanfordVL/taskonomy. (The paper reproduced here ranks by
``all_affinities_16k.pkl``.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import spearmanr

from tfattr.errors import SettingsError
from tfattr.evaluation.truth import Truth, read_transfers, truth_of_pairs

TASKS_17: tuple[str, ...] = (
    "autoencoder", "curvature", "denoise", "edge2d", "edge3d", "keypoint2d", "keypoint3d", "reshade", "rgb2depth",
    "rgb2mist", "rgb2sfnorm", "room_layout", "segment25d", "segment2d", "vanishing_point", "segmentsemantic",
    "class_1000",
)  # fmt: skip


def spearman_per_target(
    matrix: np.ndarray,
    models: Sequence[str],
    truth: Truth,
    tasks: Sequence[str] = TASKS_17,
    include_self: bool = True,
) -> dict[str, float]:
    """Spearman correlation of each task's sources with measured transfer, as the literature counts it.

    Args:
        matrix: affinity ``[M, M]`` (row: target), higher is more alike.
        models: names of its rows and columns.
        truth: measured transfer among at least these tasks.
        tasks: targets and sources alike.
        include_self: the target is one of its own sources, as in the literature, which raises the mean (ModelGiF's
            matrix: .835 with, .804 without). Where the truth does not hold the transfer to itself (NaN), the target is
            taken as its own best source; in Taskonomy's files that is so for 15 of the 17.

    Returns:
        target to correlation; NaN where the matrix says nothing of a pair or does not vary.

    Raises:
        SettingsError: a task is not among the models, or not a target and source of the truth.
    """
    models = list(models)
    for task in tasks:
        if task not in models or task not in truth.targets or task not in truth.sources:
            place = "the affinity" if task not in models else "the measured transfer"
            raise SettingsError(
                f"{place} lacks the task {task}; expected all of {', '.join(tasks)} as sources and targets"
            )
    rows = [models.index(task) for task in tasks]
    found = np.asarray(matrix, np.float64)[np.ix_(rows, rows)]
    measured = truth.affinity[
        np.ix_([truth.targets.index(task) for task in tasks], [truth.sources.index(task) for task in tasks])
    ]
    values = {}
    for index, task in enumerate(tasks):
        own, theirs = found[index], measured[index].copy()
        if include_self and np.isnan(theirs[index]):
            theirs[index] = np.inf
        elif not include_self:
            own, theirs = np.delete(own, index), np.delete(theirs, index)
        constant = np.isnan(own).any() or own.max() == own.min()
        values[task] = float("nan") if constant else float(spearmanr(own, theirs).statistic)
    return values


def mean_spearman(
    matrix: np.ndarray,
    models: Sequence[str],
    truth: Truth,
    tasks: Sequence[str] = TASKS_17,
    include_self: bool = True,
) -> float:
    """Mean of :func:`spearman_per_target` over the tasks; NaN if one of them is."""
    return float(np.mean(list(spearman_per_target(matrix, models, truth, tasks, include_self).values())))


def read_transfer(
    path: str | os.PathLike[str], column: str = "affinity", tasks: Sequence[str] = TASKS_17
) -> Truth:
    """Measured transfer among ``tasks`` from a CSV with ``target``, ``source`` and ``column`` (higher is better).

    Unlike :func:`tfattr.evaluation.read_truth` it keeps a target's transfer to itself where the file has it: for
    :func:`spearman_per_target` only, no ranking of sources.

    Args:
        path: the file.
        column: ``affinity`` or ``win_rate``.
        tasks: targets and sources.

    Raises:
        SettingsError: the file cannot be read, lacks a column or a pair, or holds no number where one is expected.
    """
    return truth_of_pairs(read_transfers(path, column), tasks, tasks, path)


def literature_scores(
    path: str | os.PathLike[str], models: Sequence[str]
) -> Callable[[np.ndarray], dict[str, float | None]] | None:
    """Gives :func:`mean_spearman` of a matrix of ``models`` by ``affinity``, and by ``win_rate`` where the file has it.

    None where the file or the models are of other tasks than Taskonomy's.
    """
    truths = {}
    for column in ("affinity", "win_rate"):
        try:
            truth = read_transfer(path, column)
            mean_spearman(np.eye(len(models)), models, truth)
            truths[column] = truth
        except SettingsError:
            continue

    def scores(matrix: np.ndarray) -> dict[str, float | None]:
        found = {name: mean_spearman(matrix, models, truth) for name, truth in truths.items()}
        return {name: value if np.isfinite(value) else None for name, value in found.items()}

    return scores if truths else None
