"""``tfattr doctor``: what is installed, what computes here, and whether its maps are right.

The self-check computes the maps of a small network on every device and compares them with ``golden_maps.npz``, which
was made in numpy and float64 alone (``tests/numpy_net.py``).
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfattr.compat import installed
from tfattr.records import versions

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

TOLERANCE = 1e-5  # of a map's peak
_LEAST = 1 << 30  # bytes of memory, and of disk, that a small run needs
_GOLDEN = Path(__file__).with_name("golden_maps.npz")
_GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the examination; a fault also says what to do."""

    text: str
    fault: bool = False


def examine(folder: str | os.PathLike[str] = ".") -> Iterator[Finding]:
    """The whole examination, a finding at a time; ``folder`` is where results would be written."""
    for part in (package_versions, devices, lambda: free_space(folder), engines, self_check):
        try:
            yield from part()
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            name = getattr(part, "__name__", "free_space")
            yield Finding(
                f"{name} failed ({type(error).__name__}: {text}); install the package anew with `pip install "
                "--force-reinstall tfattr` in a fresh environment.",
                fault=True,
            )
            if part is package_versions:
                return


def package_versions() -> Iterator[Finding]:
    """Versions, and whether TensorFlow and the legacy Keras can be imported."""
    found = versions()
    yield Finding("versions: " + ", ".join(f"{name} {version}" for name, version in found.items()))
    import tensorflow  # noqa: F401

    import tfattr.compat.keras  # noqa: F401


def devices() -> Iterator[Finding]:
    """What computes, in which precision; a card that TensorFlow does not see is a fault."""
    from tfattr.precision import describe_device

    told = describe_device()
    if told["device"] != "cpu":
        cards = ", ".join(f"{name} {told[name]}" for name in ("compute_capability", "cuda", "cudnn"))
        yield Finding(f"device: {told['device']} ({cards}), {len(_logical('GPU'))} in all")
    else:
        yield Finding(f"device: CPU, {os.cpu_count()} cores")
        if (cards := nvidia_cards()) is not None:
            yield Finding(
                f"there is a GPU ({cards or 'an NVIDIA driver is loaded'}), and TensorFlow finds none; install its "
                "CUDA libraries with `pip install 'tfattr[gpu]'` (and look at CUDA_VISIBLE_DEVICES, which is "
                f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')!r}).",
                fault=True,
            )
    for name in _devices():
        exact = is_float32(name)
        yield Finding(f"precision of {name}: {'float32' if exact else 'less than float32'}")
        if not exact:
            yield Finding(
                f"{name} multiplies float32 with fewer bits although TF32 is off; set NVIDIA_TF32_OVERRIDE=0 before "
                "the command.",
                fault=True,
            )


def free_space(folder: str | os.PathLike[str]) -> Iterator[Finding]:
    """Free memory and disk; less than 1 GiB is a fault."""
    memory = free_memory()
    if memory is not None:
        yield Finding(f"free memory: {memory / _GIB:.1f} GiB")
        if memory < _LEAST:
            yield Finding(
                "less than 1 GiB of memory is free; end other programs, or use a larger machine.", fault=True
            )
    for where in dict.fromkeys((os.path.abspath(folder), tempfile.gettempdir())):
        free = shutil.disk_usage(where).free
        yield Finding(f"free disk in {where}: {free / _GIB:.1f} GiB")
        if free < _LEAST:
            yield Finding(
                f"less than 1 GiB is free in {where}; make room, or use another folder (--out, TMPDIR).",
                fault=True,
            )


def engines() -> Iterator[Finding]:
    """Which engines of epsilon-LRP there are; iNNvestigate may be absent, but not broken."""
    if not installed.has_innvestigate():
        yield Finding(
            f"LRP engines: native, deepexplain (innvestigate: run `{installed.INSTALL_INNVESTIGATE}`)"
        )
        return
    yield Finding("LRP engines: innvestigate, native, deepexplain")


def self_check() -> Iterator[Finding]:
    """The golden maps, on every device."""
    with np.load(_GOLDEN, allow_pickle=False) as file:
        golden = {name: file[name] for name in file.files}
    trunk = golden_trunk(golden)
    wanted = ["saliency", "grad_input", "elrp_native", "elrp_deepexplain"]
    wanted += ["elrp_innvestigate"] if installed.has_innvestigate() else []
    for device in _devices():
        found = maps_on(device, trunk, golden["x"], wanted)
        worst = 0.0
        for name in ("y", *wanted):
            peak = float(np.abs(golden[name]).max())
            off = float(np.abs(found[name] - golden[name]).max()) / peak
            worst = max(worst, off) if np.isfinite(off) else float("nan")
            if not off <= TOLERANCE:
                what = "the representation" if name == "y" else name
                yield Finding(
                    f"{device}: {what} of the test network is off by {off:.1e} of its peak, at most {TOLERANCE:.0e} is "
                    "expected; the maps of this device cannot be trusted: update its driver and TensorFlow, or keep to "
                    "the CPU (CUDA_VISIBLE_DEVICES=-1).",
                    fault=True,
                )
        yield Finding(
            f"self-check on {device}: {len(wanted)} methods, largest deviation {worst:.1e} of the peak"
        )


def golden_trunk(golden: dict[str, np.ndarray]) -> Trunk:
    """The test network as a model file, through the usual door."""
    import tensorflow as tf

    from tfattr.trunk import Preprocessing, Trunk

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, *golden["x"].shape[1:]], "x")
        a = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, golden["kernel1"], 1, "SAME"), golden["bias1"]))
        tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(a, golden["kernel2"], 2, "SAME"), golden["bias2"]), name="y")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "golden.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())
        frame = Preprocessing(golden["x"].shape[1:3], range="[-1,1]")
        return Trunk.from_frozen_graph(path, input="x:0", output="y:0", preprocessing=frame, name="golden")


def maps_on(device: str, trunk: Trunk, x: np.ndarray, methods: list[str]) -> dict[str, np.ndarray]:
    """The representation (``y``) and the maps, computed there."""
    import tensorflow as tf

    from tfattr.attribution import AttributionSettings, attributions_and_representation
    from tfattr.precision import float32_only

    with tf.device(device), float32_only():
        maps, y = attributions_and_representation(trunk, x, AttributionSettings(tuple(methods)))
    return {**maps, "y": y}


def is_float32(device: str) -> bool:
    """Whether a product keeps bits that TF32 drops."""
    import tensorflow as tf

    from tfattr.precision import float32_only

    with tf.device(device), float32_only():
        square = tf.linalg.matmul(tf.fill([128, 128], 1.0 + 2.0**-12), tf.eye(128))
    return bool(np.all(np.asarray(square) == np.float32(1.0 + 2.0**-12)))


def nvidia_cards() -> str | None:
    """Names of the NVIDIA cards of this machine ("" if only the driver shows); None if there is none."""
    if not Path("/proc/driver/nvidia/version").exists():
        return None
    try:
        words = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader"]
        told = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(told.strip().splitlines())


def free_memory() -> int | None:
    """Bytes of memory that programs can still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _logical(kind: str) -> list[Any]:
    import tensorflow as tf

    return tf.config.list_logical_devices(kind)


def _devices() -> list[str]:
    return [device.name.replace("/device:", "") for kind in ("CPU", "GPU") for device in _logical(kind)]


def report(say: Callable[[str], object], folder: str | os.PathLike[str] = ".") -> int:
    """Says every finding as it comes, faults marked; returns how many faults there are."""
    faults = 0
    for finding in examine(folder):
        say(f"{'FAULT' if finding.fault else 'ok   '}  {finding.text}")
        faults += finding.fault
    return faults
