"""Finished shards are read back once: whole, this run's own, and which of their numbers are abnormal.

What was found is kept in ``numbers.json``, so that a rerun reads only what has changed since. On request damaged and
foreign shards are removed, so that they are computed again.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from tfattr.errors import RecordsError
from tfattr.io import read_json, write_json
from tfattr.probe import ProbeImage, read_photo
from tfattr.records import (
    MANIFEST_NAME,
    REPRESENTATION,
    MapRecord,
    RunManifest,
    damaged_shards,
    read_shard,
    representation_directory,
)
from tfattr.runs.directory import MODEL, is_lacking
from tfattr.runs.plan import Plan
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


def map_dirs_with_keys(plan: Plan, manifest: RunManifest, model: str) -> Iterator[tuple[str, Path, str]]:
    """Each folder of a model's shards: the method (or REPRESENTATION), the folder, the key of its records."""
    for method, map_dir in plan.map_dirs(model).items():
        yield method, map_dir, manifest.record_key(model, method)
    yield REPRESENTATION, representation_directory(plan.out, model), manifest.record_key(model)


def remove_damaged(plan: Plan, manifest: RunManifest, model: str, progress: bool = False) -> None:
    """Removes every shard of a model that cannot be trusted, with a warning each, so that it is computed again.

    Raises:
        RecordsError: a folder holds shards of another layout.
    """
    map_dirs = [one for one in map_dirs_with_keys(plan, manifest, model) if one[1].is_dir()]
    bar = tqdm(map_dirs, unit="folder", desc=f"checking {model}", disable=not progress, leave=False)
    for _, map_dir, key in bar:
        for shard, reason in damaged_shards(map_dir, plan.layout, plan.ids, key).items():
            logging.getLogger("tfattr").warning("computing again: %s", reason)
            (map_dir / plan.layout.name(shard)).unlink()


def set_aside_unreadable_manifest(out: Path) -> None:
    """Renames a ``run.json`` that cannot be read; the shards' own record keys say which of them belong to the run."""
    path = out / MANIFEST_NAME
    if path.exists():
        try:
            RunManifest.load(out)
        except RecordsError as error:
            aside = path.with_name(f"{MANIFEST_NAME}.unreadable")
            path.replace(aside)
            logging.getLogger("tfattr").warning("%s; kept as %s and written anew", error, aside.name)


NUMBERS_NAME = "numbers.json"
KINDS = ("not finite", "zero", "denormal")
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


@dataclasses.dataclass(frozen=True)
class AbnormalMaps:
    """Maps of one model and method (or representations) with abnormal numbers.

    Attributes:
        model, method: whose; ``method`` is REPRESENTATION for representations.
        kind: ``not finite`` (a NaN or an infinity), ``zero`` (every value is), ``denormal`` (no value reaches
            the smallest normal float32, 1.2e-38, so that few of its digits are left).
        images: ids of the probe images.
        of: how many images there are.
        layer: for ``not finite``: the first tensor of the forward pass that is not (what
            :func:`tfattr.trunk.finite.first_non_finite` says of the first such image), empty if all are.
    """

    model: str
    method: str
    kind: str
    images: tuple[str, ...]
    of: int
    layer: str | None = None

    def __str__(self) -> str:
        what = "representations" if self.method == REPRESENTATION else f"maps by {self.method}"
        state = {"zero": "all zero", "denormal": "below the smallest normal float32"}.get(
            self.kind, self.kind
        )
        where = f"; the first tensor that is not finite is {self.layer}" if self.layer else ""
        if self.layer == "":
            where = "; every tensor of the forward pass is finite, so it is the backward pass that overflows"
        return (
            f"{self.model}: {len(self.images)} of {self.of} {what} are {state} "
            f"(the first is of {self.images[0]}){where}"
        )


def read_back(
    plan: Plan,
    manifest: RunManifest,
    models: Iterable[ModelSpec | Trunk],
    images: Sequence[ProbeImage],
    progress: bool = True,
) -> list[AbnormalMaps]:
    """Read the shards of these models that were not read back before, or changed since; abnormal numbers of all.

    Raises:
        RecordsError: shards are damaged, missing or another run's; the first is named.
    """
    known, wrong = _read(plan.out), []
    models = [model for model in models if not is_lacking(manifest, model.name, MODEL)]
    bar = tqdm(models, unit="model", desc="reading back", disable=not progress, leave=False)
    for model in bar:
        entry = known.setdefault(model.name, {})
        for method, map_dir, key in map_dirs_with_keys(plan, manifest, model.name):
            if method == REPRESENTATION and not plan.settings.representations:
                continue
            if is_lacking(manifest, model.name, method):
                continue
            stamp = _stamp(map_dir)
            if entry.get(method, {}).get("shards") == stamp:
                continue
            entry.pop("layer", None)
            try:
                entry[method] = {"shards": stamp, "images": len(plan.ids), **_count(plan, map_dir, key)}
            except RecordsError as error:
                entry.pop(method, None)
                wrong.append(str(error))
        if "layer" not in entry and (bad := _first_not_finite(entry)):
            entry["layer"] = _first_layer(model, images[plan.ids.index(bad)])
    write_json(plan.out / NUMBERS_NAME, known, indent=None)
    if wrong:
        more = f" (and {len(wrong) - 1} more folders like it)" if len(wrong) > 1 else ""
        raise RecordsError(f"{wrong[0]}{more}")
    return abnormal_maps(plan.out, [model.name for model in models])


def abnormal_maps(run: str | os.PathLike[str], models: Sequence[str] | None = None) -> list[AbnormalMaps]:
    """What :func:`read_back` found in a run, model by model; nothing if it was never called."""
    known = _read(run)
    return [
        AbnormalMaps(
            model, method, kind, tuple(found[kind]), found["images"], layer if kind == KINDS[0] else None
        )
        for model in (known if models is None else models)
        for layer in [known.get(model, {}).get("layer")]
        for method, found in known.get(model, {}).items()
        if method != "layer"
        for kind in KINDS
        if found[kind]
    ]


def warn_abnormal(abnormal: Iterable[AbnormalMaps]) -> None:
    """One warning each."""
    for one in abnormal:
        logging.getLogger("tfattr").warning("%s", one)


def kind_of(record: MapRecord) -> str | None:
    """Which of ``KINDS`` a stored map is, None for a usual one."""
    if not record.finite:
        return "not finite"
    if record.norm == 0:
        return "zero"
    if record.norm < _SMALLEST_NORMAL * record.stored.size:  # else some value is normal, without looking
        peak = float(np.abs(record.stored).max()) * record.scale
        if peak < _SMALLEST_NORMAL:
            return "denormal"
    return None


def _count(plan: Plan, map_dir: Path, key: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for shard, name in enumerate(plan.layout.names()):
        span = plan.layout.span(shard)
        for record in read_shard(map_dir / name, plan.ids[span.start : span.stop], key):
            kind = kind_of(record)
            if kind is not None:
                found[kind].append(record.id)
    return found


def _first_not_finite(entry: dict[str, Any]) -> str | None:
    for found in entry.values():
        if isinstance(found, dict) and found["not finite"]:
            return found["not finite"][0]
    return None


def _first_layer(model: ModelSpec | Trunk, image: ProbeImage) -> str:
    from tfattr.trunk.finite import first_non_finite

    trunk = model.load() if isinstance(model, ModelSpec) else model
    found = first_non_finite(trunk, trunk.preprocess([read_photo(image.path, exif=image.exif)]))
    return "" if found is None else str(found)


def _stamp(map_dir: Path) -> list[list[Any]]:
    """What tells whether shards were replaced: names, sizes and times."""
    return [
        [path.name, path.stat().st_size, path.stat().st_mtime_ns]
        for path in sorted(map_dir.glob("*.tfrecord"))
    ]


def _read(run: str | os.PathLike[str]) -> dict[str, Any]:
    found = read_json(Path(run) / NUMBERS_NAME)  # it is derived: what is lost is found again
    return found if isinstance(found, dict) else {}
