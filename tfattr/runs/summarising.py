"""What is made of the runs of a study when they are there: evaluation, claims, cost, figures, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfattr.evaluation import Evaluation, Ranking
from tfattr.io import write_json
from tfattr.runs.analysis import compute_affinity
from tfattr.runs.claiming import measure_claims, save_claims
from tfattr.runs.evaluating import evaluate_run
from tfattr.runs.pictures import save_study_figures
from tfattr.runs.ranking import map_rankings, rank_run
from tfattr.runs.results import complete_cosines
from tfattr.runs.study import COST_NAME, TRUTHS, StudyFiles, read_study


def report(
    path: str | os.PathLike[str],
    truth: str | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    tell: Callable[[str], object] = print,
) -> Path:
    """The HTML report of a run or a study, after what it shows was brought up to date; returns its path.

    Args:
        path: the directory of a run or a study.
        truth: measured transfer, that of a built-in zoo if None; there is a report without one all the same.
        out: the file; ``report.html`` in the directory if None.
        progress: bars.
        tell: says which step is under way.
    """
    from tfattr.report import build

    study = read_study(path)
    summarise(study, truth or TRUTHS.get(study.zoo), progress=progress, tell=tell)
    return build(study.path, out)


def summarise(
    study: StudyFiles,
    truth: str | None,
    grids: Sequence[int] = (),
    progress: bool = True,
    tell: Callable[[str], object] = print,
) -> Evaluation | None:
    """Evaluation, claims, costs and figures of a study whose runs are there; see :func:`reproduce`."""
    tell("recommended sources")
    rank_run(study.folder(study.main))
    evaluation = None
    if truth is not None:
        tell("evaluation: against measured transfer, with baselines and controls")
        evaluation = evaluate_run(
            study.folder(study.main), truth, further=_variants(study, grids), progress=progress
        )
        evaluation.save(study.path, f"{study.zoo} zoo against measured transfer")
    tell("claims of the supplementary material")
    save_claims(measure_claims(study, truth), study.path)
    write_json(study.path / COST_NAME, study.cost())
    tell("figures")
    for note in save_study_figures(study):
        tell(f"not drawn: {note}")
    return evaluation


def _variants(study: StudyFiles, grids: Sequence[int]) -> list[Ranking]:
    """The main probe set's affinities with the other targets, and on coarser grids."""
    found = []
    first = complete_cosines(study.folder(study.main))
    for run in study.runs:
        if run.probe != study.main.probe:
            continue
        folder = study.folder(run)
        if run.target.startswith("channels"):
            continue  # of its spans, those of evaluate_run count
        suffix = "" if run.target == study.main.target else f", {run.target}"
        if suffix:
            cosines = complete_cosines(folder).only(first.models)
            found += map_rankings(cosines, "maps", suffix=suffix)
        for grid in grids:
            coarse = compute_affinity(
                folder, models=first.models, methods=first.methods, grid=grid, progress=False
            )
            found += [
                Ranking(f"{method}{suffix}, grid {grid}", "maps", np.asarray(matrix))
                for method, matrix in coarse.affinity.items()
            ]
    return found
