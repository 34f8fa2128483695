"""Taskonomy's measured task transfers as the ranking that the paper evaluates against.

``python -m tfattr.evaluation.taskonomy all_affinities_16k.pkl`` writes ``checkpoints/taskonomy_truth.csv`` from
the file of that name in ``StanfordVL/taskonomy`` (``results/affinities``): one line for each of 18 targets and
19 sources, by decreasing value of the single-source transfer ``source__target`` (higher is better).
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import sys
from collections.abc import Mapping, Sequence

from tfattr.errors import ModelFileError
from tfattr.evaluation.truth import NOT_TARGETS, Truth, find_truth, truth_of_pairs
from tfattr.io import write_text
from tfattr.safety import safe_pickle
from tfattr.zoo.originals import entries

# Names in Taskonomy's results that differ from its task bank's; "impainting" is theirs.
THEIR_NAMES = {
    "inpainting_whole": "impainting_whole",
    "segmentsemantic": "segmentsemantic_rb",
    "vanishing_point": "vanishing_point_well_defined",
}


def task_names() -> tuple[str, ...]:
    """The 20 tasks in the order of the paper's arrays."""
    return tuple(entry.name for entry in entries("taskonomy"))


def derive(transfers: Mapping[str, float], where: str = "the transfers") -> Truth:
    """The ranking from Taskonomy's ``{"source__target": value}``; keys of higher order are left aside.

    Raises ModelFileError where a pair of the 18 x 19 is missing.
    """
    tasks = task_names()
    targets = tuple(task for task in tasks if task not in NOT_TARGETS)
    values = {}
    for target, source in itertools.product(targets, tasks):
        if source == target:
            continue
        key = f"{THEIR_NAMES.get(source, source)}__{THEIR_NAMES.get(target, target)}"
        if key not in transfers:
            raise ModelFileError(
                f"{where}: no transfer {key!r} in it; expected Taskonomy's all_affinities_16k.pkl."
            )
        values[target, source] = transfers[key]
    return truth_of_pairs(values, targets, tasks, where)


def derive_from_file(path: str | os.PathLike[str]) -> Truth:
    """As :func:`derive`, from Taskonomy's pickle, read for numbers and strings alone."""
    content = safe_pickle.load(path)
    if not isinstance(content, dict):
        raise ModelFileError(
            f"{os.fspath(path)}: expected a dictionary of transfers, found {type(content).__name__}."
        )
    return derive(content, os.fspath(path))


def write_truth(truth: Truth, path: str | os.PathLike[str]) -> None:
    """The ranking as CSV: target, rank (1 to 19), source, affinity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("target", "rank", "source", "affinity"))
    for target, ranked, values in zip(truth.targets, truth.ranking(), truth.affinity):
        for rank, column in enumerate(ranked[1:], start=1):
            writer.writerow((target, rank, truth.sources[column], repr(float(values[column]))))
    write_text(path, text.getvalue())


def main(arguments: Sequence[str]) -> None:
    """``all_affinities_16k.pkl [out.csv]``."""
    out = arguments[1] if len(arguments) > 1 else find_truth("taskonomy")
    write_truth(derive_from_file(arguments[0]), out)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m tfattr.evaluation.taskonomy all_affinities_16k.pkl [out.csv]")
    main(sys.argv[1:])
