"""Renders the data set of rooms, shard by shard.

``python -m studies.rooms.render --data DIR [--splits train val test probe] [--jobs 2]``. A shard is written
under a temporary name and renamed when whole; shards that exist are skipped, so an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.rooms.tracing import mitsuba
from studies.rooms.views import SPLITS, image_record, split_named
from tfattr.errors import TfattrError

#: Pictures in a shard.
SHARD = 100


def shard_path(data: str | Path, split: str, shard: int) -> Path:
    """Where a shard lies: ``<data>/<split>/shard-00000.npz``."""
    return Path(data) / split / f"shard-{shard:05d}.npz"


def write_shard(
    data: str | Path, split: str, shard: int, shard_size: int = SHARD, samples: int | None = None
) -> Path:
    """Renders one shard unless it exists; its path. Arrays as in :mod:`studies.rooms.labels`, compressed npz."""
    path = shard_path(data, split, shard)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    first = shard * shard_size
    extra = {} if samples is None else {"samples": samples}
    records = [
        image_record(split, i, **extra) for i in range(first, min(first + shard_size, SPLITS[split].count))
    ]
    arrays = {key: np.stack([r[key] for r in records]) for key in records[0]}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _one_thread() -> None:
    # a process a core: mitsuba must not start a thread a core in each
    mitsuba()
    import drjit

    drjit.set_thread_count(1)


def _job(job: tuple[str, str, int]) -> tuple[str, float]:
    start = time.monotonic()
    path = write_shard(*job)
    return f"{path.parent.name}/{path.name}", time.monotonic() - start


def render_splits(data: str | Path, splits: Sequence[str], jobs: int = 2, report=print) -> None:
    """Renders the missing shards of ``splits``, in that order, in ``jobs`` processes of one thread."""
    todo = []
    for name in splits:
        shards = -(-split_named(name).count // SHARD)
        todo += [(str(data), name, k) for k in range(shards) if not shard_path(data, name, k).exists()]
    if not todo:
        report("nothing to render: all shards exist")
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=_one_thread) as pool:
        for done, (name, seconds) in enumerate(pool.imap(_job, todo), start=1):
            report(f"{name} in {seconds:.0f} s ({done}/{len(todo)})")


def main(argv: Sequence[str] | None = None) -> int:
    """The module's command line."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.rooms.render", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--splits", nargs="+", default=["val", "train", "test", "probe", "train_b"])
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    args = parser.parse_args(argv)
    # a plain kill must take the worker processes along
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        mitsuba()
        render_splits(args.data, args.splits, args.jobs, report=lambda text: print(text, flush=True))
    except TfattrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
