"""Everything that the paper and its supplementary material show, for one zoo and some probe sets: one command."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.errors import MissingDataError, SettingsError
from tfattr.evaluation import Evaluation
from tfattr.runs.analysis import analyse
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.claiming import claim_lines
from tfattr.runs.controls import randomised_zoo
from tfattr.runs.engine import open_engine
from tfattr.runs.pictures import draw_maps, study_figures
from tfattr.runs.probes import probe_sets, survey_probe
from tfattr.runs.run import Run, open_run
from tfattr.runs.settings import RunSettings
from tfattr.runs.study import TRUTHS, StudyFiles, StudyRun, read_study
from tfattr.runs.summarising import summarise
from tfattr.zoo import cache
from tfattr.zoo.describe import status, together
from tfattr.zoo.file import Zoo
from tfattr.zoo.originals import ZOOS, entries
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfattr.trunk.trunk import Trunk

GRIDS = (32, 16, 8)  # coarser than the maps, for the variants of the evaluation


class Study(StudyFiles):
    """Runs of one zoo, looked at: :func:`tfattr.open_study`."""

    def open(self, run: StudyRun | None = None) -> Run:
        """One of the runs, the main one if None."""
        return open_run(self.folder(run or self.main))

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """The paper's figures: name to what draws it."""
        return study_figures(self)

    def claims(self) -> list[str]:
        """The claims of the paper's supplementary material, measured: a line each."""
        return claim_lines(self.path)


def open_study(path: str | os.PathLike[str]) -> Study:
    """A study's directory, or a run's, which is a study of one.

    Raises:
        RecordsError: neither.
    """
    found = read_study(path)
    return Study(found.path, found.zoo, found.runs)


def reproduce(
    zoo: str | os.PathLike[str] | Zoo | Iterable[ModelSpec | Trunk],
    out: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    probes: Sequence[str | os.PathLike[str]] = (),
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
    probes, targets = (
        tuple(map(os.fspath, probes)) or PROBES.get(zoo.name, ()),
        tuple(targets) or (settings.target,),
    )
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


def _exif(probe: str) -> str:
    """How the pictures of a probe set are read where nobody says: the paper's lists as its authors read them."""
    return probe_sets()[probe].exif if probe in probe_sets() else "upright"


def _label(probe: str, target: str) -> str:
    name = Path(probe).stem
    return name if target == "sum" else f"{name}_{target.replace(':', '_')}"


def _first_order(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods that shuffled weights are judged by: those that one gradient gives, or the first."""
    return tuple(method for method in methods if method in ("saliency", "grad_input")) or tuple(methods[:1])


@dataclasses.dataclass(frozen=True)
class Cached:
    """A loader that saves the trunk in ``folder`` at its first loading; ``same_as``: the loader that it saves a call of."""

    folder: Path
    same_as: Callable[[ModelSpec], Trunk] | None

    def __call__(self, spec: ModelSpec) -> Trunk:
        """The trunk of the folder, made and saved there where there is none."""
        from tfattr.trunk.trunk import Trunk

        if (self.folder / "trunk.json").exists():
            return Trunk.load(self.folder)
        trunk = dataclasses.replace(spec, loader=self.same_as).load()
        trunk.save(self.folder)
        return trunk


@contextmanager
def cached_trunks(
    models: Iterable[ModelSpec | Trunk], folder: str | os.PathLike[str]
) -> Iterator[list[ModelSpec | Trunk]]:
    """The models with the trunks of specs kept under ``folder`` until the end of the block.

    What an earlier, interrupted block left there is of unknown age, so it is removed first.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield [
            dataclasses.replace(model, loader=Cached(folder / model.name, model.loader))
            if isinstance(model, ModelSpec)
            else model
            for model in models
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


#: Probe sets that go with a built-in zoo, the main one first.
PROBES = {
    "rooms": ("rooms", "street", "still_life"),
    "taskonomy": ("taskonomy", "indoor", "coco"),
    "collected": ("taskonomy", "indoor", "coco"),
    "merged": ("taskonomy",),
}


def check_first_run(
    zoo: Zoo, probes: Sequence[str], roots: Mapping[str, str], out: str | os.PathLike[str]
) -> None:
    """Says all at once what a zoo of originals and the paper's probe sets lack, and the commands that bring it.

    Where some of the weights are there, the run itself names the models that it cannot load.

    Raises:
        MissingDataError: no model of the zoo is on disk, or the photographs of a list have no folder.
    """
    if zoo.name not in ZOOS:
        return
    asked = {model.name for model in zoo}
    models = [entry for entry in entries(zoo.name) if entry.name in asked]
    absent = [entry for entry in models if status(entry) in ("not fetched", "by hand")]
    lists = {name: known for name, known in probe_sets().items() if known.source}
    homeless = [probe for probe in probes if probe in lists and probe not in roots]
    if len(absent) < len(models) and not homeless:
        return
    lines = [f"reproduce {zoo.name} needs what is not on this machine yet:", ""]
    if absent:
        by_hand = [entry.name for entry in absent if not entry.downloads]
        lines += [
            f"  weights      {len(absent)} of {len(models)} models, {together(absent)}, to {cache.home() / 'models'}",
            *(f"               {name} has no public address: `tfattr models {name}`" for name in by_hand),
        ]
    for probe in homeless:
        known = lists[probe]
        lines.append(f"  photographs  {probe}: {known.pictures:,} pictures, no folder given ({known.source})")
    given = " ".join(f"--probe-root {probe}={roots.get(probe, 'DIR')}" for probe in probes if probe in lists)
    usual = tuple(probes) == PROBES.get(zoo.name)
    chosen = "" if usual else " ".join(f"--probe {probe}" for probe in probes) + " "
    lines += [
        "",
        "In three commands (what is there is not fetched or computed again):",
        f"  tfattr fetch {zoo.name}         # with --dry-run: every address, size and target",
        f"  tfattr models {zoo.name}        # what is on disk",
        f"  tfattr reproduce {zoo.name} {chosen}{given} --out {out}",
    ]
    raise MissingDataError("\n".join(lines))
