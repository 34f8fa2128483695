"""A model joins a finished run: its maps are computed, all others are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfattr.affinity import AffinityResult, ImageCosines
from tfattr.affinity.measures import split_entry
from tfattr.errors import SettingsError
from tfattr.records import RunManifest
from tfattr.runs.analysis import analyse, methods_of
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.controls import probe_of
from tfattr.runs.engine import open_engine
from tfattr.runs.results import AFFINITY_NAME, IMAGES_NAME
from tfattr.runs.settings import RunSettings
from tfattr.zoo.spec import ModelSpec


def add_model(
    run: str | os.PathLike[str], spec: ModelSpec, progress: bool = True, **changes: Any
) -> RunManifest:
    """Add one model to a finished run under the run's own settings, and bring affinities and trees up to date.

    The maps of the other models are not computed again, only read; pictures are left as they are
    (``tfattr affinity RUN`` draws them anew).

    Args:
        run: its directory.
        spec: the model.
        progress: bars.
        changes: settings that may differ from the run's (``batch_size``, ``devices``, ``linkage`` and the like).

    Raises:
        ProbeError: the run's probe images are not where they were.
        SettingsError: the run has another model of this name, or a setting would make maps that are not comparable.
    """
    run = Path(run)
    manifest = RunManifest.load(run)
    models = list(manifest.models)
    known = AffinityResult.load(run / AFFINITY_NAME) if (run / AFFINITY_NAME).exists() else None
    own = RunSettings.of_run(manifest, methods_of(run, models))
    settings = own.changed(**changes)
    for name in ("methods", "limit", "exif", "models"):
        old, new = getattr(own, name), getattr(settings, name)
        if old != new:
            raise SettingsError(f"{run}: a model joins with the run's own {name}, {old}; found {new}.")
    if settings.attribution.engine != own.attribution.engine:
        raise SettingsError(
            f"{run}: a model joins with the run's own engine, {own.attribution.engine}; found {settings.engine}."
        )
    spec = settings.prepared(spec)
    with open_engine(settings) as engine:
        manifest = attribute_zoo(
            [spec], probe_of(run), run, settings, runner=engine.runner, progress=progress
        )
        judged = ImageCosines.load(run / IMAGES_NAME).models if (run / IMAGES_NAME).exists() else ()
        if spec.name in judged and not {"grid", "measures", "linkage", "authors_layout"} & set(changes):
            return manifest
        order = dict.fromkeys([*(known.models if known else models), spec.name])
        affinity: dict[str, Any] = {
            "models": tuple(order),
            "linkage": manifest.source.get("linkage", "single"),
        }
        if known:
            before = dict.fromkeys(split_entry(entry)[0] for entry in known.methods)
            affinity["methods"] = tuple(method for method in before if method in own.methods)
            affinity["measures"] = tuple(dict.fromkeys(map(known.measure, known.methods)))
            grids = set(known.grids.values())
            affinity["grid"] = grids.pop() if len(grids) == 1 else None
        analyse(
            run,
            settings.changed(**{**affinity, **{name: changes[name] for name in affinity if name in changes}}),
            progress=progress,
            pictures=False,
            executor=engine.executor,
        )
    return RunManifest.load(run)
