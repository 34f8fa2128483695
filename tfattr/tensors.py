"""Arrays that are tensors too, in the same memory. Free of TensorFlow until a tensor is made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_ALIGNMENT = 64  # bytes, as TensorFlow's own tensors have


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty float32 array that begins where TensorFlow wants its tensors to."""
    count = math.prod(shape)
    memory = np.empty(count + _ALIGNMENT // 4, np.float32)
    start = -memory.ctypes.data % _ALIGNMENT // 4
    return memory[start : start + count].reshape(shape)


def shared_tensor(array: np.ndarray) -> Any:
    """An array of :func:`aligned` as a tensor of the CPU, in the same memory; any other is copied."""
    import tensorflow as tf

    if array.size == 0 or array.ctypes.data % _ALIGNMENT or not array.flags.c_contiguous:
        with tf.device("CPU"):
            return tf.convert_to_tensor(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
