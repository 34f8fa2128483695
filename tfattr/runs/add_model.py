"""A model joins a finished run: its maps are computed, all others are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr.affinity import AffinityResult, ImageCosines, rank
from tfattr.affinity.measures import choose_entry, split_entry
from tfattr.attribution import AttributionSettings
from tfattr.attribution.settings import default_engine
from tfattr.evaluation import interval, resamples
from tfattr.records import RunManifest
from tfattr.runs.analysis import AFFINITY_NAME, IMAGES_NAME, affinity_states, methods_of
from tfattr.runs.attribution import RecordSettings, attribute_zoo
from tfattr.runs.controls import probe_of
from tfattr.zoo.spec import ModelSpec


@dataclass(frozen=True)
class Source:
    """A candidate source: its affinity with the target, and the 95 % bootstrap interval over probe images."""

    model: str
    affinity: float
    interval: tuple[float, float]


def add_model(run: str | os.PathLike[str], spec: ModelSpec, progress: bool = True) -> RunManifest:
    """Add one model to a finished run under the run's own settings, and bring its affinities up to date.

    The maps of the other models are not computed again, only read; trees and pictures are left as they are
    (``tfattr affinity RUN`` draws them anew).

    Raises:
        ProbeError: the run's probe images are not where they were.
        SettingsError: the run has another model of this name.
    """
    run = Path(run)
    manifest = RunManifest.load(run)
    settings = manifest.settings
    models = list(manifest.models)
    methods = methods_of(run, models)
    manifest = attribute_zoo(
        [spec],
        probe_of(run),
        run,
        AttributionSettings(
            methods,
            # The default's own choice: a graph that iNNvestigate does not take is given to the engine native.
            engine=None if settings["engine"] == default_engine() else settings["engine"],
            target=settings["target"],
            epsilon=settings["epsilon"],
            options=settings["options"],
        ),
        RecordSettings(settings["channels"], settings["dtype"], settings["images_per_shard"]),
        progress=progress,
    )
    if spec.name not in _judged(run):
        known = AffinityResult.load(run / AFFINITY_NAME) if (run / AFFINITY_NAME).exists() else None
        order = [*(known.models if known else models)]
        order += [] if spec.name in order else [spec.name]
        grid = known.grids[known.methods[0]] if known else None
        before = [split_entry(entry)[0] for entry in known.methods] if known else methods
        ordered = [method for method in dict.fromkeys(before) if method in methods]
        measures = list(dict.fromkeys(map(known.measure, known.methods))) if known else None
        states = affinity_states(run, order, ordered, grid, progress, keep_images=True, measures=measures)
        AffinityResult.from_states(states).save(run / AFFINITY_NAME)
        ImageCosines.from_states(states, manifest.ids).save(run / IMAGES_NAME)
    return manifest


def rank_sources(
    run: str | os.PathLike[str],
    target: str,
    method: str = "grad_input",
    measure: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> list[Source]:
    """The models of a run as sources for one of them, best first, with intervals over probe images.

    Args:
        run: its directory.
        target: a model of the run.
        method: of attribution, or an entry's whole name.
        measure: of the affinity; None takes the cosines, or the only measure that the run has.
        draws: bootstrap resamples of the images.
        seed: of the resamples.

    Raises:
        RecordsError: the run lacks its affinity.
        SettingsError: no such model, method or measure.
    """
    cosines = ImageCosines.load(Path(run) / IMAGES_NAME)
    method = choose_entry(cosines.methods, method, measure)
    ranked = rank(cosines.mean(method), target, cosines.models)
    sampled = cosines.mean(method, resamples(len(cosines.images), draws, seed))
    row = cosines.models.index(target)
    return [
        Source(model, value, interval(sampled[:, row, cosines.models.index(model)]))
        if np.isfinite(value)
        else Source(model, value, (np.nan, np.nan))
        for model, value in ranked
    ]


def _judged(run: Path) -> tuple[str, ...]:
    path = run / IMAGES_NAME
    return ImageCosines.load(path).models if path.exists() else ()
