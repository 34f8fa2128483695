"""Multidimensional scaling: points in the plane whose distances are like given ones."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

_STEPS, _ENOUGH = 300, 1e-7  # majorisation steps at most; relative gain of stress that ends them


def classical_scaling(distances: np.ndarray) -> np.ndarray:
    """Torgerson's scaling of float ``[M, M]`` distances to float64 ``[M, 2]``: the two main axes.

    Each axis has its point farthest from the middle on the positive side, so that the result is one of a kind.
    """
    count = len(distances)
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ np.square(distances) @ centring)
    points = np.zeros((count, 2))
    wide = min(2, count)
    points[:, :wide] = (vectors * np.sqrt(np.clip(values, 0, None)))[:, ::-1][:, :wide]
    return _oriented(points)


def metric_scaling(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Metric scaling of float ``[M, M]`` distances to the plane, by majorisation from the classical one.

    Returns:
        float64 ``[M, 2]``, main axis first, and Kruskal's stress-1: the root of the squared errors' sum
        over that of the squared distances drawn; 0 is perfect.

    Source: de Leeuw 1977 (SMACOF) with equal weights, whose step is the Guttman transform.
    """
    points = classical_scaling(distances)
    count, before = len(points), np.inf
    wanted = squareform(distances, checks=False)
    for _ in range(_STEPS):
        error = float(np.square(wanted - pdist(points)).sum())
        if before - error <= _ENOUGH * error:
            break
        before = error
        drawn = squareform(pdist(points))
        ratio = np.divide(distances, drawn, out=np.zeros_like(drawn), where=drawn > 0)
        np.fill_diagonal(ratio, 0)
        points = (ratio.sum(axis=1, keepdims=True) * points - ratio @ points) / count
    points = points - points.mean(axis=0)
    points = _oriented(points @ np.linalg.svd(points, full_matrices=False)[2].T) if count > 1 else points
    drawn = pdist(points)
    total = float(np.square(drawn).sum())
    return points, float(np.sqrt(np.square(wanted - drawn).sum() / total)) if total else 0.0


def _oriented(points: np.ndarray) -> np.ndarray:
    farthest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    return points * np.where(farthest < 0, -1, 1)
