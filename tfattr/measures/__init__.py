"""Measures of tfattr's own, from representations: no labels, no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from tfattr.baselines.registry import Baseline, register
from tfattr.measures.predictivity import Predictivity, predictivity

__all__ = ["Predictivity", "mean_rank", "predictivity"]

register(Baseline("predictivity", predictivity, kind="own", given={"grids": "grids"}))


def mean_rank(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over matrices ``[..., M, M]`` of each row's ranks off the diagonal (1 the lowest), over M; diagonal 1.

    Ties get their mean rank; NaN where a matrix has it. No measure's scale counts, only its order.
    """
    total = 0.0
    for matrix in matrices:
        own = np.eye(matrix.shape[-1], dtype=bool)
        ranked = rankdata(np.where(own, -np.inf, matrix), axis=-1, nan_policy="omit")
        total = total + np.where(np.isnan(matrix) & ~own, np.nan, ranked - 1)
    mean = total / (len(matrices) * matrices[0].shape[-1])
    return np.where(np.eye(mean.shape[-1], dtype=bool), 1.0, mean)
