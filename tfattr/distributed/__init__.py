"""Runs on several processes or machines: tasks that any engine can carry, and Apache Beam as that engine."""

from __future__ import annotations

from tfattr.errors import TfattrError


class WorkersError(TfattrError):
    """Processes that computed a run were lost, or their engine refuses."""
