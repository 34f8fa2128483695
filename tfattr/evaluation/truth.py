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

    def ranking(self) -> np.ndarray:
        """Sources of each target, the target itself first, then from best to worst: int64 ``[T, S]``.

        The layout is that of the authors' ``sort_gt.npy``. Ties keep the order of the sources.
        """
        values = np.where(np.isnan(self.affinity), -np.inf, self.affinity)
        own = [self.sources.index(target) for target in self.targets]
        values[np.arange(len(own)), own] = np.inf
        return np.argsort(-values, axis=1, kind="stable").astype(np.int64)

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


def read_transfers(path: str | os.PathLike[str], column: str = "affinity") -> dict[tuple[str, str], float]:
    """(target, source) to a column of a CSV with ``target`` and ``source``; pairs without a value are left out.

    Raises:
        SettingsError: the file cannot be read, lacks a column, or holds no number where one is expected.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise SettingsError(
            f"{path}: the measured transfer cannot be read ({error.strerror}); check the path."
        ) from error
    lacking = sorted({"target", "source", column}.difference(rows[0])) if rows else ["target"]
    if lacking:
        raise SettingsError(
            f"{path}: the column {lacking[0]!r} is missing; expected a CSV with target, source, {column}."
        )
    try:
        return {(row["target"], row["source"]): float(row[column]) for row in rows if row[column]}
    except ValueError as error:
        raise SettingsError(f"{path}: the column {column} holds no number ({error}).") from error


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
    values = read_transfers(path)
    known = {source for _, source in values}
    sources = tuple(model for model in models if model in known)
    stated = {target for target, _ in values}
    targets = tuple(model for model in sources if model in stated and model not in exclude_targets)
    if len(sources) < 3 or not targets:
        raise SettingsError(
            f"{path}: of the run's models only {', '.join(sources) or 'none'} are in this truth; expected the names of "
            f"its sources ({', '.join(sorted(known)[:5])}, ...)."
        )
    found = truth_of_pairs(values, targets, sources, path)
    own = [(row, sources.index(target)) for row, target in enumerate(targets)]
    found.affinity[tuple(np.transpose(own))] = np.nan
    return found


def truth_of_pairs(
    values: dict[tuple[str, str], float],
    targets: Sequence[str],
    sources: Sequence[str],
    where: str | os.PathLike[str],
) -> Truth:
    """From the pairs of :func:`read_transfers`; a target's transfer to itself is kept where it is known, else NaN.

    Raises:
        SettingsError: another pair is missing.
    """
    for target in targets:
        for source in sources:
            if source != target and (target, source) not in values:
                raise SettingsError(f"{where}: the transfer from {source} to {target} is missing.")
    square = [[values.get((target, source), np.nan) for source in sources] for target in targets]
    return Truth(tuple(targets), tuple(sources), np.array(square, np.float64))
