"""Time to load the models of a zoo, as a ratio of another checkout's in the same run.

    git worktree add /tmp/before b1ebb91
    python benchmarks/loading.py /tmp/before [--zoo rooms] [--repeats 3]

Each checkout loads the whole zoo in a process of its own, in turn, TensorFlow and tf-slim imported beforehand. What is
compared is the processor time (a busy machine moves it less) and the wall clock, the least of the repeats: of the loads
alone, and with the collection of garbage, as a run of that checkout does it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

LOAD = """
import gc, json, sys, time, warnings
warnings.simplefilter("ignore")
import tensorflow as tf, tf_slim
from tfattr.trunk.trunk import Trunk
from tfattr.zoo.file import open_zoo
try:
    from tfattr.runs.attribution import Garbage
    garbage = Garbage()
except ImportError:  # an older version: after each model
    garbage = None
zoo = open_zoo(sys.argv[1])
wall = core = 0.0
first = time.perf_counter(), time.process_time()
for model in zoo:
    started = time.perf_counter(), time.process_time()
    trunk = model.load()
    wall, core = wall + time.perf_counter() - started[0], core + time.process_time() - started[1]
    if garbage:
        garbage.add(trunk)
    del trunk
    garbage.collect() if garbage else gc.collect()
all_wall, all_core = time.perf_counter() - first[0], time.process_time() - first[1]
found = {"core": core, "wall": wall, "core with garbage": all_core, "wall with garbage": all_wall}
print(json.dumps({"models": len(zoo), **found}))
"""


def load(checkout: Path, zoo: str) -> dict[str, float]:
    """Seconds that one process of a checkout takes."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(
        [sys.executable, "-c", LOAD, zoo], capture_output=True, text=True, env=environment, cwd=checkout
    )
    if found.returncode:
        sys.exit(f"{checkout}: {found.stderr.strip().splitlines()[-1]}")
    return json.loads(found.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="The checkout to compare with.")
    parser.add_argument("--zoo", default="rooms")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    checkouts = {"before": arguments.before.resolve(), "now": Path(__file__).resolve().parents[1]}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for _ in range(arguments.repeats):
        for name, checkout in checkouts.items():
            runs[name].append(load(checkout, arguments.zoo))
    for kind in ("core", "wall", "core with garbage", "wall with garbage"):
        least = {name: min(run[kind] for run in found) for name, found in runs.items()}
        print(
            f"{arguments.zoo}, {runs['now'][0]['models']} models, {kind} seconds: before {least['before']:.1f}, now "
            f"{least['now']:.1f}, ratio {least['now'] / least['before']:.2f}"
        )


if __name__ == "__main__":
    main()
