"""Damaged and foreign shards of a run: found by checksums, image ids and record keys, removed on request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from tfattr.errors import RecordsError
from tfattr.records import (
    MANIFEST_NAME,
    REPRESENTATION,
    RunManifest,
    damaged_shards,
    representation_directory,
)
from tfattr.runs.plan import Plan


def map_dirs_with_keys(plan: Plan, manifest: RunManifest, model: str) -> Iterator[tuple[str, Path, str]]:
    """Each folder of a model's shards: the method (or REPRESENTATION), the folder, the key of its records."""
    for method, map_dir in plan.map_dirs(model).items():
        yield method, map_dir, manifest.record_key(model, method)
    yield REPRESENTATION, representation_directory(plan.out, model), manifest.record_key(model)


def find_damaged(plan: Plan, manifest: RunManifest, model: str, progress: bool = False) -> dict[Path, str]:
    """Every shard of a model that cannot be trusted: its path and what is wrong with it.

    Raises:
        RecordsError: a folder holds shards of another layout.
    """
    map_dirs = [one for one in map_dirs_with_keys(plan, manifest, model) if one[1].is_dir()]
    wrong = {}
    bar = tqdm(map_dirs, unit="folder", desc=f"checking {model}", disable=not progress, leave=False)
    for _, map_dir, key in bar:
        for shard, reason in damaged_shards(map_dir, plan.layout, plan.ids, key).items():
            wrong[map_dir / plan.layout.name(shard)] = reason
    return wrong


def remove_damaged(plan: Plan, manifest: RunManifest, model: str, progress: bool = False) -> dict[Path, str]:
    """Removes what :func:`find_damaged` finds, with a warning that names each, so that it is computed again."""
    wrong = find_damaged(plan, manifest, model, progress)
    for path, reason in wrong.items():
        logging.getLogger("tfattr").warning("computing again: %s", reason)
        path.unlink()
    return wrong


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
