"""Against the authors' way: throughput, bytes, and the affinity's time and memory, as ratios in one run.

    python benchmarks/authors_way.py [--images 10] [--size 256] [--part attribution|affinity|all]

"Their way" is written here from what is known of their scripts (tools/deep_attribution.py, tools/affinity.py), on the
same TensorFlow and machine: one image at a time; DeepExplain's ``explain`` once a method, which adds gradient operations
to the graph at each call; session, graph and checkpoint made anew every 5 images; float64 maps of all channels as .npy,
all in memory; an affinity by a double loop over models. Ours is ``attribute_zoo`` and ``affinity_from_records`` as
``tfattr run`` uses them, with the authors' epsilon-LRP. Attribution: a Taskonomy encoder (ResNet-50) with random weights.
Affinity: synthetic maps of 20 models on 200 images at 256 x 256, one method (theirs holds three at once; a third of that
memory is counted). Each affinity runs in a process of its own, whose peak memory is measured.
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

MODELS, IMAGES, SIDE = 20, 200, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--part", choices=("attribution", "affinity", "all"), default="all")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, folder = arguments.worker.split(":", 1)
        return (theirs if kind == "theirs" else ours)(Path(folder))
    if arguments.part in ("attribution", "all"):
        attribution(arguments.images, arguments.size)
    if arguments.part in ("affinity", "all"):
        affinity()
    return None


def attribution(count: int, size: int) -> None:
    """Three methods on ``count`` images, both ways, and the bytes that each leaves."""
    from attribution import random_trunk
    from PIL import Image

    from tfattr.records import RunManifest
    from tfattr.runs.attribution import attribute_zoo
    from tfattr.runs.probes import survey_probe
    from tfattr.runs.settings import RunSettings

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trunk = random_trunk("taskonomy", size)
        (folder / "photos").mkdir()
        random = np.random.default_rng(0)
        for index in range(count):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / f"{index:03d}.png")
        survey = survey_probe(folder / "photos")
        settings = RunSettings(engine="deepexplain")
        attribute_zoo(
            [trunk], survey, folder / "warm", settings, progress=False
        )  # compiled functions, as in a long run
        started = time.perf_counter()
        attribute_zoo(
            [trunk], survey, folder / "run", settings.changed(representations=False), progress=False
        )
        own = time.perf_counter() - started
        started = time.perf_counter()
        their_maps = explain_all(trunk, folder / "photos", folder / "theirs")
        their = time.perf_counter() - started
        own_bytes = sum(path.stat().st_size for path in (folder / "run/attributions").rglob("*.tfrecord"))
        their_bytes = sum(path.stat().st_size for path in (folder / "theirs").glob("*.npy"))
        print(f"three methods, {count} images of {size} x {size}, Taskonomy encoder, this machine:")
        print(f"  their way  {their / count:8.3f} s/image  {their_bytes / count / 1e6:8.3f} MB/image")
        print(f"  tfattr     {own / count:8.3f} s/image  {own_bytes / count / 1e6:8.3f} MB/image")
        print(f"  throughput {their / own:.1f} x, bytes 1/{their_bytes / own_bytes:.1f}")
        print(
            f"  largest difference of a cosine between their maps and ours: {agreement(folder / 'run', their_maps):.1e}"
        )
        assert RunManifest.load(folder / "run").models


def agreement(run: Path, their_maps: dict[str, np.ndarray]) -> float:
    """1 - the smallest cosine between channel means of their maps and ours."""
    from tfattr.records import map_directory, read_maps

    worst = 1.0
    for method, theirs_of in their_maps.items():
        for record, other in zip(read_maps(map_directory(run, "taskonomy", method)), theirs_of):
            one, two = record.map.astype(np.float64).ravel(), other.mean(axis=-1).ravel()
            worst = min(worst, float(one @ two / np.linalg.norm(one) / np.linalg.norm(two)))
    return 1 - worst


def explain_all(trunk, photos: Path, out: Path) -> dict[str, np.ndarray]:
    """Their way: see the module's docstring. The network comes from a frozen graph instead of code and checkpoint."""
    import tensorflow as tf

    from tfattr.probe import list_probe, read_photo

    v1 = tf.compat.v1
    out.mkdir()
    serialized = out / "network.pb"
    serialized.write_bytes(trunk.graph_def.SerializeToString())
    activations, lrp = ("Relu", "Elu", "Sigmoid", "Tanh", "Softplus"), [False]

    @tf.RegisterGradient("AuthorsWay")
    def gradient(op, upstream):
        x, y = op.inputs[0], op.outputs[0]
        if not lrp[0]:
            return tf.raw_ops.ReluGrad(gradients=upstream, features=y)
        return upstream * y / (x + 1e-4 * tf.where(x >= 0, tf.ones_like(x), -tf.ones_like(x)))

    images = [trunk.preprocess([read_photo(image.path)]) for image in list_probe(photos)]
    maps: dict[str, list[np.ndarray]] = {"saliency": [], "grad_input": [], "elrp": []}
    for start in range(0, len(images), 5):
        graph_def = v1.GraphDef()
        graph_def.ParseFromString(serialized.read_bytes())
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            x = v1.placeholder(tf.float32, [None, *trunk.input_shape])
            with graph.gradient_override_map(dict.fromkeys(activations, "AuthorsWay")):
                (y,) = tf.import_graph_def(graph_def, {trunk.input: x}, [trunk.output], name="")
            for image in images[start : start + 5]:
                for method, values in maps.items():
                    lrp[0] = method == "elrp"
                    (slope,) = tf.gradients(y, x)  # new operations at every call
                    tensor = tf.abs(slope) if method == "saliency" else slope * x
                    values.append(session.run(tensor, {x: image})[0].astype(np.float64))
    for method, values in maps.items():
        np.save(out / f"{method}.npy", np.stack(values))
    serialized.unlink()
    return {method: np.stack(values) for method, values in maps.items()}


def synthetic(index: int) -> np.ndarray:
    """One image's maps of all models: float32 ``[MODELS, SIDE, SIDE]`` that share a part."""
    random = np.random.default_rng(index)
    shared = random.standard_normal((1, SIDE, SIDE), np.float32)
    return shared * np.linspace(0, 1, MODELS, dtype=np.float32)[:, None, None] + random.standard_normal(
        (MODELS, SIDE, SIDE), np.float32
    )


def affinity() -> None:
    """The affinity of 20 models x 200 images, both ways, each in its own process."""
    from tfattr.records import ShardLayout, ShardWriter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layout = ShardLayout(IMAGES)
        ids = [f"{index:03d}" for index in range(IMAGES)]
        stacks = [
            np.lib.format.open_memmap(folder / f"m{m:02d}.npy", "w+", np.float64, (IMAGES, SIDE, SIDE, 3))
            for m in range(MODELS)
        ]
        for shard in range(layout.count):
            span = layout.span(shard)
            blocks = np.stack([synthetic(index) for index in span])
            for model in range(MODELS):
                stacks[model][span.start : span.stop] = blocks[:, model, :, :, None]
                with ShardWriter(folder / f"m{model:02d}", layout, shard, ids) as writer:
                    writer.add(blocks[:, model, :, :, None])
        del stacks
        found = {}
        for kind in ("theirs", "ours"):
            done = subprocess.run(
                [sys.executable, __file__, "--worker", f"{kind}:{folder}"],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds, peak = map(float, done.stdout.split()[-2:])
            found[kind] = seconds, peak, np.load(folder / f"{kind}.affinity.npy")
        (their, their_peak, first), (own, own_peak, second) = found["theirs"], found["ours"]
        print(f"affinity of {MODELS} models x {IMAGES} images at {SIDE} x {SIDE}, one method:")
        print(f"  their way  {their:7.1f} s  {their_peak / 2**30:6.2f} GiB more than before")
        print(f"  tfattr     {own:7.1f} s  {own_peak / 2**30:6.2f} GiB more than before")
        print(
            f"  time 1/{their / own:.1f}, memory 1/{their_peak / own_peak:.1f}, largest difference {np.abs(first - second).max():.1e}"
        )


def theirs(folder: Path) -> None:
    """tools/affinity.py: everything in memory, channel mean, a loop over pairs and images."""
    before, started = peak_bytes(), time.perf_counter()
    maps = np.stack(
        [np.load(folder / f"m{m:02d}.npy").mean(axis=3).reshape(IMAGES, -1) for m in range(MODELS)]
    )
    matrix = np.zeros((MODELS, MODELS))
    for i in range(MODELS):
        for j in range(MODELS):
            total = 0.0
            for image in range(IMAGES):
                one, other = maps[i, image], maps[j, image]
                total += np.inner(one, other) / (np.linalg.norm(one) * np.linalg.norm(other))
            matrix[i, j] = total / IMAGES
    np.save(folder / "theirs.affinity.npy", matrix)
    print(time.perf_counter() - started, peak_bytes() - before)


def ours(folder: Path) -> None:
    """What ``tfattr affinity`` does."""
    import tensorflow as tf

    from tfattr.affinity import affinity_from_records

    assert tf.__version__
    before, started = peak_bytes(), time.perf_counter()
    state = affinity_from_records({f"m{m:02d}": folder / f"m{m:02d}" for m in range(MODELS)})
    np.save(folder / "ours.affinity.npy", state.compute()[0])
    print(time.perf_counter() - started, peak_bytes() - before)


if __name__ == "__main__":
    main()
