"""Measures of tfattr's own, from representations: no labels, no training."""

from __future__ import annotations

from tfattr.measures.predictivity import Predictivity, predictivity
from tfattr.measures.recommended import mean_rank

__all__ = ["Predictivity", "mean_rank", "predictivity"]
