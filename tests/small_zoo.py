"""A zoo of tiny frozen graphs and photographs of noise: whole runs in seconds, without development data.

As a script it makes a run in a process of its own, and ends it as asked:

    python tests/small_zoo.py FOLDER OUT [COMMIT [after]]

kills itself (SIGKILL) at the COMMIT-th time that a file is about to be renamed to its whole name, or right after.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PER_SHARD = 4
METHODS = ("saliency", "grad_input")
SIDE = 24


def write_zoo(folder: Path, nets: dict[str, str | int]) -> Path:
    """A zoo file: model name to a seed of its weights, or to a fault.

    For white photographs ``"nan"`` and ``"overflow"`` have a layer that gives NaN and infinity, and ``"steep"`` one
    whose slope is infinite; ``"dead"`` gives zero for all.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for name, kind in nets.items():
        random = np.random.default_rng(kind if isinstance(kind, int) else 7)
        first = random.normal(0, 0.3, (3, 3, 3, 8)).astype(np.float32)
        second = random.normal(0, 0.3, (3, 3, 8, 4)).astype(np.float32)
        shift = np.zeros(4, np.float32)
        if kind == "dead":
            shift -= 1e6
        with tf.Graph().as_default() as graph:
            x = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], "x")
            a = tf.nn.relu(tf.nn.conv2d(x, first, 1, "SAME", name="conv1"), name="relu1")
            bright = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
            if kind == "nan":
                a = a * tf.sqrt(0.75 - bright, name="root")
            elif kind == "overflow":
                a = a * tf.exp(160.0 * (bright - 0.25), name="power")
            b = tf.nn.bias_add(tf.nn.conv2d(a, second, 2, "SAME", name="conv2"), shift, name="bias2")
            if kind == "steep":
                b = b + 1 + tf.sqrt(tf.nn.relu(0.75 - bright))
            tf.nn.relu(b, name="y")
        tables.append(_frozen(folder, name, graph, SIDE))
    (folder / "zoo.toml").write_text("\n".join(tables))
    return folder / "zoo.toml"


def _frozen(folder: Path, name: str, graph, side: int, keys: str = "") -> str:
    """Writes a graph from ``x`` to ``y``; its table in a zoo file."""
    (folder / f"{name}.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))
    return (
        f'[[model]]\nname = "{name}"\nsource = "frozen_graph"\npath = "{name}.pb"\ninput = "x:0"\n'
        f'output = "y:0"\nsize = [{side}, {side}]\n{keys}'
    )


def write_mixed_zoo(folder: Path) -> Path:
    """A zoo of three frozen graphs of other colours, ranges and sizes."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for seed, (name, side, color, span) in enumerate(
        [("luma", 96, "Y", "[0,1]"), ("small", 24, "BGR", "[-1,1]"), ("byte", 80, "RGB", "[0,255]")]
    ):
        random, channels = np.random.default_rng(seed), 1 if color == "Y" else 3
        with tf.Graph().as_default() as graph:
            y = tf.compat.v1.placeholder(tf.float32, [None, side, side, channels], "x")
            for shape in ((3, 3, channels, 8), (3, 3, 8, 4)):
                y = tf.nn.elu(tf.nn.conv2d(y, random.normal(0, 0.2, shape).astype(np.float32), 2, "SAME"))
            tf.identity(y, name="y")
        keys = f'color = "{color}"\nrange = "{span}"\n'
        tables.append(_frozen(folder, name, graph, side, keys))
    (folder / "zoo.toml").write_text("\n".join(tables))
    return folder / "zoo.toml"


def write_photos(folder: Path, count: int = 10, seed: int = 0, white: tuple[int, ...] = ()) -> Path:
    """Photographs of noise, those of the numbers ``white`` of light only."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        pixels = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        if index in white:
            pixels |= 240
        Image.fromarray(pixels).save(folder / f"photo_{index:02d}.png")
    return folder


def attribute(zoo: Path, photos: Path, out: Path, **options):
    """Maps and representations of a zoo in shards of four images; ``options`` are settings."""
    from tfattr.runs.attribution import attribute_zoo
    from tfattr.runs.probes import survey_probe
    from tfattr.runs.settings import RunSettings
    from tfattr.zoo.file import open_zoo

    models = options.pop("models", None) or open_zoo(zoo)
    settings = RunSettings().changed(**{"methods": METHODS, "images_per_shard": PER_SHARD, **options})
    return attribute_zoo(models, survey_probe(photos), out, settings, progress=False)


def affinities(out: Path):
    """Writes ``affinity.npz`` and ``affinity_images.npz`` as a run does, without its pictures."""
    from tfattr.affinity import AffinityResult, ImageCosines
    from tfattr.records import RunManifest
    from tfattr.runs.analysis import affinity_states
    from tfattr.runs.results import AFFINITY_NAME, IMAGES_NAME

    states = affinity_states(out, progress=False, keep_images=True)
    result = AffinityResult.from_states(states)
    result.save(out / AFFINITY_NAME)
    ImageCosines.from_states(states, RunManifest.load(out).ids).save(out / IMAGES_NAME)
    return result


def _die_at(commit: int, after: bool) -> None:
    rename, count = os.replace, 0

    def replace(*paths) -> None:
        nonlocal count
        count += 1
        if count == commit and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*paths)
        if count == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    if len(sys.argv) > 3:
        _die_at(int(sys.argv[3]), after=len(sys.argv) > 4)
    attribute(folder / "zoo.toml", folder / "photos", out)
    affinities(out)
