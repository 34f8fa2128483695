"""Intervals by bootstrap over probe images: the same scores, for many resampled affinity matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tfattr.evaluation.hits import hits_at_k
from tfattr.evaluation.scores import choose_k
from tfattr.evaluation.truth import Truth

LEVEL = 0.95


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals (95 %) of the scores.

    Attributes:
        precision: float64 ``[2, C]``, lower and upper ends at K = 1 .. C.
        spearman: float64 ``[2]``, of the mean over targets.
        draws: how many resamples they are from.
        means: the mean Spearman correlation of each resample, float64 ``[draws]``: rankings on the same resamples can
            be compared draw by draw.
    """

    precision: np.ndarray
    spearman: np.ndarray
    draws: int
    means: np.ndarray


def resamples(images: int, draws: int, seed: int = 0) -> np.ndarray:
    """Bootstrap draws of images as multiplicities: int64 ``[draws, images]``, each row sums to ``images``."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=draws)


def interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of resampled values, NaN left out; (NaN, NaN) if nothing is left."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def score_intervals(
    matrices: Iterable[np.ndarray], models: Sequence[str], truth: Truth, relevant: int | None = None
) -> Intervals:
    """Intervals of precision at K and of the mean Spearman correlation from resampled affinities ``[M, M]``."""
    models = list(models)
    columns = np.array([models.index(source) for source in truth.sources])
    rows = np.array([truth.sources.index(target) for target in truth.targets])
    candidates = np.arange(len(columns))[None] != rows[:, None]
    chosen = truth.relevant(choose_k(truth, relevant))
    shape = (len(rows), len(columns) - 1)
    ranks = _standard(rankdata(truth.affinity[candidates].reshape(shape), axis=1))
    precision, spearman = [], []
    for matrix in matrices:
        scores = np.asarray(matrix, np.float64)[np.ix_(columns, columns)][rows]
        hits = hits_at_k(scores, chosen, candidates)
        precision.append(hits / (np.arange(1, len(hits) + 1) * len(rows)))
        own = _standard(rankdata(scores[candidates].reshape(shape), axis=1))
        values = (own * ranks).mean(axis=1)
        values = values[np.isfinite(values)]  # a row of ties has no rank correlation
        spearman.append(values.mean() if values.size else np.nan)
    ends = np.percentile(precision, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    return Intervals(ends, np.array(interval(spearman)), len(precision), np.array(spearman))


def _standard(ranks: np.ndarray) -> np.ndarray:
    """Rows to mean 0 and standard deviation 1, so that a mean product is a correlation."""
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / centred.std(axis=1, keepdims=True)
