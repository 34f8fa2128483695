"""Checkpoints with the originals' names and shapes and random values, written by TensorFlow's own save ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf


def values(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, np.ndarray]:
    """Random values by role: kernels keep the signal's scale, batch norm statistics are far from (0, 1)."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        kind = name.replace("_", "/").rsplit("/", 1)[-1]
        if kind == "variance":
            array = rng.uniform(0.5, 2.0, shape)
        elif kind in ("gamma", "scale"):
            array = rng.uniform(0.4, 1.2, shape)
        elif len(shape) < 2:
            array = 0.2 * rng.standard_normal(shape)
        else:
            fan_in = (
                shape[0] * shape[1] * (1 if "depthwise" in name else shape[2])
                if len(shape) == 4
                else shape[0]
            )
            array = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2.0 / fan_in))
        made[name] = np.asarray(array, np.float32)
    return made


def write(path: Path, tensors: Mapping[str, np.ndarray], version: int = 2) -> str:
    """A checkpoint of ``tensors`` at ``path``: one file (V1) or ``.index`` and data (V2)."""
    names, arrays = list(tensors), [tf.constant(array) for array in tensors.values()]
    if version == 1:
        tf.raw_ops.Save(filename=str(path), tensor_names=names, data=arrays)
    else:
        tf.raw_ops.SaveV2(
            prefix=str(path), tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays
        )
    return str(path)


def inpainting_v2(folder: Path) -> str:
    """The index alone of a checkpoint of DeepFill v2, which is found under the names of v1's: gated, so wider."""
    shapes = {"inpaint_net/conv1/kernel": [5, 5, 5, 48], "inpaint_net/allconv12/kernel": [3, 3, 96, 192]}
    prefix = write(folder / "snap-0", values(shapes))
    (folder / "snap-0.data-00000-of-00001").unlink()
    return prefix
