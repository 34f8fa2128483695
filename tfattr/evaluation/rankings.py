"""Everything that is said of several rankings against one truth: scores, intervals, chance, the literature's protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfattr.evaluation.intervals import Intervals, score_intervals
from tfattr.evaluation.scores import Scores, score
from tfattr.evaluation.truth import Truth

KINDS = ("maps", "own", "baseline", "control")


@dataclass(frozen=True)
class Ranking:
    """An affinity to be judged.

    Attributes:
        name: of the measure.
        kind: ``maps`` (attribution), ``own`` (a measure of tfattr's own), ``baseline`` or ``control``.
        matrix: affinity ``[M, M]``, row: target.
        resampled: gives the same affinity on bootstrap draws of the probe images, or None.
    """

    name: str
    kind: str
    matrix: np.ndarray
    resampled: Callable[[], Iterable[np.ndarray]] | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """A ranking with its scores, and intervals where it could be resampled."""

    ranking: Ranking
    scores: Scores
    intervals: Intervals | None
    literature: dict[str, float | None] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The row of ``evaluation.json``, P@K and R@K at K = ``scores.relevant``; what is not defined is None."""
        found, ends, k = self.scores, self.intervals, self.scores.relevant

        def at(k: int) -> list[float] | None:
            return None if ends is None else [float(end[k - 1]) for end in ends.precision]

        return {
            "ranking": self.ranking.name,
            "kind": self.ranking.kind,
            "P@1": float(found.precision[0]),
            f"P@{k}": float(found.precision[k - 1]),
            f"R@{k}": float(found.recall[k - 1]),
            "P@1_interval": at(1),
            f"P@{k}_interval": at(k),
            "p_chance": found.chance(k),
            "p_relabelling": found.relabelling(k),
            "spearman": _mean(found.spearman),
            "spearman_interval": None if ends is None else [_number(end) for end in ends.spearman],
            "kendall": _mean(found.kendall),
            "spearman_affinity_17": self.literature.get("affinity"),
            "spearman_win_rate_17": self.literature.get("win_rate"),
            "precision": [float(value) for value in found.precision],
            "recall": [float(value) for value in found.recall],
            "precision_interval": None if ends is None else ends.precision.tolist(),
            "hits": [int(value) for value in found.hits],
        }


def evaluate(
    rankings: Sequence[Ranking],
    models: Sequence[str],
    truth: Truth,
    literature: Callable[[np.ndarray], dict[str, float | None]] | None = None,
    progress: Callable[[int], Any] | None = None,
    k: int | None = None,
) -> list[EvaluationResult]:
    """Judge each ranking of ``models`` by ``truth``.

    Args:
        rankings: the affinities.
        models: names of their rows and columns.
        truth: measured transfer among (some of) them.
        literature: gives further scores of a matrix, by name.
        progress: called with 1 after each ranking.
        k: see :func:`tfattr.evaluation.scores.choose_k`.
    """
    judged = []
    for ranking in rankings:
        found = score(ranking.matrix, models, truth, k)
        ends = None
        if ranking.resampled is not None:
            ends = score_intervals(ranking.resampled(), models, truth, found.relevant)
        judged.append(
            EvaluationResult(ranking, found, ends, literature(ranking.matrix) if literature else {})
        )
        if progress is not None:
            progress(1)
    return judged


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
