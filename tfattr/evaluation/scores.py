"""One affinity matrix judged by one truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from tfattr.errors import SettingsError
from tfattr.evaluation.hits import chance_p_value, hits_at_k, relabelling_p_value
from tfattr.evaluation.truth import Truth

RELEVANT = 5  # the paper's: the five best true sources


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
    models = list(models)
    lacking = [source for source in truth.sources if source not in models]
    if lacking:
        raise SettingsError(f"the affinity has no model {lacking[0]!r}, which the truth names as a source")
    relevant = choose_k(truth, relevant)
    columns = [models.index(source) for source in truth.sources]
    square = np.asarray(matrix, np.float64)[np.ix_(columns, columns)]
    rows = np.array([truth.sources.index(target) for target in truth.targets])
    candidates = np.arange(len(columns))[None] != rows[:, None]
    chosen = truth.relevant(relevant)
    hits = hits_at_k(square[rows], chosen, candidates)
    ks = np.arange(1, len(hits) + 1)
    pairs = [
        (square[row][mask], truth.affinity[index][mask])
        for index, (row, mask) in enumerate(zip(rows, candidates))
    ]
    return Scores(
        hits=hits,
        precision=hits / (ks * len(rows)),
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


def _correlation(measure: Callable[..., Any], own: np.ndarray, theirs: np.ndarray) -> float:
    """Rank correlation over what is defined in both; NaN where one of them does not vary."""
    known = np.isfinite(own) & np.isfinite(theirs)
    own, theirs = own[known], theirs[known]
    if len(own) < 2 or np.ptp(own) == 0 or np.ptp(theirs) == 0:
        return float("nan")
    return float(measure(own, theirs).statistic)
