"""Measured transfer: which source really is the best for which target."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr import resources
from tfattr.errors import SettingsError

# The paper keeps these two as sources and leaves them out as targets (authors' tools/plot.py: rows 7, 19).
NOT_TARGETS = ("colorization", "inpainting_whole")


@dataclass(frozen=True)
class Truth:
    """Measured transfer.

    Attributes:
        targets: T names.
        sources: S names.
        affinity: float64 ``[T, S]``, higher is better; NaN where a target is itself the source.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    affinity: np.ndarray

    def relevant(self, count: int = 5) -> np.ndarray:
        """The ``count`` best true sources of each target, the target itself left out: bool ``[T, S]``."""
        values = np.where(np.isnan(self.affinity), -np.inf, self.affinity)
        best = np.argsort(-values, axis=1, kind="stable")[:, :count]
        chosen = np.zeros(self.affinity.shape, bool)
        np.put_along_axis(chosen, best, True, axis=1)
        return chosen & ~np.isnan(self.affinity)


def find_truth(truth: str | os.PathLike[str]) -> Path:
    """The CSV of measured transfer: a path, ``rooms`` or ``taskonomy``.

    Raises:
        SettingsError: neither a file nor one of these names.
    """
    known = {
        "rooms": resources.checkpoints() / "rooms" / "transfer.csv",
        "taskonomy": resources.checkpoints() / "taskonomy_truth.csv",
    }
    path = Path(truth)
    if not path.exists() and str(truth) in known:
        path = known[str(truth)]
    if not path.is_file():
        raise SettingsError(
            f"{truth}: no such file of measured transfer; expected a CSV with the columns target, source, affinity, "
            f"or {' or '.join(known)}."
        )
    return path


def read_truth(
    path: str | os.PathLike[str],
    models: Sequence[str],
    exclude_targets: Sequence[str] = NOT_TARGETS,
) -> Truth:
    """Read a CSV with the columns ``target``, ``source``, ``affinity`` (higher is better), for these models.

    Args:
        path: the file; further columns are ignored. Pairs of models that are not asked for are ignored.
        models: the candidates, in the order of the affinity matrix's columns. Models of which the file
            says nothing as sources are no candidates.
        exclude_targets: no targets although the file has them; the paper's two by default.

    Raises:
        SettingsError: the file is missing, lacks a column, holds no number where one is expected, or
            lacks a pair.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise SettingsError(
            f"{path}: the measured transfer cannot be read ({error.strerror}); check the path."
        ) from error
    lacking = {"target", "source", "affinity"}.difference(rows[0] if rows else ())
    if lacking:
        raise SettingsError(
            f"{path}: the column {sorted(lacking)[0]!r} is missing; expected a CSV with target, source, affinity."
        )
    try:
        values = {(row["target"], row["source"]): float(row["affinity"]) for row in rows if row["affinity"]}
    except ValueError as error:
        raise SettingsError(f"{path}: the column affinity holds no number ({error}).") from error
    known = {source for _, source in values}
    sources = tuple(model for model in models if model in known)
    stated = {target for target, _ in values}
    targets = tuple(model for model in sources if model in stated and model not in exclude_targets)
    if len(sources) < 3 or not targets:
        raise SettingsError(
            f"{path}: of the run's models only {', '.join(sources) or 'none'} are in this truth; expected the names of "
            f"its sources ({', '.join(sorted(known)[:5])}, ...)."
        )
    affinity = np.array(
        [
            [np.nan if source == target else values.get((target, source), np.inf) for source in sources]
            for target in targets
        ]
    )
    if np.isinf(affinity).any():
        row, column = np.argwhere(np.isinf(affinity))[0]
        raise SettingsError(f"{path}: the transfer from {sources[column]} to {targets[row]} is missing.")
    return Truth(targets, sources, affinity)
