"""Precision and recall at K as the paper counts them, and what chance would give."""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom


def hits_at_k(scores: np.ndarray, relevant: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """How many of the first K sources are relevant, summed over targets.

    Args:
        scores: float ``[T, S]``: affinity of each source to each target; NaN ranks last, ties keep the
            order of the sources.
        relevant: bool ``[T, S]``.
        candidates: bool ``[T, S]``: False where a source does not stand for election (the target itself).

    Returns:
        int64 ``[C]``: hits for K = 1 .. C, C the number of candidates of a target. Precision at K is
        ``hits / (K T)``, recall ``hits / relevant.sum()``.

    Source: the authors' ``tools/plot.py``, which takes position 0 to be the target itself; here the target
    is left out by name.
    """
    count = int(candidates.sum(axis=1).min())
    keys = np.where(candidates & np.isfinite(scores), scores, -np.inf)
    # A candidate without a score ranks behind all others, but before what is no candidate at all.
    order = np.lexsort((-keys, ~candidates), axis=1)
    return np.take_along_axis(relevant, order, axis=1)[:, :count].cumsum(axis=1).sum(axis=0)


def random_precision(relevant: int, candidates: int) -> np.ndarray:
    """Expected precision of a random ranking, the same for every K: float64 ``[candidates]``."""
    return np.full(candidates, relevant / candidates)


def oracle_precision(relevant: int, candidates: int) -> np.ndarray:
    """Precision of the true ranking: 1 up to K = ``relevant``, then ``relevant / K``."""
    return np.minimum(1.0, relevant / np.arange(1, candidates + 1))


def chance_p_value(hits: int, k: int, targets: int, relevant: int, candidates: int) -> float:
    """Probability that random rankings, drawn for each target on its own, reach at least ``hits`` at K.

    Exact: the sum of ``targets`` independent hypergeometric counts.
    """
    single = hypergeom(candidates, relevant, k).pmf(np.arange(k + 1))
    total = np.ones(1)
    for _ in range(targets):
        total = np.convolve(total, single)
    return float(min(1.0, total[hits:].sum()))


def relabelling_p_value(
    matrix: np.ndarray, rows: np.ndarray, relevant: np.ndarray, k: int, draws: int = 2000, seed: int = 0
) -> float:
    """Share of relabelled affinity matrices that reach the hits at K of the given one.

    Models' names are shuffled over rows and columns alike, so that the matrix keeps its structure (blocks,
    hubs) and loses only its link with the truth: stricter than :func:`chance_p_value`.

    Args:
        matrix: affinity ``[S, S]`` in the order of the truth's sources.
        rows: index of each target among the sources, ``[T]``.
        relevant: bool ``[T, S]``.
        k: K.
        draws: shuffles; the given matrix counts as one more.
        seed: of the shuffles.
    """
    count = len(matrix)
    candidates = np.arange(count)[None] != rows[:, None]

    def hits(order: np.ndarray) -> int:
        return int(hits_at_k(matrix[np.ix_(order, order)][rows], relevant, candidates)[k - 1])

    own, random = hits(np.arange(count)), np.random.default_rng(seed)
    return (1 + sum(hits(random.permutation(count)) >= own for _ in range(draws))) / (draws + 1)
