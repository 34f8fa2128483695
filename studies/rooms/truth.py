"""The measured transfer of the rooms zoo, read from ``transfer.csv``: the truth that maps are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.rooms.tasks import TASK_NAMES
from tfattr.errors import SettingsError
from tfattr.evaluation.truth import read_transfers


def read_transfer(
    path: str | Path, column: str = "affinity", tasks: Sequence[str] = TASK_NAMES
) -> np.ndarray:
    """One column of ``transfer.csv`` as a matrix, float64 [target, source] in the order of ``tasks``.

    column: ``affinity`` (ordinal AHP, higher is better), ``test_loss``, ``win_rate`` or ``gain``. Raises
    SettingsError naming the file if it, the column or a pair is missing.
    """
    if not Path(path).exists():
        raise SettingsError(
            f"{path} is missing; run python -m studies.rooms.transfer to measure the transfers."
        )
    values = read_transfers(path, column)
    missing = [(t, s) for t in tasks for s in tasks if (t, s) not in values]
    if missing:
        raise SettingsError(
            f"{path} lacks {len(missing)} of {len(tasks) ** 2} transfers, the first {missing[0][1]} to {missing[0][0]}; "
            "run python -m studies.rooms.transfer to the end."
        )
    return np.array([[values[t, s] for s in tasks] for t in tasks])
