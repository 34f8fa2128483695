"""Measures of transferability of tfattr's own, from attribution maps and representations: no labels, no training.

:func:`consensus` is the measure that ``benchmarks/own_measure.py`` chose on one half of the rooms' truth and judged on
the other, where one rival (DDS) stayed ahead of it; :func:`linear_predictivity` and :func:`residual_cosines` are parts
of it that stand alone. Arrays in, affinity out; ``.affinity(rows)`` and ``.affinities(weights)`` are the measure on resampled images.
"""

from __future__ import annotations

from tfattr.measures.consensus import Consensus, columns_centred, consensus, mean_ranks
from tfattr.measures.predictivity import LinearPredictivity, linear_predictivity
from tfattr.measures.residual import residual_cosines

__all__ = [
    "Consensus",
    "LinearPredictivity",
    "columns_centred",
    "consensus",
    "linear_predictivity",
    "mean_ranks",
    "residual_cosines",
]
