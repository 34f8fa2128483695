"""How fast a run is beside its computation alone: from JPEG files to shards, and `attributions` on ready batches.

    python benchmarks/pipeline.py [--model conv|resnet50] [--images 768] [--repeats 3] [--against PACKAGE_DIR]

Both are measured in one process, in turn, three methods on 256 x 256 (224 x 224 for ResNet-50) with random weights,
after one shard that warms up. Printed are images/s, their ratio, and the core-seconds per 1,000 maps that the run takes
beyond the forward and backward passes alone (left on the device). Of the runs and the passes the median of the repeats;
of `attributions` the best one: whole maps take 28 MB a batch, and where the system hands that out anew each time it is
slower by a third (the ratio of the medians is printed too). ``--against``
names a folder with another version's ``tfattr/``, which is measured in processes that alternate with these.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
METHODS = ("saliency", "grad_input", "elrp")
SIDE = {"conv": 256, "resnet50": 224}


def photographs(folder: Path, count: int, side: int) -> None:
    """JPEGs of ``side`` x ``side``: the embedded rooms, made larger."""
    from PIL import Image

    from tfattr.runs.probes import find_probe

    folder.mkdir()
    rooms = find_probe("rooms")
    for number in range(count):
        with Image.open(rooms[number % len(rooms)].path) as image:
            made = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
            made.rotate(number // len(rooms)).save(folder / f"{number:05d}.jpg", quality=90)


def trunk_of(kind: str, folder: Path):
    """One convolution of stride 4, or a ResNet-50; random weights."""
    import numpy as np
    import tensorflow as tf

    from tfattr.trunk import Preprocessing, Trunk

    side = SIDE[kind]
    frame = Preprocessing((side, side), range="[-1,1]")
    if kind == "resnet50":
        from tfattr.compat.keras import keras

        model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(side, side, 3))
        return Trunk.from_keras(model, preprocessing=frame, name=kind)
    kernel = np.random.default_rng(0).normal(0, 0.1, (8, 8, 3, 16)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, side, side, 3], "x")
        tf.nn.relu(tf.nn.conv2d(x, kernel, 4, "SAME"), name="y")
    (folder / "conv.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return Trunk.from_frozen_graph(
        folder / "conv.pb", input="x:0", output="y:0", preprocessing=frame, name=kind
    )


def measured(kind: str, count: int, repeats: int, engine: str) -> dict[str, float]:
    """Images/s and core-seconds an image: the run, `attributions`, the bare passes."""
    from tfattr.attribution import AttributionSettings, attributions
    from tfattr.attribution.deepexplain import backward_function
    from tfattr.probe import read_photo
    from tfattr.runs.attribution import LocalRunner, attribute_zoo
    from tfattr.runs.probes import survey_probe

    asked = AttributionSettings(METHODS, engine=engine)
    try:
        from tfattr.runs.batching import default_batch_size
        from tfattr.runs.settings import RunSettings

        settings = RunSettings(methods=METHODS, engine=engine)
    except ImportError:  # an older version, for --against
        from tfattr.runs.feed import default_batch_size

        settings = asked

    took: dict[str, float] = {}

    class Timed(LocalRunner):
        """The whole of what a runner does, to the last shard."""

        def __enter__(self):
            self.began = time.perf_counter(), time.process_time()
            return super().__enter__()

        def __exit__(self, *error):
            super().__exit__(*error)
            took["wall"] = time.perf_counter() - self.began[0]
            took["core"] = time.process_time() - self.began[1]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs(folder / "photos", count, SIDE[kind])
        trunk = trunk_of(kind, folder)
        size = default_batch_size(trunk.preprocessing.size)
        few, survey = survey_probe(folder / "photos", limit=64), survey_probe(folder / "photos")
        attribute_zoo([trunk], few, folder / "warm", settings, progress=False, runner=Timed)
        photos = [read_photo(image.path) for image in few.images]
        ready = [trunk.preprocess(photos[at : at + size]) for at in range(0, 64, size)]
        bare = backward_function(trunk, "sum", asked.epsilon, True)
        checked = getattr(trunk, "validate_batch", None) or trunk.checked

        def rate(compute) -> tuple[float, float]:
            for batch in ready[:2]:
                compute(batch)
            wall, core, done = time.perf_counter(), time.process_time(), 0
            while done < count:
                for batch in ready:
                    compute(batch)
                    done += len(batch)
            return done / (time.perf_counter() - wall), (time.process_time() - core) / done

        rounds = []
        for number in range(repeats):
            alone, alone_core = rate(lambda batch: attributions(trunk, batch, asked))
            passes, passes_core = rate(lambda batch: [part.shape for part in bare(checked(batch))])
            attribute_zoo([trunk], survey, folder / f"run{number}", settings, progress=False, runner=Timed)
            rounds.append(
                {
                    "alone": alone,
                    "alone_core": alone_core,
                    "passes": passes,
                    "passes_core": passes_core,
                    "run": count / took["wall"],
                    "run_core": took["core"] / count,
                }
            )
    return summary(rounds)


def summary(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of several measurements."""
    found = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    best = max(one.get("best", one["alone"]) for one in rounds)
    return {**found, "best": best}


def in_a_process(package: Path, arguments: argparse.Namespace) -> dict[str, float]:
    words = [sys.executable, __file__, "--child", "--model", arguments.model, "--repeats", "1"]
    words += ["--images", str(arguments.images), "--engine", arguments.engine]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(told.stdout.splitlines()[-1])


def show(title: str, found: dict[str, float]) -> float:
    outside = (found["run_core"] - found["passes_core"]) / len(METHODS) * 1000
    print(
        f"{title}: files to shards {found['run']:.1f} images/s, attributions alone {found['best']:.1f}, ratio "
        f"{found['run'] / found['best']:.2f} (of the medians {found['run'] / found['alone']:.2f}); core-seconds per 1,000 maps: {found['run_core'] / len(METHODS) * 1000:.2f} in all, "
        f"{found['passes_core'] / len(METHODS) * 1000:.2f} in the passes, {outside:.2f} outside"
    )
    return outside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=list(SIDE), default="conv")
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", default="deepexplain", help="of elrp; it shares the forward pass")
    parser.add_argument("--against", type=Path, help="a folder that holds another version's tfattr/")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments.model, arguments.images, arguments.repeats, arguments.engine)))
        return
    packages = [Path(__file__).resolve().parents[1]]
    packages += [arguments.against.resolve()] if arguments.against else []
    rounds = [[in_a_process(one, arguments) for one in packages] for _ in range(arguments.repeats)]
    outside = []
    for package, runs in zip(packages, zip(*rounds)):
        found = summary(list(runs))
        outside.append(show(str(package), found))
    if len(outside) > 1:
        print(f"core-seconds outside the passes: {outside[0] / outside[1]:.2f} of the other version's")


if __name__ == "__main__":
    main()
