"""Which source models suit a target best."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from tfattr.errors import SettingsError


def rank(
    A: np.ndarray, target: str | int, models: Sequence[str] | None = None
) -> list[tuple[str, float]] | list[tuple[int, float]]:
    """Ranks the models by their affinity to ``target``, best first, the target itself left out.

    Ties keep the order of ``models``; undefined affinities (NaN) come last, in that order too. (The authors'
    ``plot.py`` drops the first of the sorted row instead, which is the target only if no other ties with it.)

    Args:
        A: affinity, ``[M, M]``.
        target: one of ``models``, or a row number where no names are given.
        models: names of rows and columns; row numbers stand for them if None.

    Raises:
        SettingsError: an unknown target (with the nearest names), or names that do not fit the matrix.
    """
    A = np.asarray(A, dtype=np.float64)
    if models is None:
        if A.ndim != 2 or A.shape[0] != A.shape[1] or target not in range(len(A)):
            raise SettingsError(
                f"the affinity has shape {A.shape}; row {target!r} of a square one was asked for"
            )
        numbers = [str(row) for row in range(len(A))]
        return [(int(name), value) for name, value in rank(A, str(int(target)), numbers)]
    models = list(models)
    if A.shape != (len(models), len(models)) or len(set(models)) != len(models):
        raise SettingsError(
            f"the affinity has shape {A.shape}, expected square with {len(models)} unique names"
        )
    if not isinstance(target, str) or target not in models:
        near = difflib.get_close_matches(str(target), models, n=3, cutoff=0.4) or models[:3]
        raise SettingsError(f"no model is named {target!r}; did you mean {', '.join(near)}?")
    row = A[models.index(target)]
    order = np.argsort(np.where(np.isnan(row), np.inf, -row), kind="stable")
    return [(models[column], float(row[column])) for column in order if models[column] != target]
