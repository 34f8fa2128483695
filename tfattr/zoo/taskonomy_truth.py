"""Taskonomy's measured task transfers as the ranking that the paper evaluates against.

``python -m tfattr.zoo.taskonomy_truth all_affinities_16k.pkl`` writes ``checkpoints/taskonomy_truth.csv`` from
the file of that name in ``StanfordVL/taskonomy`` (``results/affinities``): one line for each of 18 targets and
19 sources, by decreasing value of the single-source transfer ``source__target`` (higher is better).
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr import resources
from tfattr.errors import ModelFileError
from tfattr.zoo import safe_pickle
from tfattr.zoo.originals import entries

FILE = "taskonomy_truth.csv"
FIELDS = ("target", "rank", "source", "affinity")
NOT_TARGETS = ("colorization", "inpainting_whole")  # Taskonomy measured no transfer to these
# Names in Taskonomy's results that differ from its task bank's; "impainting" is theirs.
THEIR_NAMES = {
    "inpainting_whole": "impainting_whole",
    "segmentsemantic": "segmentsemantic_rb",
    "vanishing_point": "vanishing_point_well_defined",
}


@dataclass(frozen=True)
class Truth:
    """The measured ranking.

    ``tasks``: the 20, in the paper's order. ``targets``: the 18 of them that were measured. ``ranking``: int64
    ``[18, 20]`` indices into ``tasks``, column 0 the target itself, then the sources from best to worst.
    ``affinity``: float64 ``[18, 20]`` by task (not by rank), NaN for the target itself.
    """

    tasks: tuple[str, ...]
    targets: tuple[str, ...]
    ranking: np.ndarray
    affinity: np.ndarray


def task_names() -> tuple[str, ...]:
    """The 20 tasks in the order of the paper's arrays."""
    return tuple(entry.name for entry in entries("taskonomy"))


def derive(transfers: Mapping[str, float], where: str = "the transfers") -> Truth:
    """The ranking from Taskonomy's ``{"source__target": value}``; keys of higher order are left aside.

    Raises ModelFileError where a pair of the 18 x 19 is missing.
    """
    tasks = task_names()
    targets = tuple(task for task in tasks if task not in NOT_TARGETS)
    affinity = np.full((len(targets), len(tasks)), np.nan)
    for row, target in enumerate(targets):
        for column, source in enumerate(tasks):
            if source == target:
                continue
            key = f"{THEIR_NAMES.get(source, source)}__{THEIR_NAMES.get(target, target)}"
            if key not in transfers:
                raise ModelFileError(
                    f"{where}: no transfer {key!r} in it; expected Taskonomy's all_affinities_16k.pkl."
                )
            affinity[row, column] = transfers[key]
    return Truth(tasks, targets, _ranking(tasks, targets, affinity), affinity)


def _ranking(tasks: Sequence[str], targets: Sequence[str], affinity: np.ndarray) -> np.ndarray:
    own = np.array([tasks.index(target) for target in targets])
    filled = affinity.copy()
    filled[np.arange(len(targets)), own] = np.inf
    return np.argsort(-filled, axis=1, kind="stable").astype(np.int64)


def derive_from_file(path: str | os.PathLike[str]) -> Truth:
    """As :func:`derive`, from Taskonomy's pickle, read for numbers and strings alone."""
    content = safe_pickle.load(path)
    if not isinstance(content, dict):
        raise ModelFileError(
            f"{os.fspath(path)}: expected a dictionary of transfers, found {type(content).__name__}."
        )
    return derive(content, os.fspath(path))


def read_truth(path: str | os.PathLike[str] | None = None) -> Truth:
    """The ranking from its CSV; None reads the one that travels with the package."""
    path = Path(path) if path is not None else resources.checkpoints() / FILE
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
        transfers = {
            f"{THEIR_NAMES.get(row['source'], row['source'])}__{THEIR_NAMES.get(row['target'], row['target'])}": float(
                row["affinity"]
            )
            for row in rows
        }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: not a readable table of {', '.join(FIELDS)} ({error}); derive it again."
        ) from error
    return derive(transfers, str(path))


def write_truth(truth: Truth, path: str | os.PathLike[str]) -> None:
    """The ranking as CSV: target, rank (1 to 19), source, affinity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for row, target in enumerate(truth.targets):
        for rank, column in enumerate(truth.ranking[row, 1:], start=1):
            writer.writerow((target, rank, truth.tasks[column], repr(float(truth.affinity[row, column]))))
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text.getvalue(), "utf-8")
    os.replace(part, path)


def main(arguments: Sequence[str]) -> None:
    """``all_affinities_16k.pkl [out.csv]``."""
    out = arguments[1] if len(arguments) > 1 else resources.checkpoints() / FILE
    write_truth(derive_from_file(arguments[0]), out)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m tfattr.zoo.taskonomy_truth all_affinities_16k.pkl [out.csv]")
    main(sys.argv[1:])
