"""Everything that the paper and its supplementary material show, for one zoo and some probe sets: one command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfattr.errors import SettingsError
from tfattr.evaluation import Evaluation, Ranking
from tfattr.runs.analysis import analyse, complete_cosines, compute_affinity
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.claiming import measure_claims, save_claims
from tfattr.runs.controls import randomised_zoo
from tfattr.runs.cost import save_cost
from tfattr.runs.engine import open_engine
from tfattr.runs.evaluating import evaluate_run
from tfattr.runs.lacking import PROBES, check_first_run
from tfattr.runs.pictures import draw_maps, save_study_figures
from tfattr.runs.probes import probe_sets, survey_probe
from tfattr.runs.ranking import map_rankings, rank_run
from tfattr.runs.settings import RunSettings
from tfattr.runs.study import Study, StudyRun, open_study
from tfattr.runs.trunk_cache import cached_trunks
from tfattr.zoo.file import Zoo
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

TRUTHS = {"rooms": "rooms", "taskonomy": "taskonomy", "merged": "taskonomy"}
GRIDS = (32, 16, 8)  # coarser than the maps, for the variants of the evaluation


def reproduce(
    zoo: str | os.PathLike[str] | Zoo | Iterable[ModelSpec | Trunk],
    out: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    probes: Sequence[str] = (),
    roots: Mapping[str, str] | None = None,
    targets: Sequence[str] = (),
    truth: str | None = None,
    controls: bool = True,
    grids: Sequence[int] = (),
    progress: bool = True,
    tell: Callable[[str], object] = print,
    **changes: Any,
) -> tuple[Study, Evaluation | None]:
    """Run a zoo on every probe set and target, judge it, measure the claims, draw the figures, write the report.

    Runs lie in ``out/<probe>`` (target sum) and ``out/<probe>_energy``; what is there is not computed again. Over
    all runs, ``out`` gets ``evaluation.json``, ``claims.json``, ``cost.json``, ``figures/`` and ``report.html``.

    Args:
        zoo: a zoo file, a built-in name, or models.
        out: the study's directory.
        settings: of all runs; without ``exif`` the paper's lists are read as stored, as its authors did.
        probes: names or paths, the main one first; those that go with a built-in zoo if empty.
        roots: probe to the folder of its photographs, for the paper's lists.
        targets: those after the first on the main probe set only; that of the settings if empty.
        truth: measured transfer; that of a built-in zoo if None; no evaluation without.
        controls: also run the zoo with shuffled weights on the main probe set.
        grids: coarser grids whose affinities are judged too.
        progress: bars.
        tell: says which step is under way.
        changes: fields of ``settings``.

    Returns:
        The study, and the evaluation of its main run (None without a truth).
    """
    from tfattr.report import build

    settings = (settings or RunSettings()).changed(**changes)
    zoo, out, roots = settings.models_of(zoo), Path(out), roots or {}
    probes, targets = tuple(probes) or PROBES.get(zoo.name, ()), tuple(targets) or (settings.target,)
    if not probes:
        raise SettingsError(f"{zoo.name}: no probe set goes with this zoo; give one or more as --probe.")
    check_first_run(zoo, probes, roots, out)
    wanted = [(probe, targets[0]) for probe in probes] + [(probes[0], target) for target in targets[1:]]
    runs = tuple(StudyRun(_label(probe, target), probe, target) for probe, target in wanted)
    study = Study(out, zoo.name, runs)
    for run in runs:
        _ = settings.for_target(run.target).attribution  # a bad one is told before any work
    surveys = {
        probe: survey_probe(
            probe, roots.get(probe), settings.limit, settings.strict, settings.exif or _exif(probe)
        )
        for probe in probes
    }
    out.mkdir(parents=True, exist_ok=True)
    study.save()

    def make(
        models: Iterable[ModelSpec], run: StudyRun, folder: Path, settings: RunSettings, **source: Any
    ) -> Any:
        survey, settings = surveys[run.probe], settings.continued(folder)
        attribute_zoo(
            models, survey, folder, settings, source=source, runner=engine.runner, progress=progress
        )
        chosen = settings.changed(models=[model.name for model in zoo], methods=settings.attribution.methods)
        return analyse(folder, chosen, progress=progress, pictures=False, executor=engine.executor)

    # Matrices and trees of the runs are in the study's sheets; of each run its maps are drawn, while the next computes.
    kept = cached_trunks(zoo, out / ".trunks")
    with open_engine(settings) as engine, kept as models, ThreadPoolExecutor(1) as beside:
        drawn = []
        for run in runs:
            tell(
                f"{run.label}: {len(zoo)} models, {len(surveys[run.probe].images)} images, target {run.target}"
            )
            source = {
                "zoo": zoo.name,
                "probe": run.probe,
                "probe_root": roots.get(run.probe),
                "limit": settings.limit,
            }
            result = make(models, run, out / run.label, settings.for_target(run.target), **source)
            drawn.append(beside.submit(draw_maps, out / run.label, result))
        if controls:
            tell("controls: the same networks with shuffled weights")
            main = settings.for_target(runs[0].target)
            main = main.changed(methods=_first_order(main.attribution.methods), representations=False)
            make(randomised_zoo(models), runs[0], out / runs[0].label / "controls" / "random", main)
        for job in drawn:
            job.result()
    evaluation = summarise(study, truth or TRUTHS.get(zoo.name), grids, progress, tell)
    tell("report")
    build(study.path)
    return study, evaluation


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

    study = open_study(path)
    summarise(study, truth or TRUTHS.get(study.zoo), progress=progress, tell=tell)
    return build(study.path, out)


def summarise(
    study: Study,
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
    save_cost(study)
    tell("figures")
    for note in save_study_figures(study):
        tell(f"not drawn: {note}")
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
    return probe_sets()[probe].exif if probe in probe_sets() else "upright"


def _label(probe: str, target: str) -> str:
    name = Path(probe).stem
    return name if target == "sum" else f"{name}_{target.replace(':', '_')}"


def _first_order(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods that shuffled weights are judged by: those that one gradient gives, or the first."""
    return tuple(method for method in methods if method in ("saliency", "grad_input")) or tuple(methods[:1])
