"""How results move with the number of probe images: a table from a finished run of the rooms zoo.

    python benchmarks/probe_size.py out/demo/energy --method grad_input --grid 16

For each size, random subsets of the run's images: correlation of the affinity with that of all images, and P@1 and
P@5 against measured transfer (mean and standard deviation over the subsets).
"""

from __future__ import annotations

import argparse

import numpy as np

from tfattr.affinity import AffinityState
from tfattr.evaluation import find_truth, read_truth, score
from tfattr.records import RunManifest, map_directory, read_maps


def affinity_by_image(run: str, method: str, grid: int) -> tuple[list[str], np.ndarray]:
    """Models and the cosines of every image on its own, float64 ``[N, M, M]``."""
    models = list(RunManifest.load(run).models)
    readers = [read_maps(map_directory(run, model, method)) for model in models]
    images = []
    for records in zip(*readers):
        state = AffinityState.empty(models, (grid, grid))
        state.update([record.map for record in records], records[0].id)
        images.append(state.compute()[0])
    return models, np.stack(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--method", default="grad_input")
    parser.add_argument("--grid", type=int, default=16)
    parser.add_argument("--truth", default="rooms")
    parser.add_argument("--subsets", type=int, default=20)
    arguments = parser.parse_args()
    models, images = affinity_by_image(arguments.run, arguments.method, arguments.grid)
    truth = read_truth(find_truth(arguments.truth), models)
    whole, pairs = images.mean(0), np.triu_indices(len(models), 1)
    random = np.random.default_rng(0)
    print(f"{arguments.run}, {arguments.method}, grid {arguments.grid}, {len(images)} images")
    print(f"{'images':>7s}{'correlation':>16s}{'P@1':>14s}{'P@5':>14s}")
    for size in [n for n in (5, 10, 20, 40, 80, 120, 160) if n < len(images)] + [len(images)]:
        rows = []
        for _ in range(arguments.subsets if size < len(images) else 1):
            part = images[random.choice(len(images), size, replace=False)].mean(0)
            found = score(part, models, truth)
            rows.append(
                [np.corrcoef(part[pairs], whole[pairs])[0, 1], found.precision[0], found.precision[4]]
            )
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        cells = "".join(f"{m:9.3f} ±{s:4.3f}" for m, s in zip(mean, spread))
        print(f"{size:7d}  {cells}")


if __name__ == "__main__":
    main()
