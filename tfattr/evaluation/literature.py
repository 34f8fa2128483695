"""The score that later papers report on Taskonomy: mean Spearman correlation over 17 target tasks.

Their protocol (duality diagram similarity, ECCV 2020; ModelGiF, ICCV 2023): 17 tasks are both sources and targets
(Taskonomy's encoders without colorization, class_places and inpainting_whole); for each target the Spearman correlation
of its column in the measure's matrix with its column in the measured transfer, **the target's transfer to itself
included**; the mean over the 17. Measured transfer is ``results/affinities/all_affinities.pkl`` or
``results/winrates/wins_vs_pixels_16k.pkl`` of StanfordVL/taskonomy. (The paper reproduced here ranks by
``all_affinities_16k.pkl``.)
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from tfattr.errors import SettingsError
from tfattr.evaluation.truth import Truth

TASKS_17: tuple[str, ...] = (
    "autoencoder",
    "curvature",
    "denoise",
    "edge2d",
    "edge3d",
    "keypoint2d",
    "keypoint3d",
    "reshade",
    "rgb2depth",
    "rgb2mist",
    "rgb2sfnorm",
    "room_layout",
    "segment25d",
    "segment2d",
    "vanishing_point",
    "segmentsemantic",
    "class_1000",
)


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
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
    except OSError as error:
        raise SettingsError(
            f"{path}: the measured transfer cannot be read ({error.strerror}); check the path."
        ) from error
    lacking = [name for name in ("target", "source", column) if not lines or name not in lines[0]]
    if lacking:
        raise SettingsError(
            f"{path}: the column {lacking[0]!r} is missing; expected a CSV with target, source, {column}."
        )
    try:
        values = {(line["target"], line["source"]): float(line[column]) for line in lines if line[column]}
    except ValueError as error:
        raise SettingsError(f"{path}: the column {column} holds no number ({error}).") from error
    for target in tasks:
        for source in tasks:
            if source != target and (target, source) not in values:
                raise SettingsError(f"{path}: the transfer from {source} to {target} is missing.")
    square = [[values.get((target, source), np.nan) for source in tasks] for target in tasks]
    return Truth(tuple(tasks), tuple(tasks), np.array(square, np.float64))
