"""The affinity of 38 models x 1,000 images at 256 x 256: time against merely reading the shards, and peak memory.

    python benchmarks/affinity_scale.py [--models 38] [--images 1000] [--side 256] [--folder DIR]

Synthetic maps, float16 as a run stores them (about 5 GB; ``--folder`` says where, and keeps them for the next time).
Reading means every record parsed and its checksum compared, of all models, once. One process each; processor and wall
seconds, and the process's whole peak memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from memory import peak_bytes


def write(folder: Path, models: int, images: int, side: int) -> None:
    """Maps of every model, shard by shard; what is there stays."""
    from tfattr.records import ShardLayout, ShardWriter

    layout, ids = ShardLayout(images), [f"{index:04d}" for index in range(images)]
    random = np.random.default_rng(0)
    noise = random.standard_normal(
        (models + 7, side, side), np.float32
    )  # drawn once: speed does not depend on values
    for model in range(models):
        map_dir = folder / f"m{model:02d}"
        for shard in layout.missing(map_dir):
            with ShardWriter(map_dir, layout, shard, ids) as writer:
                for index in layout.span(shard):
                    writer.add((noise[model] + noise[models + index % 7])[None, :, :, None])


def measure(kind: str, folder: Path) -> None:
    """In a process of its own: read, or read and compute; prints wall, core, peak."""
    from tfattr.affinity import affinity_from_records
    from tfattr.records import read_maps

    map_dirs = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    wall, core = time.perf_counter(), time.process_time()
    if kind == "read":
        for map_dir in map_dirs.values():
            for _ in read_maps(map_dir):
                pass
    else:
        affinity_from_records(map_dirs, keep_images=True).compute()
    peak = peak_bytes()
    print(time.perf_counter() - wall, time.process_time() - core, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=38)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--folder")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return measure(arguments.worker, Path(arguments.folder))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(arguments.folder or name)
        write(folder, arguments.models, arguments.images, arguments.side)
        found = {}
        for kind in ("read", "affinity", "read", "affinity"):  # the first pair also warms the disk's cache
            done = subprocess.run(
                [sys.executable, __file__, "--worker", kind, "--folder", str(folder)],
                check=True,
                capture_output=True,
                text=True,
            )
            found[kind] = list(map(float, done.stdout.split()[-3:]))
        print(
            f"{arguments.models} models x {arguments.images} images at {arguments.side} x {arguments.side}, one method"
        )
        for kind, (wall, core, peak) in found.items():
            print(f"  {kind:9s} {wall:7.1f} s wall  {core:7.1f} s core  {peak / 2**30:5.2f} GiB peak")
        (read_wall, read_core, _), (wall, core, _) = found["read"], found["affinity"]
        print(f"  affinity / reading: {wall / read_wall:.2f} wall, {core / read_core:.2f} core")
    return None


if __name__ == "__main__":
    main()
