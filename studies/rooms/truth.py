"""The measured transfer of the rooms zoo, read from ``transfer.csv``: the truth that maps are judged by."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.rooms.tasks import TASK_NAMES
from tfattr.errors import SettingsError


def read_transfer(
    path: str | Path, column: str = "affinity", tasks: Sequence[str] = TASK_NAMES
) -> np.ndarray:
    """One column of ``transfer.csv`` as a matrix, float64 [target, source] in the order of ``tasks``.

    column: ``affinity`` (ordinal AHP, higher is better), ``test_loss``, ``win_rate`` or ``gain``. Raises
    SettingsError naming the file if it, the column or a pair is missing.
    """
    path = Path(path)
    if not path.exists():
        raise SettingsError(
            f"{path} is missing; run python -m studies.rooms.transfer to measure the transfers."
        )
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or column not in rows[0]:
        raise SettingsError(
            f"{path} has no column {column!r}; found {', '.join(rows[0]) if rows else 'nothing'}."
        )
    values = {(row["target"], row["source"]): row[column] for row in rows}
    missing = [(t, s) for t in tasks for s in tasks if not values.get((t, s))]
    if missing:
        raise SettingsError(
            f"{path} lacks {len(missing)} of {len(tasks) ** 2} transfers, the first {missing[0][1]} to {missing[0][0]}; "
            "run python -m studies.rooms.transfer to the end."
        )
    return np.array([[float(values[t, s]) for s in tasks] for t in tasks])


def ranking(affinity: np.ndarray) -> np.ndarray:
    """Sources of each target from best to worst, int64 [T, T]; column 0 is the target itself.

    affinity: [target, source], higher is better, tasks in one order on both axes. The layout is that of
    the authors' ``sort_gt.npy``.
    """
    order = np.asarray(affinity, np.float64).copy()
    np.fill_diagonal(order, np.inf)
    return np.argsort(-order, axis=1, kind="stable")
