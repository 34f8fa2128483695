"""Maps and representations of every model of a zoo on every probe image; what is there is not computed again."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tqdm import tqdm

from tfattr.compat.building import building
from tfattr.errors import SettingsError, sentence
from tfattr.io import remove_unfinished
from tfattr.precision import describe_device
from tfattr.probe import ProbeSurvey
from tfattr.records import (
    MANIFEST_NAME,
    REPRESENTATION,
    RunManifest,
    check_compatible,
    representation_directory,
)
from tfattr.runs.directory import (
    MODEL,
    Stopwatch,
    add_timing,
    fingerprint,
    is_lacking,
    is_of_the_model,
    lacking_lines,
    locked,
    record_facts,
    record_lacking,
)
from tfattr.runs.feed import Feed
from tfattr.runs.pictures import PREVIEWS_NAME, save_previews
from tfattr.runs.plan import Plan, Work
from tfattr.runs.probes import survey_probe
from tfattr.runs.settings import RunSettings
from tfattr.runs.shard import Outcome, compute_shards
from tfattr.runs.verify import read_back, remove_damaged, set_aside_unreadable_manifest, warn_abnormal
from tfattr.runs.writing import Behind
from tfattr.zoo.loading import warn_stretched
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

_GARBAGE = 128 << 20  # bytes of weights
_NAMED = 10  # unreadable images that are named; run.json holds them all


class Runner(Protocol):
    """Where shards are computed. A context manager; leaving it without an error means that all work is done."""

    def __enter__(self) -> Runner: ...

    def __exit__(self, *error: object) -> None: ...

    def submit(self, trunk: Trunk, works: list[Work]) -> Outcome | None:
        """Compute the works of one model, now or later; None where it is recorded at the end."""


class LocalRunner:
    """In this process, one model after the other, so that one is in memory at a time."""

    def __init__(self, plan: Plan, survey: ProbeSurvey, bar: tqdm) -> None:
        self._plan, self._bar = plan, bar
        # One model alone would keep its images for nobody.
        self._feed, self._behind = Feed(survey.images, shared=plan.models > 1), Behind()

    def __enter__(self) -> LocalRunner:
        self._feed.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._behind.__exit__(*error)
        finally:
            self._feed.__exit__(*error)

    def submit(self, trunk: Trunk, works: list[Work]) -> Outcome:
        self._feed.waited = 0.0
        with Stopwatch() as watch:
            outcome = compute_shards(self._plan, trunk, self._feed, works, self._bar.update, self._behind)
        add_timing(
            self._plan.out,
            trunk.name,
            images=self._plan.images(works),
            maps_s=watch.wall,
            maps_core_s=watch.core,
            wait_s=self._feed.waited,
        )
        return outcome


def attribute_zoo(
    models: Iterable[ModelSpec | Trunk],
    survey: ProbeSurvey,
    out: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    source: Mapping[str, Any] | None = None,
    runner: Any = LocalRunner,
    progress: bool = True,
) -> RunManifest:
    """Compute and store the maps that ``out`` lacks; ``run.json`` is written before the first map of a model.

    A model of which nothing is missing is not loaded, unless its files have changed since. A model that cannot be
    loaded, or a method that fails for it, is named, kept with its reason in ``run.json`` (``lacking``), and left
    out; the next run in the directory tries again.

    Args:
        models: specs of a zoo, or trunks.
        survey: the readable probe images (:func:`tfattr.probe.survey`).
        out: the run's directory; made if missing, locked while this runs.
        settings: those of the maps count. With ``repair`` every shard is read first, and damaged and foreign ones are
            computed again; a ``run.json`` that is lost or cannot be read is written anew, the record keys of the
            shards say which are its.
        source: what ``run.json`` shall say about where the run came from (zoo, probe).
        runner: called with (plan, survey, bar); :class:`LocalRunner`, or a cluster's.
        progress: a bar with images/s and the time left.

    Returns:
        The run's manifest as it stands on disk.

    Raises:
        SettingsError: the directory holds a run of other settings, probe images or weights, or another process
            is at work in it.
        RecordsError: the directory holds damaged shards or those of another run, or the disk refuses.
        ModelFileError, GraphError: a model cannot be loaded (with ``strict``, or if there is no other).
    """
    models, out = list(models), Path(out)
    warn_stretched(models)
    settings = (settings or RunSettings()).continued(out)
    ids, recorded = tuple(image.id for image in survey.images), settings.recorded
    if settings.tf32 and describe_device(True)["precision"] != "float32":
        recorded["precision"] = "tf32"
    if any(image.exif == "stored" for image in survey.images):
        recorded["exif"] = "stored"
    wanted = RunManifest.make([], survey, recorded, _described(models, source))
    plan = Plan(out, ids, settings, wanted.digest, len(models))
    bar = tqdm(
        total=len(models) * len(ids), unit="image", disable=not progress, dynamic_ncols=True, smoothing=0.1
    )
    with locked(out), _cleared(plan, models):
        if settings.repair:
            set_aside_unreadable_manifest(out)
            (out / PREVIEWS_NAME).unlink(missing_ok=True)
        _opened(out, wanted, settings.repair)
        save_previews(out, survey.images)
        run = _Run(plan, survey, recorded, bar)
        with bar, LoadAhead() as ahead, runner(plan, survey, bar) as running:
            for number, model in enumerate(models):
                bar.set_postfix_str(model.name)
                run.submit(running, ahead, model, models[number + 1 :])
                run.garbage.collect()
        manifest = RunManifest.load(out)
        _refuse_nothing(manifest, models, plan, run.first)
        warn_abnormal(read_back(plan, manifest, models, survey.images, progress))
        return manifest


class Garbage:
    """Collects trunks that were dropped: their graphs refer to each other, so that several would pile up.

    Not one by one: with TensorFlow's own million objects, a collection takes longer than to load a small model.
    """

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, trunk: Trunk) -> None:
        """A trunk that is about to be dropped."""
        self._bytes += sum(weights.nbytes for weights in trunk.inference.weights.values())

    def collect(self) -> None:
        """Collects what was dropped, if it holds enough memory."""
        if self._bytes > _GARBAGE:
            gc.collect()
            self._bytes = 0


class Loaded(NamedTuple):
    """A trunk, and the seconds of wall clock and processor that loading it took."""

    trunk: Trunk
    wall: float
    core: float


class LoadAhead:
    """Loads models, the next one ahead; a context manager. At most one trunk waits in memory."""

    def __enter__(self) -> LoadAhead:
        self._pool = ThreadPoolExecutor(1, "tfattr-loader")
        self._next: tuple[ModelSpec, Future] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._next = None
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, models: Iterable[ModelSpec | Trunk]) -> None:
        """Starts to load the first of ``models`` that is a spec, unless one is on its way."""
        model = next((one for one in models if isinstance(one, ModelSpec)), None)
        if model is not None and self._next is None:
            self._next = model, self._pool.submit(_load, model)

    def load(self, model: ModelSpec | Trunk) -> Loaded:
        """The model's trunk; raises what loading it raised."""
        if not isinstance(model, ModelSpec):
            return Loaded(model, 0.0, 0.0)
        ahead, self._next = self._next, None
        if ahead is not None and ahead[0] is model:
            return ahead[1].result()
        if ahead is not None:
            ahead[1].cancel()
        return _load(model)


def _load(model: ModelSpec) -> Loaded:
    # An analyzer that is built in another thread turns Keras to graph mode for the whole process.
    with building:
        wall, core = time.perf_counter(), time.thread_time()
        trunk = model.load()
        return Loaded(trunk, time.perf_counter() - wall, time.thread_time() - core)


def compute_maps(
    zoo: str | os.PathLike[str] | Iterable[ModelSpec | Trunk],
    probe: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: RunSettings,
    probe_root: str | os.PathLike[str] | None = None,
    runner: Any = LocalRunner,
    progress: bool = True,
) -> tuple[RunSettings, RunManifest]:
    """The first step of :func:`tfattr.run` alone.

    Returns:
        the settings with the names of the models and methods, as the directory has them; the manifest.
    """
    models = settings.models_of(zoo)
    settings = settings.continued(out)
    settings = settings.changed(methods=settings.attribution.methods)
    survey = survey_probe(probe, probe_root, settings.limit, settings.strict, settings.exif or "upright")
    for skipped in survey.skipped[:_NAMED]:
        logging.getLogger("tfattr").warning("skipped %s: %s", skipped.id, skipped.reason)
    if len(survey.skipped) > _NAMED:
        logging.getLogger("tfattr").warning(
            "skipped %d of %d images in all; run.json names each.",
            len(survey.skipped),
            len(survey.skipped) + len(survey.images),
        )
    source = {
        "zoo": zoo if isinstance(zoo, str) else models.name,
        "probe": os.fspath(probe),
        "probe_root": None if probe_root is None else os.fspath(probe_root),
        "limit": settings.limit,
    }
    manifest = attribute_zoo(models, survey, out, settings, source=source, runner=runner, progress=progress)
    return settings.changed(models=[model.name for model in models]), manifest


class _Run:
    """The models of a run, one after the other.

    Attributes:
        first: the first error that the run went on after.
        garbage: the trunks that it has dropped.
    """

    def __init__(self, plan: Plan, survey: ProbeSurvey, recorded: Mapping[str, Any], bar: tqdm) -> None:
        self._plan, self._survey, self._recorded, self._bar = plan, survey, recorded, bar
        self.garbage = Garbage()
        self.first: Exception | None = None

    def submit(
        self,
        running: Runner,
        ahead: LoadAhead,
        model: ModelSpec | Trunk,
        later: Sequence[ModelSpec | Trunk],
    ) -> None:
        """Hands what a model lacks to the runner; it is loaded only if something is, or its files changed."""
        plan, bar, loaded = self._plan, self._bar, None
        stamp, known = self._known(model)
        try:
            if not known:
                loaded = self._loaded(ahead, model, stamp)
            if plan.settings.repair:
                remove_damaged(plan, RunManifest.load(plan.out), model.name, not bar.disable)
            works = plan.missing(model.name)
            bar.update(len(plan.ids) - plan.images(works))
            if works and loaded is None:
                loaded = self._loaded(ahead, model, stamp)
        except _LoadingError as error:
            self._lacks(model, {MODEL: error.__cause__})
            return
        ahead.begin(one for one in later if self._is_needed(one))
        outcome: Outcome | None = Outcome({}, {})
        if works:
            add_timing(plan.out, model.name, load_s=loaded.wall, load_core_s=loaded.core)
            outcome = running.submit(loaded.trunk, works)
        if outcome is not None:
            self._lacks(model, outcome.failed)
            if outcome.facts:
                record_facts(plan.out, describe_device(plan.settings.tf32), model.name, outcome.facts)
        if loaded is not None:
            self.garbage.add(loaded.trunk)

    def _known(self, model: ModelSpec | Trunk) -> tuple[str | None, bool]:
        """The fingerprint of a model's files, and whether the run was made from them."""
        stamp = fingerprint(model) if isinstance(model, ModelSpec) else None
        manifest = RunManifest.load(self._plan.out)
        unchanged = stamp is not None and manifest.source.get("files", {}).get(model.name) == stamp
        return stamp, unchanged and model.name in manifest.models

    def _is_needed(self, model: ModelSpec | Trunk) -> bool:
        return not self._known(model)[1] or bool(self._plan.missing(model.name))

    def _loaded(self, ahead: LoadAhead, model: ModelSpec | Trunk, stamp: str | None) -> Loaded:
        """The trunk; the manifest on disk then names it. Another model of this name is refused."""
        try:
            loaded = ahead.load(model)
        except Exception as error:
            if self._plan.settings.strict or self._plan.models == 1 or not is_of_the_model(error):
                raise
            raise _LoadingError from error
        source = {"files": {model.name: stamp}} if stamp is not None else {}
        _opened(self._plan.out, RunManifest.make([loaded.trunk], self._survey, self._recorded, source))
        return loaded

    def _lacks(self, model: ModelSpec | Trunk, failed: Mapping[str, Exception]) -> None:
        tried = (MODEL, *self._plan.methods, REPRESENTATION)
        record_lacking(
            self._plan.out, model.name, tried, {what: sentence(why) for what, why in failed.items()}
        )
        for what, why in failed.items():
            self.first = self.first or why
            logging.getLogger("tfattr").warning(
                "%s: goes on without %s: %s",
                model.name,
                "this model" if what == MODEL else "its representations" if what == REPRESENTATION else what,
                sentence(why),
            )


class _LoadingError(Exception):
    """A model cannot be loaded; the cause says why."""


def _refuse_nothing(
    manifest: RunManifest, models: Sequence[ModelSpec | Trunk], plan: Plan, first: Exception | None
) -> None:
    """Raises the reason where no model has maps by any method."""
    methods = plan.methods
    if all(is_lacking(manifest, model.name, method) for model in models for method in methods):
        if first is not None:
            raise first
        told = lacking_lines(manifest, [model.name for model in models], methods)
        raise SettingsError(f"{plan.out}: no model has maps; {told[0]}")


def _described(models: list[ModelSpec | Trunk], source: Mapping[str, Any] | None) -> dict[str, Any]:
    """The run's source with the groups and tasks that specs state."""
    stated = [model for model in models if isinstance(model, ModelSpec)]
    groups = {model.name: model.group for model in stated if model.group}
    tasks = {model.name: model.task for model in stated if model.task}
    return {**(source or {}), "groups": groups, "tasks": tasks}


def _opened(out: Path, wanted: RunManifest, repair: bool = False) -> RunManifest:
    """The manifest on disk with the wanted models and sources added, written if that changes it."""
    if not (out / MANIFEST_NAME).exists():
        if not repair and any(out.glob("attributions/*")):
            raise SettingsError(
                f"{out}: found attributions but no {MANIFEST_NAME} that says which run they are of; use another "
                "--out, or the same command with --repair, which keeps those that it would have made."
            )
        wanted.save(out)
        return wanted
    found = RunManifest.load(out)
    for note in check_compatible(found, wanted, where=out / MANIFEST_NAME):
        logging.getLogger("tfattr").info("%s: %s", out / MANIFEST_NAME, note)
    together = found.with_models_of(wanted)
    if together != found:
        together.save(out)
    return together


@contextmanager
def _cleared(plan: Plan, models: list[ModelSpec | Trunk]) -> Iterator[None]:
    """Removes what killed writers left, before and after an error; the lock says that nobody else is writing."""
    folders = [plan.out, plan.out / "figures"]
    for model in models:
        folders += [*plan.map_dirs(model.name).values(), representation_directory(plan.out, model.name)]
    for folder in folders:
        remove_unfinished(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in folders:
                remove_unfinished(folder)
        raise
