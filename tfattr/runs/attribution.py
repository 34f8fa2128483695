"""Maps and representations of every model of a zoo on every probe image; what is there is not computed again."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm.auto import tqdm

from tfattr.attribution import AttributionSettings
from tfattr.errors import SettingsError
from tfattr.probe import ProbeSurvey
from tfattr.records import (
    MANIFEST_NAME,
    RunManifest,
    check_compatible,
    remove_unfinished,
    representation_directory,
)
from tfattr.runs.feed import Feed
from tfattr.runs.fingerprint import fingerprint
from tfattr.runs.lock import locked
from tfattr.runs.pictures import PREVIEWS_NAME, save_previews
from tfattr.runs.readback import read_back, say_odd
from tfattr.runs.repair import remove_damaged, set_aside_unreadable_manifest
from tfattr.runs.shard import Plan, RecordSettings, Work, compute_shards
from tfattr.runs.timing import Stopwatch, add_model
from tfattr.runs.writing import Behind
from tfattr.zoo.loading import warn_stretched
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

__all__ = ["LocalRunner", "RecordSettings", "Runner", "attribute_zoo", "run_settings"]


class Runner(Protocol):
    """Where shards are computed. A context manager; leaving it without an error means that all work is done."""

    def __enter__(self) -> Runner: ...

    def __exit__(self, *error: object) -> None: ...

    def submit(self, trunk: Trunk, works: list[Work]) -> None:
        """Compute the works of one model, now or later."""


class LocalRunner:
    """In this process, one model after the other, so that one is in memory at a time."""

    def __init__(self, plan: Plan, survey: ProbeSurvey, bar: tqdm) -> None:
        self._plan, self._bar = plan, bar
        self._feed, self._behind = Feed(survey.images), Behind()

    def __enter__(self) -> LocalRunner:
        self._feed.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._behind.__exit__(*error)
        finally:
            self._feed.__exit__(*error)

    def submit(self, trunk: Trunk, works: list[Work]) -> None:
        self._feed.waited = 0.0
        with Stopwatch() as watch:
            compute_shards(self._plan, trunk, self._feed, works, self._bar.update, self._behind)
        add_model(
            self._plan.out,
            trunk.name,
            images=sum(len(self._plan.layout.span(work.shard)) for work in works),
            maps_s=watch.wall,
            maps_core_s=watch.core,
            wait_s=self._feed.waited,
        )


def run_settings(attribution: AttributionSettings, records: RecordSettings) -> dict[str, Any]:
    """What must agree between a run and the directory that it continues in."""
    return {
        "engine": attribution.engine,
        "target": attribution.target,
        "epsilon": attribution.epsilon,
        "options": dict(attribution.options),
        "channels": records.channels,
        "dtype": records.dtype,
        "images_per_shard": records.images_per_shard,
    }


def attribute_zoo(
    models: Iterable[ModelSpec | Trunk],
    survey: ProbeSurvey,
    out: str | os.PathLike[str],
    attribution: AttributionSettings | None = None,
    records: RecordSettings | None = None,
    batch_size: int | None = None,
    progress: bool = True,
    representations: bool = True,
    repair: bool = False,
    source: Mapping[str, Any] | None = None,
    runner: Any = LocalRunner,
) -> RunManifest:
    """Compute and store the maps that ``out`` lacks; ``run.json`` is written before the first map of a model.

    A model of which nothing is missing is not loaded, unless its files have changed since.

    Args:
        models: specs of a zoo, or trunks.
        survey: the readable probe images (:func:`tfattr.probe.survey`).
        out: the run's directory; made if missing, locked while this runs.
        attribution: methods, engine, target, epsilon.
        records: how maps are stored.
        batch_size: images at a time; None fits it to each model's input size.
        progress: a bar with images/s and the time left.
        representations: also keep the trunks' outputs, for the rivals.
        repair: first read every shard, and remove damaged and foreign ones so that they are computed again; a
            ``run.json`` that is lost or cannot be read is written anew, the shards' marks say which are its.
        source: what ``run.json`` shall say about where the run came from (zoo, probe).
        runner: called with (plan, survey, bar); :class:`LocalRunner`, or a cluster's.

    Returns:
        The run's manifest as it stands on disk.

    Raises:
        SettingsError: the directory holds a run of other settings, probe images or weights, or another process
            is at work in it.
        RecordsError: the directory holds damaged shards or those of another run, or the disk refuses.
        ModelFileError, GraphError: a model cannot be loaded.
    """
    models, out = list(models), Path(out)
    warn_stretched(models)
    attribution, records = attribution or AttributionSettings(), records or RecordSettings()
    ids = tuple(image.id for image in survey.images)
    settings = run_settings(attribution, records)
    if any(image.exif == "stored" for image in survey.images):
        settings["exif"] = "stored"
    wanted = RunManifest.make([], survey, settings, _described(models, source))
    plan = Plan(out, ids, attribution, records, representations, batch_size, wanted.digest)
    bar = tqdm(
        total=len(models) * len(ids), unit="image", disable=not progress, dynamic_ncols=True, smoothing=0.1
    )
    with locked(out), _cleared(plan, models):
        if repair:
            set_aside_unreadable_manifest(out)
            (out / PREVIEWS_NAME).unlink(missing_ok=True)
        _opened(out, wanted, repair)
        save_previews(out, survey.images)
        with bar, runner(plan, survey, bar) as running:
            for model in models:
                bar.set_postfix_str(model.name)
                _submit(running, model, plan, survey, settings, bar, repair)
                gc.collect()  # a trunk's graphs refer to each other; left to themselves, several would pile up
        manifest = RunManifest.load(out)
        say_odd(read_back(plan, manifest, models, survey.images, progress))
        return manifest


def _submit(
    running: Runner,
    model: ModelSpec | Trunk,
    plan: Plan,
    survey: ProbeSurvey,
    settings: Mapping[str, Any],
    bar: tqdm,
    repair: bool,
) -> None:
    mark = fingerprint(model) if isinstance(model, ModelSpec) else None
    manifest = RunManifest.load(plan.out)
    unchanged = mark is not None and manifest.source.get("files", {}).get(model.name) == mark
    trunk = None
    with Stopwatch() as watch:
        if not (unchanged and model.name in manifest.models):
            trunk, manifest = _loaded(model, mark, plan, survey, settings)
        if repair:
            remove_damaged(plan, manifest, model.name, not bar.disable)
        works = plan.missing(model.name)
        bar.update(len(plan.ids) - sum(len(plan.layout.span(work.shard)) for work in works))
        if works and trunk is None:
            trunk, _ = _loaded(model, mark, plan, survey, settings)
    if works:
        add_model(plan.out, model.name, load_s=watch.wall, load_core_s=watch.core)
        running.submit(trunk, works)


def _loaded(
    model: ModelSpec | Trunk, mark: str | None, plan: Plan, survey: ProbeSurvey, settings: Mapping[str, Any]
) -> tuple[Trunk, RunManifest]:
    """The trunk, and the manifest on disk, which now names it; another model of this name is refused."""
    trunk = model.load() if isinstance(model, ModelSpec) else model
    source = {"files": {model.name: mark}} if mark is not None else {}
    return trunk, _opened(plan.out, RunManifest.make([trunk], survey, settings, source))


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
    check_compatible(found, wanted, where=out / MANIFEST_NAME)
    together = found.with_models_of(wanted)
    if together != found:
        together.save(out)
    return together


@contextmanager
def _cleared(plan: Plan, models: list[ModelSpec | Trunk]) -> Iterator[None]:
    """Removes what killed writers left, before and after an error; the lock says that nobody else is writing."""
    folders = [plan.out, plan.out / "figures"]
    for model in models:
        folders += [*plan.homes(model.name).values(), representation_directory(plan.out, model.name)]
    for folder in folders:
        remove_unfinished(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in folders:
                remove_unfinished(folder)
        raise
