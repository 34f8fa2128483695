"""Agreement of two affinity matrices: correlation of their entries off the diagonal, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfattr.affinity import both_directions


def pairs_of(matrices: np.ndarray) -> np.ndarray:
    """The entries above the diagonal, mean of both directions: ``[..., M, M]`` to ``[..., M (M - 1) / 2]``."""
    rows, columns = np.triu_indices(matrices.shape[-1], 1)
    return both_directions(matrices)[..., rows, columns]


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation along the last axis, over entries that both have: ``[..., P]`` twice to ``[...]``."""
    known = np.isfinite(left) & np.isfinite(right)
    count = known.sum(axis=-1, keepdims=True)
    left, right = np.where(known, left, 0.0), np.where(known, right, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(known, left - left.sum(axis=-1, keepdims=True) / count, 0.0)
        right = np.where(known, right - right.sum(axis=-1, keepdims=True) / count, 0.0)
        scale = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
        return (left * right).sum(axis=-1) / scale


def matrix_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation of two affinities ``[..., M, M]`` over pairs of models."""
    return correlate(pairs_of(left), pairs_of(right))


def cophenetic_correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Correlation of two trees' cophenetic distances ``[R, R]``, leaves in the same order (Sokal and Rohlf 1962)."""
    return float(matrix_correlation(left, right))


def common(first: Sequence[str], *others: Sequence[str]) -> list[str]:
    """Names that all have, in the order of the first."""
    return [name for name in first if all(name in other for other in others)]
