"""Time and core time of `tfattr.baselines.predictivity` on a run's representations: all pairs of models.

python benchmarks/predictivity.py out/demo/rooms          (OPENBLAS_NUM_THREADS=1 for one thread)
"""

from __future__ import annotations

import argparse
import time

from tfattr.baselines import code_grids, predictivity
from tfattr.runs.representations import Representations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--models", type=int, default=20, help="the first so many")
    arguments = parser.parse_args()
    every = Representations(arguments.run)
    codes = {model: every[model] for model in list(every)[: arguments.models]}
    wall, core = time.perf_counter(), time.process_time()
    found = predictivity(codes, code_grids(codes))
    found.affinity()
    print(
        f"{len(codes)} models, {found.images} images: {time.perf_counter() - wall:.1f} s, "
        f"{time.process_time() - core:.1f} core seconds"
    )


if __name__ == "__main__":
    main()
