"""True float32 on every device: TF32 off around the package's own computations; what a device computes in."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_lock = threading.Lock()
_allowed: contextvars.ContextVar[bool] = contextvars.ContextVar("tfattr_tf32", default=False)
_inside = 0  # scopes that are open, in any thread
_before = True  # the process's setting when the first of them was opened


@contextlib.contextmanager
def float32_only(tf32: bool | None = None) -> Iterator[None]:
    """A scope in which float32 is multiplied as float32 on every device.

    NVIDIA cards since Ampere multiply float32 with 10 bits of mantissa (TF32) unless told otherwise, which moves a
    representation by about 1e-3 of its peak. TensorFlow has one switch a process: it is put back when the last open
    scope of the process ends, also by an error. Scopes may be nested and open in several threads.

    Args:
        tf32: True leaves the process's setting (by TensorFlow's default: TF32) as it is, in the scopes inside this one
            too unless they say False; None does what the scope around says, or switches TF32 off.
    """
    global _inside, _before
    if tf32 or (tf32 is None and _allowed.get()):
        token = _allowed.set(True)
        try:
            yield
        finally:
            _allowed.reset(token)
        return
    with _lock:
        if _inside == 0:
            _before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(False)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                tf.config.experimental.enable_tensor_float_32_execution(_before)


def accelerated() -> bool:
    """Whether TensorFlow computes on a GPU here."""
    return bool(tf.config.list_logical_devices("GPU"))


@functools.cache
def grow_memory() -> None:
    """Lets TensorFlow take a GPU's memory as it needs it instead of all; for processes that are ours alone."""
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # the GPU is in use already
        logging.getLogger("tfattr").info("memory growth could not be switched on")


def leave_gpus() -> None:
    """Keeps this process off the GPUs, for those that compute."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        logging.getLogger("tfattr").info("the GPUs are in use by this process already")


def describe_device(tf32: bool = False) -> dict[str, Any]:
    """What computes here, for ``run.json``.

    Returns:
        ``precision`` (``"float32"``; ``"tf32"`` where ``tf32`` is allowed and the card has it), ``device`` (the GPU's
        name, or ``"cpu"``), ``compute_capability`` (``"9.0"``), ``cuda`` and ``cudnn`` (the versions that TensorFlow
        was built for); the last three are None on the CPU.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        return {
            "precision": "float32",
            "device": "cpu",
            "compute_capability": None,
            "cuda": None,
            "cudnn": None,
        }
    physical = tf.config.get_visible_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(physical)
    capability = details.get("compute_capability")
    build = tf.sysconfig.get_build_info()
    return {
        "precision": "tf32" if tf32 and (capability is None or capability >= (8, 0)) else "float32",
        "device": details.get("device_name") or physical.name,
        "compute_capability": ".".join(map(str, capability)) if capability else None,
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
    }
