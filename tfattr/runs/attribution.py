"""Maps of every model of a zoo on every probe image, shard by shard; what is there is not computed again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from tfattr.attribution import AttributionSettings, attributions
from tfattr.errors import SettingsError
from tfattr.probe import ProbeSurvey
from tfattr.records import (
    IMAGES_PER_SHARD,
    MANIFEST_NAME,
    RunManifest,
    ShardLayout,
    ShardWriter,
    check_compatible,
    map_directory,
    remove_unfinished,
)
from tfattr.runs.feed import batches, default_batch_size
from tfattr.runs.pictures import save_previews
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class RecordSettings:
    """How maps are stored: ``channels`` mean or all, ``dtype`` float16 or float32, images a shard."""

    channels: str = "mean"
    dtype: str = "float16"
    images_per_shard: int = IMAGES_PER_SHARD


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
) -> RunManifest:
    """Compute and store the maps that ``out`` lacks; ``run.json`` is written before the first map of a model.

    Models are loaded one after the other, so that one is in memory at a time.

    Args:
        models: specs of a zoo, or trunks.
        survey: the readable probe images (:func:`tfattr.probe.survey`).
        out: the run's directory; made if missing.
        attribution: methods, engine, target, epsilon.
        records: how maps are stored.
        batch_size: images at a time; None fits it to each model's input size.
        progress: a bar with images/s and the time left.

    Returns:
        The run's manifest as it stands on disk.

    Raises:
        SettingsError: the directory holds a run of other settings, probe images or weights.
        RecordsError: the directory holds shards of another run.
        ModelFileError, GraphError: a model cannot be loaded.
    """
    models, out = list(models), Path(out)
    attribution, records = attribution or AttributionSettings(), records or RecordSettings()
    layout = ShardLayout(len(survey.images), records.images_per_shard)
    settings = run_settings(attribution, records)
    manifest = _opened(out, RunManifest.make([], survey, settings))
    save_previews(out, survey.images)
    bar = tqdm(
        total=len(models) * len(survey.images),
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
        smoothing=0.1,
    )
    with bar:
        for model in models:
            bar.set_postfix_str(model.name)
            trunk = model.load() if isinstance(model, ModelSpec) else model
            manifest = _opened(out, RunManifest.make([trunk], survey, settings))
            _attribute_model(trunk, out, survey, manifest, layout, attribution, records, batch_size, bar)
    return manifest


def _opened(out: Path, wanted: RunManifest) -> RunManifest:
    """The manifest on disk with the wanted models added, written if that changes it."""
    if not (out / MANIFEST_NAME).exists():
        strangers = [path.name for path in out.glob("attributions/*")] if out.exists() else []
        if strangers:
            raise SettingsError(
                f"{out}: found attributions but no {MANIFEST_NAME} that says which run they are of; "
                "use another --out, or remove them."
            )
        wanted.save(out)
        return wanted
    found = RunManifest.load(out)
    check_compatible(found, wanted, where=out / MANIFEST_NAME)
    if set(wanted.models) <= set(found.models):
        return found
    together = found.with_models_of(wanted)
    together.save(out)
    return together


def _attribute_model(
    trunk: Trunk,
    out: Path,
    survey: ProbeSurvey,
    manifest: RunManifest,
    layout: ShardLayout,
    attribution: AttributionSettings,
    records: RecordSettings,
    batch_size: int | None,
    bar: tqdm,
) -> None:
    homes = {method: map_directory(out, trunk.name, method) for method in attribution.methods}
    missing = {}
    for method, home in homes.items():
        remove_unfinished(home)
        missing[method] = set(layout.missing(home))
    size = batch_size or default_batch_size(trunk.preprocessing.size)
    for shard in range(layout.count):
        span = layout.span(shard)
        methods = tuple(method for method in attribution.methods if shard in missing[method])
        if not methods:
            bar.update(len(span))
            continue
        wanted = dataclasses.replace(attribution, methods=methods)
        with contextlib.ExitStack() as stack:
            writers = {
                method: stack.enter_context(
                    ShardWriter(
                        homes[method],
                        layout,
                        shard,
                        manifest.ids,
                        channels=records.channels,
                        dtype=records.dtype,
                    )
                )
                for method in methods
            }
            for batch in batches(survey.images[span.start : span.stop], trunk.preprocessing, size):
                for method, maps in attributions(trunk, batch, wanted).items():
                    writers[method].add(maps)
                bar.update(len(batch))
