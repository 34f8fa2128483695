"""Whether a model's files are still those that a run was made from, told without loading them."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
from pathlib import Path

from tfattr import __version__
from tfattr.io import plain
from tfattr.zoo.spec import ModelSpec


def fingerprint(spec: ModelSpec) -> str | None:
    """A hash over the spec and the names, sizes and times of its files.

    None where that would not tell: files that are somewhere else (Hub addresses), builders that are code of
    the user's.
    """
    if "://" in spec.path or ":" in (spec.builder or ""):
        return None
    path = Path(spec.path)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    else:
        files = sorted(path.parent.glob(f"{glob.escape(path.name)}*")) if path.parent.is_dir() else []
    if not files:
        return None
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    said = dataclasses.asdict(dataclasses.replace(spec, loader=getattr(spec.loader, "same_as", spec.loader)))
    told = [
        __version__,
        plain({key: value for key, value in said.items() if key != "loader" or value}),
        stats,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
