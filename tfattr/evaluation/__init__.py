"""Affinities against measured transfer: precision and recall at K, rank correlation, chance."""

from __future__ import annotations

from tfattr.evaluation.rankings import (
    EVALUATION_NAME,
    RECOMMENDED,
    Evaluation,
    EvaluationResult,
    Ranking,
    evaluate,
)
from tfattr.evaluation.scores import (
    Intervals,
    Scores,
    chance_p_value,
    hits_at_k,
    interval,
    oracle_precision,
    random_precision,
    relabelling_p_value,
    resamples,
    score,
    score_intervals,
)
from tfattr.evaluation.truth import NOT_TARGETS, Truth, find_truth, read_truth

__all__ = [
    "EVALUATION_NAME",
    "NOT_TARGETS",
    "RECOMMENDED",
    "Evaluation",
    "EvaluationResult",
    "Intervals",
    "Ranking",
    "Scores",
    "Truth",
    "chance_p_value",
    "evaluate",
    "find_truth",
    "hits_at_k",
    "interval",
    "oracle_precision",
    "random_precision",
    "read_truth",
    "relabelling_p_value",
    "resamples",
    "score",
    "score_intervals",
]
