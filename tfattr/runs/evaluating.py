"""A run against measured transfer: its affinities, the baselines on the same probe images, controls, the authors' numbers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tfattr.affinity import ImageCosines, load_authors_layout, similarity_tree
from tfattr.baselines import symmetrised_truth
from tfattr.errors import ProbeError, SettingsError
from tfattr.evaluation import (
    RECOMMENDED,
    Evaluation,
    EvaluationResult,
    Ranking,
    Truth,
    evaluate,
    find_truth,
    read_truth,
    resamples,
)
from tfattr.evaluation.golden import precision_verdicts, tree_verdicts
from tfattr.evaluation.literature import literature_scores
from tfattr.evaluation.taskonomy import task_names
from tfattr.records import RunManifest
from tfattr.runs.controls import random_control, raw_pixels
from tfattr.runs.ranking import map_rankings, recommended_ranking, representation_rankings, span_rankings
from tfattr.runs.results import complete_cosines

PROBES = ("taskonomy", "coco", "indoor")  # of the authors' figures


def evaluate_run(
    run: str | os.PathLike[str],
    truth: str | os.PathLike[str] = "rooms",
    baselines: bool = True,
    draws: int = 200,
    seed: int = 0,
    progress: bool = True,
    further: Sequence[Ranking] = (),
    k: int | None = None,
) -> Evaluation:
    """Judge a run's affinities, baselines and controls by measured transfer; nothing is written.

    Args:
        run: the directory of a finished run.
        truth: a CSV with target, source, affinity (and win_rate), or ``rooms``, ``taskonomy``.
        baselines: also judge the recommended ranking and the registered baselines (:mod:`tfattr.baselines`) from the
            run's representations, and the controls.
        draws: bootstrap resamples of the probe images, the same for every ranking; 0 for none.
        seed: of the resamples.
        progress: a bar.
        further: rankings of the same models, judged too.
        k: sources of a target that count as relevant; None: see :func:`tfattr.evaluation.scores.choose_k`.

    Raises:
        RecordsError: the run lacks its affinity.
        SettingsError: the truth does not fit the run's models.
    """
    run = Path(run)
    cosines, manifest = complete_cosines(run), RunManifest.load(run)
    path = find_truth(truth)
    measured = read_truth(path, cosines.models)
    weights = resamples(len(cosines.images), draws, seed)
    made, missing = span_rankings(run, measured.sources, weights)
    if baselines:
        others, lacking = representation_rankings(
            run, measured.sources, weights, nodes=cosines.only(measured.sources)
        )
        made += others
        missing.update(lacking)
        best = recommended_ranking({one.name: one for one in made}, missing)
        if isinstance(best, Ranking):
            made.insert(0, best)
        else:
            missing[RECOMMENDED] = best
    rankings = [_embedded(one, measured.sources, cosines.models) for one in made]
    rankings += [*map_rankings(cosines, "maps", weights), *further]
    if baselines:
        made, lacking = _control_rankings(run, cosines, measured, weights)
        rankings += made
        missing.update(lacking)
    for name in manifest.lacking:
        if name not in cosines.models:
            missing[name] = "the run has no maps of this model, or not by every method"
    with tqdm(total=len(rankings), unit="ranking", disable=not progress, dynamic_ncols=True) as bar:
        scores = literature_scores(path, cosines.models)
        results = evaluate(rankings, cosines.models, measured, scores, bar.update, k)
    # Only a run of Taskonomy's own 20 on one of the paper's probe sets can be compared with the authors' figures.
    verdicts, probe = [], manifest.source.get("probe")
    if manifest.source.get("zoo") in ("taskonomy", "merged") and probe in PROBES:
        part = cosines.only([model for model in cosines.models if model in measured.sources])
        affinity = part.mean("grad_input") if "grad_input" in part.methods else None
        verdicts = _verdicts(results, str(probe), affinity, part.models)
    return Evaluation(str(truth), measured, len(cosines.images), results, verdicts, missing)


def evaluate_authors(
    path: str | os.PathLike[str], truth: str | os.PathLike[str] = "taskonomy", probe: str | None = None
) -> Evaluation:
    """Judge the authors' own ``affinity.npy`` or ``affinity.mat``; with ``probe`` also against their figures.

    Raises:
        RecordsError: the file is not in their layout.
        SettingsError: ``probe`` is none of theirs.
    """
    if probe is not None and probe not in PROBES:
        raise SettingsError(
            f"the authors have no figures of the probe set {probe!r}, only of {', '.join(PROBES)}"
        )
    models, file = task_names(), find_truth(truth)
    matrices = load_authors_layout(path, len(models))
    measured = read_truth(file, models)
    rankings = [Ranking(method, "maps", matrix) for method, matrix in matrices.items()]
    results = evaluate(rankings, models, measured, literature_scores(file, models))
    verdicts = _verdicts(results, probe, matrices["grad_input"], models) if probe else []
    return Evaluation(str(truth), measured, 0, results, verdicts)


def _control_rankings(
    run: Path, cosines: ImageCosines, measured: Truth, weights: np.ndarray
) -> tuple[list[Ranking], dict[str, str]]:
    made, missing = [], {}
    random = random_control(run)
    if random is None:
        missing["random networks"] = "made by `tfattr reproduce`"
    else:
        made += map_rankings(random.only(cosines.models), "control", weights, "random networks, ")
    try:
        made += map_rankings(raw_pixels(run).only(cosines.models), "control", weights)
    except (ProbeError, SettingsError) as error:
        missing["raw_pixels"] = str(error)
    symmetric = Ranking("symmetrised truth", "control", symmetrised_truth(measured))
    made.append(_embedded(symmetric, measured.sources, cosines.models))
    return made, missing


def _embedded(ranking: Ranking, names: Sequence[str], models: Sequence[str]) -> Ranking:
    """A ranking of some of the models among all, NaN elsewhere."""
    at = [list(models).index(name) for name in names]

    def whole(matrices: np.ndarray) -> np.ndarray:
        found = np.full((*matrices.shape[:-2], len(models), len(models)), np.nan)
        found[..., np.array(at)[:, None], at] = matrices
        return found

    resampled = ranking.resampled and (lambda: whole(np.asarray(ranking.resampled())))
    return Ranking(ranking.name, ranking.kind, whole(ranking.matrix), resampled)


def _verdicts(
    results: Sequence[EvaluationResult], probe: str, affinity: np.ndarray | None, models: Sequence[str]
) -> list[dict[str, Any]]:
    """The results, and the tree of the affinity by gradient * input, against the authors' figures of a probe set."""
    hits = {one.ranking.name: one.scores.hits for one in results}
    found = precision_verdicts(hits, probe, results[0].scores.targets)
    found += tree_verdicts(similarity_tree(affinity, models)) if affinity is not None else []
    return [dataclasses.asdict(one) for one in found]
