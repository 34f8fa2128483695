"""What TF32 (10 bits of mantissa) would do to the maps and affinities of the rooms, emulated on the processor.

    python benchmarks/tf32.py [--models 23] [--images 8]

The operands of every convolution and product, forwards and backwards, are rounded as the cards round them. Said are the
change of the representation, the cosine of each map with the one in float32, and the change of the affinities (mean
cosine of two models' channel-mean maps over the images).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from test_tf32 import in_tf32

from tfattr.attribution import deepexplain
from tfattr.trunk import Trunk
from tfattr.zoo.file import open_zoo

METHODS = ("saliency", "grad_input", "elrp")


def computed(trunk: Trunk, images: np.ndarray, tf32: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Representation and maps of a batch: float32 ``[N, ...]``, method to ``[N, H, W, C]``."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, *trunk.input_shape], name="images")
        y = deepexplain.changed(
            lambda fed: tf.import_graph_def(trunk.graph_def, {trunk.input: fed}, [trunk.output])[0], x
        )
        (gradient,) = tf.gradients(y, x)
        with deepexplain.epsilon_rule(1e-4):
            (multiplier,) = tf.gradients(y, x)
        names = [tensor.name for tensor in (y, gradient, multiplier)]
    with tf.Graph().as_default() as run, tf.compat.v1.Session(graph=run) as session:
        graph_def = graph.as_graph_def()
        tf.import_graph_def(in_tf32(graph_def) if tf32 else graph_def, name="")
        y, gradient, multiplier = session.run(names, {"images:0": images})
    return y, {"saliency": np.abs(gradient), "grad_input": gradient * images, "elrp": multiplier * images}


def directions(maps: np.ndarray) -> np.ndarray:
    """Channel means as unit vectors: float64 ``[N, pixels]``."""
    flat = maps.astype(np.float64).mean(-1).reshape(len(maps), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=23)
    parser.add_argument("--images", type=int, default=8)
    arguments = parser.parse_args()
    from tfattr.runs.probes import survey_probe

    photos = [
        np.asarray(Image.open(image.path).convert("RGB"))
        for image in survey_probe("rooms", limit=arguments.images).images
    ]
    found: dict[bool, dict[str, list[np.ndarray]]] = {
        tf32: {m: [] for m in METHODS} for tf32 in (False, True)
    }
    moved = []
    for model in list(open_zoo("rooms"))[: arguments.models]:
        trunk = model.load()
        images = np.asarray(trunk.preprocess(photos), np.float32)
        outputs = {}
        for tf32 in (False, True):
            outputs[tf32], maps = computed(trunk, images, tf32)
            for method in METHODS:
                found[tf32][method].append(directions(maps[method]))
        moved.append(np.abs(outputs[True] - outputs[False]).max() / np.abs(outputs[False]).max())
    print(
        f"rooms, {len(moved)} models x {len(photos)} images: TF32 changes the representation by {min(moved):.1e} to "
        f"{max(moved):.1e} of its peak"
    )
    for method in METHODS:
        exact, rounded = (np.stack(found[tf32][method]) for tf32 in (False, True))
        cosines = (exact * rounded).sum(-1)
        affinity = {
            tf32: np.einsum("ank,bnk->ab", maps, maps) / len(photos)
            for tf32, maps in ((0, exact), (1, rounded))
        }
        print(
            f"{method:10s} cosine of a map with the one in float32: least {cosines.min():.4f}, median "
            f"{np.median(cosines):.5f}; largest change of an affinity {np.abs(affinity[1] - affinity[0]).max():.1e}"
        )


if __name__ == "__main__":
    main()
