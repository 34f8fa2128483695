"""Relevance by iNNvestigate on frozen graphs: epsilon-LRP and its other analyzers."""

from __future__ import annotations

from tfattr.attribution.lrp.engine import analyzers, clear_cache, refusal, relevance

__all__ = ["analyzers", "clear_cache", "refusal", "relevance"]
