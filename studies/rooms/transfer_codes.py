"""Codes of frozen rooms encoders: what the readouts of the measured transfer are trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from studies.rooms.inputs import NOISE_SIGMA, network_input
from studies.rooms.tasks import CENTRE_HOLE, IMAGE_SIZE
from studies.rooms.train_graph import session
from studies.rooms.train_loop import CHECKPOINT_NAME
from studies.rooms.train_plan import ENTRIES, Entry
from tfattr.errors import ModelFileError
from tfattr.zoo.rooms_encoder import encoder

v1 = tf.compat.v1

#: The source without training: same architecture, initial weights.
RANDOM = "random"
_RANDOM_ENTRY = Entry(RANDOM, "autoencoder", seed=300)
_BATCH = 50

#: The picture that every source is shown for a target: Taskonomy's targets see their own input.
VIEWS = {"denoise": "noisy", "colorization": "grey", "inpainting_whole": "hole"}


def view(rgb: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """uint8 pictures [N, H, W, 3] as a target shows them: ``clean``, ``noisy``, ``grey`` or with a ``hole``.

    noisy: Gaussian noise of ``NOISE_SIGMA`` drawn from ``seed``; grey: the mean of the colours; hole: the
    centre square at mid-grey. A source's own preprocessing comes after.
    """
    if kind == "noisy":
        noise = np.random.default_rng([seed, 4]).standard_normal(rgb.shape, dtype=np.float32)
        return np.clip(np.rint(rgb + noise * np.float32(255 * NOISE_SIGMA)), 0, 255).astype(np.uint8)
    if kind == "grey":
        return np.repeat(rgb.mean(axis=-1, keepdims=True).round().astype(np.uint8), 3, axis=-1)
    if kind == "hole":
        top, bottom, left, right = CENTRE_HOLE
        rgb = rgb.copy()
        rgb[:, top:bottom, left:right] = 128
        return rgb
    return rgb


def source_entry(name: str) -> Entry:
    """The entry behind a source's name: one of the plan, or ``random``."""
    return _RANDOM_ENTRY if name == RANDOM else ENTRIES[name]


def codes(name: str, zoo: Path, pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Codes of a source for several sets of uint8 pictures: float32 [N, 16, 16, 8] each.

    zoo: folder of the trained encoders. Each picture goes through the source's own preprocessing (no noise
    is added for ``denoise``). Raises ModelFileError if the source's checkpoint is missing.
    """
    source = source_entry(name)
    prefix = zoo / name / CHECKPOINT_NAME
    if name != RANDOM and not prefix.with_name(f"{CHECKPOINT_NAME}.index").exists():
        raise ModelFileError(f"{prefix} is missing; run python -m studies.rooms.train --tasks {name} first.")
    with tf.Graph().as_default():
        v1.set_random_seed(source.seed)
        shape = [None, IMAGE_SIZE, IMAGE_SIZE, source.spec.input_channels]
        images = v1.placeholder(tf.float32, shape)
        _, end_points = encoder(images, source.arch, source.prefix, is_training=False)
        net = end_points["compress1"]
        with session() as sess:
            if name == RANDOM:
                sess.run(v1.global_variables_initializer())
            else:
                v1.train.Saver().restore(sess, str(prefix))

            def run(rgb: np.ndarray) -> np.ndarray:
                parts = [
                    sess.run(net, {images: network_input(rgb[start : start + _BATCH], source.spec.input)})
                    for start in range(0, len(rgb), _BATCH)
                ]
                return np.concatenate(parts)

            return [run(rgb) for rgb in pictures]
