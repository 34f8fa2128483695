"""The record key that every record carries: which model, method and run it was made in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tfattr.io import plain

REPRESENTATION = "representation"  # in the place of a method


def run_digest(settings: Mapping[str, Any], sha256: Iterable[str]) -> str:
    """A hash over what is common to all of a run's records: its settings, and its images' hashes in order."""
    return _digest([plain(settings), list(sha256)])


def record_key(run: str, model: str, identity: Mapping[str, Any], method: str = REPRESENTATION) -> str:
    """The record key ``model/method/digest`` of the records of one model and method.

    Two runs' records bear the same key only where :func:`tfattr.records.check_compatible` would let one run
    go on in the other's directory, so that a shard from elsewhere is told even if layout and image ids agree.

    Args:
        run: what :func:`run_digest` says.
        model: the model's name.
        identity: what makes the model the same (:func:`tfattr.records.identity`).
        method: attribution method.
    """
    return f"{model}/{method}/{_digest([run, model, method, plain(identity)])}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
