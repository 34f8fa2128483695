"""Trunks on their way to workers: files below the run's directory, and what the workers say they took."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.io import read_json, remove_unfinished, write_json
from tfattr.records import representation_directory

if TYPE_CHECKING:
    from tfattr.runs.shard import Plan
    from tfattr.trunk.trunk import Trunk

TRUNKS_NAME = ".trunks"
_NOTE, _OUTCOME = "took-{:05d}.json", "outcome-{:05d}.json"


def trunk_folder(out: str | os.PathLike[str], model: str) -> Path:
    """Where a model's trunk lies while a run is computed: ``<out>/.trunks/<model>``."""
    return Path(out) / TRUNKS_NAME / model


def save_trunk(out: str | os.PathLike[str], trunk: Trunk) -> str:
    """Writes a trunk for the workers; returns the sha256 of its graph."""
    trunk.save(trunk_folder(out, trunk.name))
    return trunk.provenance["graph_sha256"]


def remove_trunks(out: str | os.PathLike[str]) -> None:
    """Removes the trunks; tasks that still run stop at their next shard."""
    shutil.rmtree(Path(out) / TRUNKS_NAME, ignore_errors=True)


def remove_halves(plan: Plan, models: Iterable[str]) -> None:
    """Removes what killed workers left of shards that others finished; for when no task runs any more."""
    for model in models:
        for map_dir in (*plan.map_dirs(model).values(), representation_directory(plan.out, model)):
            remove_unfinished(map_dir)


def write_note(out: str | os.PathLike[str], model: str, first_shard: int, amounts: dict[str, float]) -> None:
    """What one task took; a repetition of the task replaces it."""
    write_json(trunk_folder(out, model) / _NOTE.format(first_shard), amounts)


def read_notes(out: str | os.PathLike[str], model: str) -> dict[str, float]:
    """The sums over a model's tasks."""
    sums: dict[str, float] = {}
    for path in trunk_folder(out, model).glob("took-*.json"):
        for name, amount in read_json(path, {}).items():
            sums[name] = sums.get(name, 0) + amount
    return sums


def write_outcome(out: str | os.PathLike[str], model: str, first_shard: int, told: dict[str, Any]) -> None:
    """How one task went: ``lacking``, ``facts`` and ``device``, see :func:`read_outcome`."""
    write_json(trunk_folder(out, model) / _OUTCOME.format(first_shard), told)


def read_outcome(out: str | os.PathLike[str], model: str) -> dict[str, dict[str, Any]]:
    """Over a model's tasks: methods that failed with reasons, facts, the device."""
    found: dict[str, dict[str, Any]] = {"lacking": {}, "facts": {}, "device": {}}
    for path in sorted(trunk_folder(out, model).glob("outcome-*.json")):
        for part, told in read_json(path, {}).items():
            found[part].update(told)
    return found
