"""One affinity matrix judged by one truth: precision and recall at K as the paper counts them, rank correlation, chance,
intervals by bootstrap over probe images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import hypergeom, kendalltau, rankdata, spearmanr

from tfattr.errors import SettingsError
from tfattr.evaluation.truth import Truth

RELEVANT = 5  # the paper's: the five best true sources
LEVEL = 0.95


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


@dataclass(frozen=True)
class Scores:
    """How well an affinity matrix agrees with measured transfer.

    Attributes:
        hits: int64 ``[C]``, relevant sources among the first K = 1 .. C, over all targets.
        precision, recall: float64 ``[C]``.
        targets, relevant, candidates: sizes of the comparison.
        sources: names of the candidates.
        spearman, kendall: rank correlation of each target's sources with the truth, float64 ``[T]``.
    """

    hits: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    targets: int
    relevant: int
    candidates: int
    spearman: np.ndarray
    kendall: np.ndarray
    sources: tuple[str, ...]
    _matrix: np.ndarray
    _rows: np.ndarray
    _relevant: np.ndarray

    def chance(self, k: int) -> float:
        """p-value of the hits at K against random rankings (exact)."""
        return chance_p_value(int(self.hits[k - 1]), k, self.targets, self.relevant, self.candidates)

    def relabelling(self, k: int, draws: int = 2000, seed: int = 0) -> float:
        """p-value of the hits at K against shuffled names of the models."""
        return relabelling_p_value(self._matrix, self._rows, self._relevant, k, draws, seed)


def choose_k(truth: Truth, k: int | None = None) -> int:
    """How many of a target's best true sources are relevant, and the K of P@K.

    Args:
        truth: measured transfer.
        k: what was asked for; None takes the paper's 5, or half of the candidates where there are 5 or fewer.

    Raises:
        SettingsError: fewer than two candidates a target, or not more candidates than ``k``.
    """
    if k is not None and k < 1:
        raise SettingsError(f"k is {k}; expected a positive number of relevant sources")
    candidates = len(truth.sources) - 1
    chosen = k or (RELEVANT if candidates > RELEVANT else max(candidates // 2, 1))
    if candidates <= chosen:
        raise SettingsError(
            f"{candidates} candidates a target are too few to look for the {chosen} best; expected more"
            + (", or a smaller --k" if chosen > 1 else " models in the run")
        )
    return chosen


def score(matrix: np.ndarray, models: Sequence[str], truth: Truth, relevant: int | None = None) -> Scores:
    """Judge an affinity matrix ``[M, M]`` (row: target) of ``models`` by ``truth``.

    Models that the truth does not know as sources are left out; for ``relevant`` see :func:`choose_k`.

    Raises:
        SettingsError: a source of the truth is not among the models, or fewer candidates than relevant.
    """
    columns, rows, candidates = _places(models, truth)
    relevant = choose_k(truth, relevant)
    square = np.asarray(matrix, np.float64)[np.ix_(columns, columns)]
    chosen = truth.relevant(relevant)
    hits = hits_at_k(square[rows], chosen, candidates)
    pairs = [(square[row][mask], true[mask]) for row, mask, true in zip(rows, candidates, truth.affinity)]
    return Scores(
        hits=hits,
        precision=hits / (np.arange(1, len(hits) + 1) * len(rows)),
        recall=hits / chosen.sum(),
        targets=len(rows),
        relevant=relevant,
        candidates=len(columns) - 1,
        spearman=np.array([_correlation(spearmanr, a, b) for a, b in pairs]),
        kendall=np.array([_correlation(kendalltau, a, b) for a, b in pairs]),
        sources=truth.sources,
        _matrix=square,
        _rows=rows,
        _relevant=chosen,
    )


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
    """Bootstrap draws of images as multiplicities: int64 ``[draws, images]``, each row sums to ``images``.

    Raises SettingsError unless ``draws`` is a whole number, 0 or more.
    """
    if isinstance(draws, bool) or not isinstance(draws, Integral) or draws < 0:
        raise SettingsError(f"draws is {draws!r}; expected a whole number of resamples, 0 for none.")
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
    columns, rows, candidates = _places(models, truth)
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


def _places(models: Sequence[str], truth: Truth) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The sources among the models, the targets among the sources, and bool ``[T, S]``: who is a candidate of whom."""
    models = list(models)
    lacking = [source for source in truth.sources if source not in models]
    if lacking:
        raise SettingsError(f"the affinity has no model {lacking[0]!r}, which the truth names as a source")
    rows = np.array([truth.sources.index(target) for target in truth.targets])
    candidates = np.arange(len(truth.sources))[None] != rows[:, None]
    return [models.index(source) for source in truth.sources], rows, candidates


def _correlation(measure: Callable[..., Any], own: np.ndarray, theirs: np.ndarray) -> float:
    """Rank correlation over what is defined in both; NaN where one of them does not vary."""
    known = np.isfinite(own) & np.isfinite(theirs)
    own, theirs = own[known], theirs[known]
    if len(own) < 2 or np.ptp(own) == 0 or np.ptp(theirs) == 0:
        return float("nan")
    return float(measure(own, theirs).statistic)


def _standard(ranks: np.ndarray) -> np.ndarray:
    """Rows to mean 0 and standard deviation 1, so that a mean product is a correlation."""
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / centred.std(axis=1, keepdims=True)
