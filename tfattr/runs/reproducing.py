"""Everything that the paper and its supplementary material show, for one zoo and some probe sets: one command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tfattr.attribution.settings import PAPER_METHODS, AttributionSettings
from tfattr.errors import SettingsError
from tfattr.evaluation import Evaluation, Ranking
from tfattr.runs.analysis import analyse, complete_cosines, compute_affinity
from tfattr.runs.attribution import RecordSettings, attribute_zoo, continued_settings
from tfattr.runs.claiming import measure_claims, save_claims
from tfattr.runs.controls import randomised_zoo
from tfattr.runs.cost import save_cost
from tfattr.runs.evaluating import evaluate_run
from tfattr.runs.lacking import LISTS, check_first_run
from tfattr.runs.pictures import draw_maps
from tfattr.runs.probes import survey_probe
from tfattr.runs.ranking import map_rankings, rank_run
from tfattr.runs.sheets import save_study_figures
from tfattr.runs.study import Study, StudyRun
from tfattr.runs.trunk_cache import cached_trunks
from tfattr.zoo.file import Zoo

#: Probe sets that go with a built-in zoo, the main one first.
PROBES = {
    "rooms": ("rooms", "street", "still_life"),
    "taskonomy": ("taskonomy", "indoor", "coco"),
    "collected": ("taskonomy", "indoor", "coco"),
    "merged": ("taskonomy",),
}
TRUTHS = {"rooms": "rooms", "taskonomy": "taskonomy", "merged": "taskonomy"}
GRIDS = (32, 16, 8)  # coarser than the maps, for the variants of the evaluation


def reproduce(
    zoo: Zoo,
    out: str | os.PathLike[str],
    probes: Sequence[str] = (),
    roots: Mapping[str, str] | None = None,
    targets: Sequence[str] = ("sum",),
    attribution: AttributionSettings | None = None,
    records: RecordSettings | None = None,
    truth: str | None = None,
    limit: int | None = None,
    strict: bool = False,
    exif: str | None = None,
    controls: bool = True,
    grids: Sequence[int] = (),
    analysis: Mapping[str, Any] | None = None,
    progress: bool = True,
    tell: Callable[[str], object] = print,
    executor: Any = None,
    **computing: Any,
) -> tuple[Study, Evaluation | None]:
    """Run a zoo on every probe set and target, judge it, measure the claims, draw the figures, write the report.

    Runs lie in ``out/<probe>`` (target sum) and ``out/<probe>_energy``; what is there is not computed again. Over
    all runs, ``out`` gets ``evaluation.json``, ``claims.json``, ``cost.json``, ``figures/`` and ``report.html``.

    Args:
        zoo: the models.
        out: the study's directory.
        probes: names or paths, the main one first; those that go with a built-in zoo if empty.
        roots: probe to the folder of its photographs, for the paper's lists.
        targets: ``sum`` (the paper's), ``energy``; those after the first on the main probe set only.
        attribution: methods, engine, epsilon; its target is replaced.
        records: how maps are stored.
        truth: measured transfer; that of a built-in zoo if None; no evaluation without.
        limit: only the first images of each probe set.
        strict: stop at the first unreadable image, model that cannot be loaded, or method that fails.
        exif: ``upright`` or ``stored``; None reads the paper's lists as stored, as its authors did.
        controls: also run the zoo with shuffled weights on the main probe set.
        grids: coarser grids whose affinities are judged too.
        analysis: grid, linkage and the like of :func:`tfattr.runs.analysis.analyse`.
        progress: bars.
        tell: says which step is under way.
        executor: of the affinities, on a cluster.
        computing: batch size, runner and the like of :func:`tfattr.runs.attribution.attribute_zoo`.

    Returns:
        The study, and the evaluation of its main run (None without a truth).
    """
    from tfattr.report import build

    out, roots = Path(out), roots or {}
    probes = tuple(probes) or PROBES.get(zoo.name, ())
    if not probes:
        raise SettingsError(f"{zoo.name}: no probe set goes with this zoo; give one or more as --probe.")
    check_first_run(zoo, probes, roots, out)
    truth = truth or TRUTHS.get(zoo.name)
    attribution = attribution or AttributionSettings(PAPER_METHODS)
    records = records or RecordSettings()
    order = [model.name for model in zoo]
    wanted = [(probe, targets[0]) for probe in probes] + [(probes[0], target) for target in targets[1:]]
    runs = tuple(StudyRun(_label(probe, target), probe, target) for probe, target in wanted)
    study = Study(out, zoo.name, runs)
    surveys = {
        probe: survey_probe(probe, roots.get(probe), limit, strict, exif or _exif(probe)) for probe in probes
    }
    drawing = {**(analysis or {}), "progress": progress, "executor": executor, "pictures": False}
    out.mkdir(parents=True, exist_ok=True)
    study.save()
    # Matrices and trees of the runs are in the study's sheets; of each run its maps are drawn, while the next computes.
    with cached_trunks(zoo, out / ".trunks") as models, ThreadPoolExecutor(1) as beside:
        drawn = []
        for run in runs:
            tell(
                f"{run.label}: {len(zoo)} models, {len(surveys[run.probe].images)} images, target {run.target}"
            )
            source = {"zoo": zoo.name, "probe": run.probe, "probe_root": roots.get(run.probe), "limit": limit}
            settings = continued_settings(out / run.label, attribution.for_target(run.target))
            attribute_zoo(
                models,
                surveys[run.probe],
                out / run.label,
                settings,
                records,
                progress=progress,
                source=source,
                strict=strict,
                **computing,
            )
            result = analyse(out / run.label, models=order, methods=settings.methods, **drawing)
            drawn.append(beside.submit(draw_maps, out / run.label, result))
        if controls:
            tell("controls: the same networks with shuffled weights")
            main = runs[0]
            folder = out / main.label / "controls" / "random"
            settings = attribution.for_target(main.target).with_methods(_first_order(attribution.methods))
            attribute_zoo(
                randomised_zoo(models),
                surveys[main.probe],
                folder,
                settings,
                records,
                progress=progress,
                strict=strict,
                **{**computing, "representations": False},
            )
            analyse(folder, models=order, **drawing)
        for job in drawn:
            job.result()
    return study, summarise(study, truth, grids, progress, tell, build)


def summarise(
    study: Study,
    truth: str | None,
    grids: Sequence[int] = (),
    progress: bool = True,
    tell: Callable[[str], object] = print,
    build: Callable[[Path], Path] | None = None,
) -> Evaluation | None:
    """Evaluation, claims, costs, figures and report of a study whose runs are there; see :func:`reproduce`."""
    tell("recommended sources")
    rank_run(study.folder(study.main))
    evaluation = None
    if truth is not None:
        tell("evaluation: against measured transfer, with baselines and controls")
        evaluation = evaluate_run(
            study.folder(study.main),
            truth,
            further=_variants(study, grids),
            progress=progress,
        )
        evaluation.save(study.path, f"{study.zoo} zoo against measured transfer")
    tell("claims of the supplementary material")
    save_claims(measure_claims(study, truth), study.path)
    save_cost(study)
    tell("figures")
    for note in save_study_figures(study):
        tell(f"not drawn: {note}")
    if build is not None:
        tell("report")
        build(study.path)
    return evaluation


def truth_of(study: Study, truth: str | None = None) -> str:
    """The measured transfer asked for, or that of the study's built-in zoo.

    Raises:
        SettingsError: none is given and none is known.
    """
    found = truth or TRUTHS.get(study.zoo)
    if found is None:
        raise SettingsError(
            f"{study.path}: no measured transfer is known for the zoo {study.zoo}; give a CSV with target, source, "
            "affinity as --truth."
        )
    return found


def _variants(study: Study, grids: Sequence[int]) -> list[Ranking]:
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
            coarse = compute_affinity(folder, first.models, first.methods, (grid, grid), progress=False)
            found += [
                Ranking(f"{method}{suffix}, grid {grid}", "maps", np.asarray(matrix))
                for method, matrix in coarse.affinity.items()
            ]
    return found


def _exif(probe: str) -> str:
    """How the pictures of a probe set are read where nobody says: the paper's lists as its authors read them."""
    return "stored" if probe in LISTS else "upright"


def _label(probe: str, target: str) -> str:
    name = Path(probe).stem
    return name if target == "sum" else f"{name}_{target.replace(':', '_')}"


def _first_order(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods that shuffled weights are judged by: those that one gradient gives, or the first."""
    return tuple(method for method in methods if method in ("saliency", "grad_input")) or tuple(methods[:1])
