"""From a run's maps to its affinity, trees and pictures."""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tfattr.affinity import (
    AffinityResult,
    AffinityState,
    AffinityWarning,
    ImageCosines,
)
from tfattr.affinity.measures import DEFAULT_MEASURE, PART_MEASURES, described, entry_name, find_measure
from tfattr.affinity.streaming import fill_states
from tfattr.errors import RecordsError
from tfattr.io import write_text
from tfattr.records import REPRESENTATION, RunManifest, map_directory
from tfattr.runs.directory import MODEL, Stopwatch, is_lacking, set_affinity
from tfattr.runs.pictures import draw
from tfattr.runs.results import AFFINITY_NAME, IMAGES_NAME, AffinityError, tree_of
from tfattr.runs.settings import RunSettings


def compute_affinity(run: str | os.PathLike[str], *, progress: bool = True, **changes: Any) -> AffinityResult:
    """Affinity matrices from the maps of a run; nothing is written.

    Args:
        run: the run's directory.
        progress: a bar per method.
        changes: of :class:`tfattr.RunSettings`: ``models``, in the order that the matrices shall have, all of the run if
            None; ``methods``, all that every model has maps of if None; ``grid``, see :func:`tfattr.affinity.common_grid`;
            ``measures``, :func:`default_measures` if None.

    Raises:
        RecordsError: the run, a model's maps or a shard is missing or damaged.
        SettingsError: no such measure.
    """
    return AffinityResult.from_states(
        affinity_states(run, RunSettings().changed(**changes), progress=progress)
    )


def affinity_states(
    run: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    progress: bool = True,
    keep_images: bool = False,
    executor: Any = None,
) -> dict[str, AffinityState]:
    """The states behind :func:`compute_affinity`, by method and measure (:func:`tfattr.affinity.entry_name`).

    With ``keep_images`` they also hold each image's own comparisons. Models that the run went on without
    (``lacking`` in ``run.json``) are in them, without maps; a method that all lack is not.

    ``executor``: a cluster's (:class:`tfattr.runs.beam.BeamEngine`); None computes them here.
    """
    run, settings = Path(run), settings or RunSettings()
    manifest, grid = RunManifest.load(run), settings.grid
    models = list(settings.models or manifest.names)
    methods = list(settings.methods or methods_of(run, models))
    there = {
        method: [model for model in models if not is_lacking(manifest, model, method)] for method in methods
    }
    methods = [method for method in methods if there[method]]
    measures = [find_measure(name) for name in settings.measures or default_measures(manifest)]
    if executor is not None:
        names = tuple(measure.name for measure in measures)
        found: dict[str, AffinityState] = {}
        for some in dict.fromkeys(tuple(there[method]) for method in methods):
            alike = [method for method in methods if tuple(there[method]) == some]
            found.update(executor.affinity(run, some, alike, manifest.ids, grid, keep_images, names))
        return {entry: state.widened(models) for entry, state in found.items()}
    states: dict[str, AffinityState] = {}
    with tqdm(
        total=len(methods) * len(manifest.ids), unit="image", disable=not progress, dynamic_ncols=True
    ) as bar:
        for method in methods:
            bar.set_postfix_str(f"affinity by {method}")
            filled = {
                entry_name(method, measure.name): AffinityState.empty(
                    there[method], grid, keep_images, measure
                )
                for measure in measures
            }
            map_dirs = {model: map_directory(run, model, method) for model in there[method]}
            fill_states(list(filled.values()), map_dirs, ids=manifest.ids, progress=bar.update)
            states.update({entry: state.widened(models) for entry, state in filled.items()})
    return states


def default_measures(manifest: RunManifest) -> tuple[str, ...]:
    """The measures that a run's maps are compared by where none is named: the cosine; of channels the spans'."""
    return (
        PART_MEASURES
        if str(manifest.settings.get("target", "")).startswith("channels")
        else (DEFAULT_MEASURE,)
    )


def analyse(
    run: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    progress: bool = True,
    pictures: bool = True,
    executor: Any = None,
) -> AffinityResult:
    """Write ``affinity.npz``, ``affinity_images.npz``, ``tree_<method>.nwk`` and ``figures/`` of a run.

    Args:
        run: the run's directory.
        settings: ``grid``, ``measures``, ``linkage``, ``authors_layout`` count, and ``models`` and ``methods``, all of
            the run if None; see :func:`compute_affinity`.
        progress: a bar per method.
        pictures: also draw them.
        executor: see :func:`affinity_states`.
    """
    run, settings = Path(run), settings or RunSettings()
    manifest = RunManifest.load(run)
    with Stopwatch() as watch:
        states = affinity_states(run, settings, progress=progress, keep_images=True, executor=executor)
        result = AffinityResult.from_states(states)
    result.save(run / AFFINITY_NAME)
    compared = {
        entry: f"{result.measure(entry)}: {described(result.measure(entry))}" for entry in result.methods
    }
    source = {**manifest.source, "measures": compared, "linkage": settings.linkage}
    dataclasses.replace(manifest, source=source).save(run)
    ImageCosines.from_states(states, manifest.ids).save(run / IMAGES_NAME)
    pairs = len(result.models) * (len(result.models) - 1) // 2
    core = watch.core + (executor.core_s if executor is not None else 0)
    set_affinity(run, pairs=pairs, images=len(manifest.ids), methods=len(states), s=watch.wall, core_s=core)
    if settings.authors_layout:
        result.save_authors_layout(run)
    trees = {}
    for method in result.methods if len(result.models) > 1 else ():
        try:
            trees[method], without = tree_of(result, method, settings.linkage)
        except AffinityError as error:
            warnings.warn(str(error), AffinityWarning, stacklevel=2)
            continue
        if without:
            told = "the tree by %s is without %s: no maps of them to compare."
            logging.getLogger("tfattr").warning(told, method, ", ".join(without))
        write_text(run / f"tree_{method}.nwk", trees[method].to_newick() + "\n")
    if pictures:
        draw(run, result, trees, manifest.source.get("groups", {}))
    return result


def methods_of(run: Path, models: Sequence[str]) -> tuple[str, ...]:
    """Methods that every model has maps of, in the order of the first model's folders.

    What the run went on without (``lacking`` in ``run.json``) counts as there, unless all lack it.
    """
    manifest, found = RunManifest.load(run), []
    for model in models:
        if is_lacking(manifest, model, MODEL):
            continue
        map_dir = run / "attributions" / model
        found.append(
            {path.name for path in map_dir.iterdir() if path.is_dir()} if map_dir.is_dir() else set()
        )
        if not found[-1]:
            raise RecordsError(f"{map_dir}: no maps of this model; compute them with `tfattr attribute`.")
        found[-1] |= set(manifest.lacking.get(model, {}))
    if not found:
        raise RecordsError(f"{run}: no model of this run has maps; compute them with `tfattr run`.")
    common = set.intersection(*found) - {REPRESENTATION}
    order = ["saliency", "grad_input", "elrp"]
    return (*(method for method in order if method in common), *sorted(common.difference(order)))
