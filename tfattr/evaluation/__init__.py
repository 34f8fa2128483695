"""Affinities against measured transfer: precision and recall at K, rank correlation, chance."""

from __future__ import annotations

from tfattr.evaluation.hits import (
    chance_p_value,
    hits_at_k,
    oracle_precision,
    random_precision,
    relabelling_p_value,
)
from tfattr.evaluation.intervals import Intervals, interval, resamples, score_intervals
from tfattr.evaluation.rankings import EvaluationResult, Ranking, evaluate
from tfattr.evaluation.scores import Scores, score
from tfattr.evaluation.truth import NOT_TARGETS, Truth, find_truth, read_truth

__all__ = [
    "NOT_TARGETS",
    "Intervals",
    "EvaluationResult",
    "Ranking",
    "Scores",
    "Truth",
    "chance_p_value",
    "find_truth",
    "hits_at_k",
    "interval",
    "evaluate",
    "oracle_precision",
    "random_precision",
    "read_truth",
    "relabelling_p_value",
    "resamples",
    "score",
    "score_intervals",
]
