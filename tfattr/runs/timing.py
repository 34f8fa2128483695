"""What a run took: seconds of wall clock and of processor, model by model, kept in ``timing.json``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tfattr.io import read_json, write_json

TIMING_NAME = "timing.json"


class Stopwatch:
    """Wall-clock and processor seconds (all threads of this process) of a ``with`` block."""

    wall = core = 0.0

    def __enter__(self) -> Stopwatch:
        self._wall, self._core = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.core = time.process_time() - self._core


def read_timing(run: str | os.PathLike[str]) -> dict[str, Any]:
    """``{"models": {name: {...}}, "affinity": {...}}`` as far as known; empty parts if nothing is."""
    found = read_json(Path(run) / TIMING_NAME)
    return {"models": {}, "affinity": {}, **(found if isinstance(found, dict) else {})}


def add_model(run: str | os.PathLike[str], model: str, **amounts: float) -> None:
    """Add seconds and counts to what is known of a model (a resumed run adds up)."""
    timing = read_timing(run)
    known = timing["models"].setdefault(model, {})
    for name, amount in amounts.items():
        known[name] = round(known.get(name, 0) + amount, 6)
    write_json(Path(run) / TIMING_NAME, timing)


def set_affinity(run: str | os.PathLike[str], **amounts: float) -> None:
    """Set what the last computation of the affinity took."""
    timing = read_timing(run)
    timing["affinity"] = {name: round(amount, 6) for name, amount in amounts.items()}
    write_json(Path(run) / TIMING_NAME, timing)
