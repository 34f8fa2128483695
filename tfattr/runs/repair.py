"""Damaged shards of a run: found by their checksums and by what they should hold, removed on request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from tfattr.records import damaged_shards, representation_directory
from tfattr.runs.shard import Plan


def find_damaged(plan: Plan, models: Sequence[str], progress: bool = False) -> dict[Path, str]:
    """Every shard of these models that cannot be trusted: its path and what is wrong with it.

    Raises:
        RecordsError: a folder holds shards of another layout.
    """
    homes = [
        home
        for model in models
        for home in (*plan.homes(model).values(), representation_directory(plan.out, model))
        if home.is_dir()
    ]
    wrong = {}
    for home in tqdm(homes, unit="folder", desc="checking", disable=not progress, dynamic_ncols=True):
        for shard, reason in damaged_shards(home, plan.layout, plan.ids).items():
            wrong[home / plan.layout.name(shard)] = reason
    return wrong


def remove_damaged(plan: Plan, models: Sequence[str], progress: bool = False) -> dict[Path, str]:
    """Removes what :func:`find_damaged` finds, with a warning that names each, so that it is computed again."""
    wrong = find_damaged(plan, models, progress)
    for path, reason in wrong.items():
        logging.getLogger("tfattr").warning("computing again: %s", reason)
        path.unlink()
    return wrong
