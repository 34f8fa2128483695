"""The rooms zoo on a real cluster that loses a worker, against the same run in one process.

    python benchmarks/cluster.py [--limit 48] [--workers 2] [--out out/cluster]

Needs the extra ``beam``. A Dask scheduler and the workers are started as processes of their own on the loopback
address (nothing shared but the file system); Apache Beam's Dask runner brings them the tasks. When a third of the
shards is there, a worker that has a task in hand is killed with SIGKILL, and not replaced. The table compares
numbers, not speed: on one machine the workers share its cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
PER_SHARD = 16


@contextmanager
def cluster(workers: int) -> Iterator[Path]:
    """A scheduler and workers as processes; yields the file that says where they are."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"

        def start(kind: str, *options: str) -> subprocess.Popen:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(file)]
            return subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--no-dashboard", *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
            )

        processes = [start("scheduler", "--port", "0")]
        processes += [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(workers)]
        try:
            yield file
        finally:
            for process in processes:
                process.kill()
                process.wait()


def kill_one(file: Path, workers: int, run: Path, shards: int, said: dict[str, Any]) -> None:
    """Kills a worker that has a task in hand once a third of the shards is there."""
    from distributed import Client

    with Client(scheduler_file=str(file), set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=300)
        processes = client.run(os.getpid)
        said["processes"] = sorted(processes.values())
        while len(list(run.rglob("*.tfrecord"))) < shards // 3:
            time.sleep(0.1)
        while not (busy := {worker: tasks for worker, tasks in client.processing().items() if tasks}):
            time.sleep(0.01)
        worker = next(iter(busy))
        os.kill(processes[worker], signal.SIGKILL)
        said["killed"] = processes[worker]
        said["in hand"] = len(busy[worker])
        said["shards then"] = len(list(run.rglob("*.tfrecord")))
        said["halves then"] = len(list(run.rglob(".*unfinished*")))


def compute(out: Path, limit: int, runner: str, options: list[str]) -> dict[str, Any]:
    """The run and its affinity; wall clock and processor seconds of whoever computed."""
    from tfattr.runs.analysis import analyse
    from tfattr.runs.attribution import attribute_zoo
    from tfattr.runs.directory import read_timing
    from tfattr.runs.engine import open_engine
    from tfattr.runs.probes import survey_probe
    from tfattr.runs.settings import RunSettings
    from tfattr.zoo.file import open_zoo

    started = time.perf_counter()
    settings = RunSettings(images_per_shard=PER_SHARD, runner=runner, runner_options=tuple(options))
    with open_engine(settings) as engine:
        survey = survey_probe("rooms", limit=limit)
        attribute_zoo(open_zoo("rooms"), survey, out, settings, runner=engine.runner)
        result = analyse(out, pictures=False, executor=engine.executor)
    timing = read_timing(out)
    return {
        "result": result,
        "s": time.perf_counter() - started,
        "core_s": sum(one["maps_core_s"] + one["load_core_s"] for one in timing["models"].values())
        + timing["affinity"]["core_s"],
    }


def records(out: Path) -> tuple[int, int, int]:
    """Shards, records and distinct (folder, image) pairs, by TensorFlow's own reader."""
    import tensorflow as tf

    from tfattr.records import FEATURE_SPEC

    files = sorted(out.rglob("*.tfrecord"))
    seen = [
        (file.parent, tf.io.parse_single_example(data, FEATURE_SPEC)["id"].numpy())
        for file in files
        for data in tf.data.TFRecordDataset(str(file))
    ]
    return len(files), len(seen), len(set(seen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=48)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/cluster"))
    arguments = parser.parse_args()
    import numpy as np

    from tfattr.attribution.settings import PAPER_METHODS
    from tfattr.zoo.file import open_zoo

    alone, together = arguments.out / "local", arguments.out / "cluster"
    shutil.rmtree(together, ignore_errors=True)
    shards = len(list(open_zoo("rooms"))) * (len(PAPER_METHODS) + 1) * -(-arguments.limit // PER_SHARD)
    said: dict[str, Any] = {}
    with cluster(arguments.workers) as file:
        killer = threading.Thread(
            target=kill_one, args=(file, arguments.workers, together, shards, said), daemon=True
        )
        killer.start()
        options = [f"dask_scheduler_file={file}", "shards_per_task=1"]
        spread = compute(together, arguments.limit, "beam", options)
    one = compute(alone, arguments.limit, "local", [])
    print(f"\n{said}")
    print(f"{'':28s}{'one process':>14s}{'cluster, a worker killed':>27s}")
    for what, at in (("shards", 0), ("records", 1), ("distinct records", 2)):
        print(f"{what:28s}{records(alone)[at]:14d}{records(together)[at]:27d}")
    halves = [len(list(out.rglob(".*unfinished*"))) for out in (alone, together)]
    print(f"{'unfinished files':28s}{halves[0]:14d}{halves[1]:27d}")
    print(f"{'wall clock, s':28s}{one['s']:14.0f}{spread['s']:27.0f}")
    print(f"{'processor, s (killed: lost)':28s}{one['core_s']:14.0f}{spread['core_s']:27.0f}")
    for method in one["result"].methods:
        difference = np.abs(one["result"].affinity[method] - spread["result"].affinity[method]).max()
        print(f"largest difference, {method:12s} {difference:.1e}")


if __name__ == "__main__":
    main()
