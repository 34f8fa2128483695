"""How a run's cost grows with images and with models: processor seconds, peak memory, the affinity's quadratic part.

    python benchmarks/growth.py [--images 50 100 200 400] [--models 2 4 8 12 16 20] [--repeats 2] [--json FILE]

Each point is a process of its own that runs encoders of the rooms zoo with the paper's three methods, maps and
affinity, on one thread. Processor time is compared, not wall clock: it depends less on who else uses the machine; of
``--repeats`` runs of a point, made in turn, the one that took least counts.
Straight lines are fitted by least squares; the deviation is that of the point farthest from its line, in % of the
point. The affinity alone is measured again at the paper's size (256 x 256) for up to 160 models, and fitted with a
parabola: its quadratic part is what pairs of models cost.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SETS = ("rooms", "street", "still_life")  # 400 embedded images
AFFINITY_MODELS = (10, 20, 40, 80, 160)
PAPER = 38  # models


def one_run(images: int, models: int) -> dict[str, float]:
    """A run in this process: its processor seconds after the imports, by stage, and the peak of memory in MiB."""
    from memory import peak_bytes

    from tfattr.runs.analysis import analyse
    from tfattr.runs.attribution import attribute_zoo
    from tfattr.runs.directory import read_timing
    from tfattr.runs.probes import find_probe, survey_probe
    from tfattr.zoo.file import open_zoo

    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for image in [image for name in SETS for image in find_probe(name)][:images]:
            shutil.copy(image.path, photos)
        survey = survey_probe(photos)
        assert len(survey.images) == images
        specs = list(open_zoo("rooms"))[:models]
        started, out = time.process_time(), Path(folder) / "run"
        attribute_zoo(specs, survey, out, progress=False)
        analyse(out, pictures=False, progress=False)
        whole = time.process_time() - started
        timing = read_timing(out)
    return {
        "images": images,
        "models": models,
        "core_s": whole,
        "maps_core_s": sum(one["maps_core_s"] for one in timing["models"].values()),
        "affinity_core_s": timing["affinity"]["core_s"],
        "peak_mib": peak_bytes() / 2**20,
    }


def measured(images: int, models: int) -> dict[str, float]:
    """:func:`one_run` in a fresh process of one thread."""
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, __file__, "--point", str(images), str(models)],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **threads, "CUDA_VISIBLE_DEVICES": "-1"},
        text=True,
    )
    return json.loads(told.stdout.splitlines()[-1])


def least(points: list[tuple[int, int]], repeats: int) -> list[dict[str, float]]:
    """Of each point (images, models), the cheapest of ``repeats`` runs."""
    rounds = [[measured(*point) for point in points] for _ in range(repeats)]
    return [min(runs, key=lambda run: run["core_s"]) for runs in zip(*rounds)]


def affinity_per_image(models: int, images: int = 10) -> float:
    """Processor seconds that an image costs the affinity of one method, maps of 256 x 256 in memory."""
    import numpy as np

    from tfattr.affinity import AffinityState

    maps = np.random.default_rng(0).normal(size=(models, 256, 256)).astype(np.float32)
    state = AffinityState.empty([str(number) for number in range(models)])
    state.update(list(maps), "first")
    best = float("inf")
    for number in range(images):
        started = time.process_time()
        state.update(list(maps), str(number))
        best = min(best, time.process_time() - started)
    return best


def line(x: list[float], y: list[float]) -> dict[str, float]:
    """Least squares: intercept, slope, R2, and the largest deviation in % of its point."""
    import numpy as np

    slope, intercept = np.polyfit(x, y, 1)
    y = np.array(y)
    fitted = intercept + slope * np.array(x)
    return {
        "intercept": float(intercept),
        "slope": float(slope),
        "R2": float(1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()),
        "deviation": float(np.abs(fitted / y - 1).max() * 100),
    }


def show(title: str, key: str, points: list[dict[str, float]]) -> None:
    print(f"\n{title}\n{key:>7s}  core s  maps  affinity  peak MiB")
    for point in points:
        print(
            f"{point[key]:7d} {point['core_s']:7.1f} {point['maps_core_s']:6.1f} {point['affinity_core_s']:7.2f}"
            f" {point['peak_mib']:9.0f}"
        )
    for name in ("core_s", "maps_core_s"):
        fit = line([point[key] for point in points], [point[name] for point in points])
        print(
            f"{name}: {fit['intercept']:.2f} + {fit['slope']:.4f} x {key}, R2 {fit['R2']:.5f}, largest deviation "
            f"{fit['deviation']:.1f} %"
        )
    peaks = [point["peak_mib"] for point in points]
    print(f"peak memory: {min(peaks):.0f} to {max(peaks):.0f} MiB, {max(peaks) / min(peaks):.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--models", type=int, nargs="+", default=[2, 4, 8, 12, 16, 20])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--point", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        print(json.dumps(one_run(*arguments.point)))
        return
    import numpy as np

    by_images = least([(images, 3) for images in arguments.images], arguments.repeats)
    show("3 models", "images", by_images)
    by_models = least([(50, models) for models in arguments.models], arguments.repeats)
    show("50 images", "models", by_models)
    seconds = [affinity_per_image(models) for models in AFFINITY_MODELS]
    curved, straight, constant = np.polyfit(AFFINITY_MODELS, seconds, 2)
    print("\naffinity alone, one method, maps of 256 x 256, ms an image")
    for models, took in zip(AFFINITY_MODELS, seconds):
        print(f"{models:4d} models: {took * 1e3:8.2f}")
    pairs, linear = curved * PAPER**2, constant + straight * PAPER
    maps = by_images[-1]["maps_core_s"] / (3 * by_images[-1]["images"])  # of one model and image, all methods
    print(
        f"at {PAPER} models: {pairs * 1e3:.2f} ms quadratic, {linear * 1e3:.2f} ms linear; three methods' quadratic part "
        f"is {3 * pairs / (PAPER * maps) * 100:.2f} % of the same image's maps by rooms encoders "
        f"({PAPER} x {maps * 1e3:.1f} ms)"
    )
    if arguments.json:
        found = {"images": by_images, "models": by_models, "affinity": dict(zip(AFFINITY_MODELS, seconds))}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
