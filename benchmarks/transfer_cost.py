"""What measuring the transfers of the rooms zoo costs: one source's twenty readouts timed, times the sources and seeds.

    python -m benchmarks.transfer_cost [--write]        (from the root of a clone: it uses studies/)

The pictures and labels are random, of the real shapes and numbers (504 for training, 400 for testing): the time of a
training step does not depend on their values. ``--write`` puts the figure into checkpoints/rooms/transfer_cost.json,
from where ``tfattr report`` takes it. Processor seconds, so that other jobs on the machine count little.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from studies.rooms.tasks import TASK_NAMES, TASKS
from studies.rooms.transfer_run import Splits, run_source
from tfattr import resources
from tfattr.io import atomic_write

SOURCES, SEEDS = 21, 2  # the twenty encoders and the untrained one


def random_split(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Pictures and labels of every task, of the shapes that the renderer makes."""
    arrays = {"rgb": random.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)}
    for name in TASK_NAMES:
        task = TASKS[name]
        if task.kind == "segmentation":
            arrays[name] = random.integers(0, task.channels, (count, 64, 64), dtype=np.int32)
        elif task.kind == "dense":
            arrays[name] = random.normal(size=(count, 64, 64, task.channels)).astype(np.float32)
        elif task.kind == "vector":
            arrays[name] = random.normal(size=(count, task.channels)).astype(np.float32)
        else:
            arrays[name] = random.integers(0, task.channels, count, dtype=np.int32)
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    splits = Splits.of(random_split(504, random), random_split(400, random), 504)
    core, wall = time.process_time(), time.perf_counter()
    run_source("rgb2depth", 0, splits, resources.checkpoints() / "rooms")
    core, wall = time.process_time() - core, time.perf_counter() - wall
    hours = core * SOURCES * SEEDS / 3600
    print(f"one source, twenty readouts: {core:.0f} core-seconds, {wall:.0f} s on this machine")
    print(f"{SOURCES} sources x {SEEDS} seeds: {hours:.2f} core-hours")
    if arguments.write:
        content = {
            "what": f"measured transfer of the rooms zoo: {SOURCES} sources x {len(TASK_NAMES)} targets x {SEEDS} seeds",
            "core_hours": round(hours, 3),
            "gpu_hours": None,
            "source": f"one source timed ({core:.0f} core-seconds), times {SOURCES * SEEDS}: benchmarks/transfer_cost.py",
        }
        path = resources.checkpoints() / "rooms" / "transfer_cost.json"
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
