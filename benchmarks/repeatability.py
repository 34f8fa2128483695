"""What repeats and what does not: the rooms zoo again, and again with other threads, batches and kernels.

    python benchmarks/repeatability.py             # CPU
    python benchmarks/repeatability.py --gpu       # the first run on the CPU, the others on the GPU

For each run: whether its maps are the first run's bit for bit, and by how much its affinities differ from them at
most. Maps are stored as float32, so that nothing is rounded away.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tfattr.runs.analysis import compute_affinity  # noqa: E402  after the level is set

CPU = {"CUDA_VISIBLE_DEVICES": "-1"}
VARIANTS = [
    ("the same again", CPU, []),
    ("batches of 8", CPU, ["--batch-size", "8"]),
    ("one image at a time", CPU, ["--batch-size", "1"]),
    ("one thread", {**CPU, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}, []),
    ("without oneDNN", {**CPU, "TF_ENABLE_ONEDNN_OPTS": "0"}, []),
    ("without oneDNN, one thread", {**CPU, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_NUM_INTRAOP_THREADS": "1"}, []),
]
GPU_VARIANTS = [
    ("GPU", {}, []),
    ("GPU again", {}, []),
    ("GPU, deterministic", {"TF_DETERMINISTIC_OPS": "1", "TF_CUDNN_DETERMINISTIC": "1"}, []),
    ("GPU, deterministic, again", {"TF_DETERMINISTIC_OPS": "1", "TF_CUDNN_DETERMINISTIC": "1"}, []),
    ("GPU without TF32", {"NVIDIA_TF32_OVERRIDE": "0"}, []),
]


def attribute(out: Path, wanted: argparse.Namespace, environment: dict[str, str], more: list[str]) -> None:
    words = [
        "attribute",
        "rooms",
        "--probe",
        "rooms",
        "--limit",
        str(wanted.limit),
        "--out",
        str(out),
        "--quiet",
    ]
    words += ["--models", wanted.models, "--methods", wanted.methods, "--dtype", "float32", *more]
    subprocess.run(
        [sys.executable, "-m", "tfattr.cli.main", *words],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def shards(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.tfrecord"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="autoencoder,curvature,rgb2depth,segmentsemantic")
    parser.add_argument("--methods", default="saliency,grad_input,elrp_innvestigate,elrp_deepexplain")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--gpu", action="store_true")
    wanted = parser.parse_args()
    methods = wanted.methods.split(",")
    with tempfile.TemporaryDirectory(prefix="tfattr-repeatability-") as folder:
        first = Path(folder) / "first"
        attribute(first, wanted, CPU, [])
        expected, bits = compute_affinity(first, methods=methods, progress=False), shards(first)
        print(
            f"{'against the first run on the CPU':34s} {'bits':>9}  "
            + "  ".join(f"{name:>18}" for name in methods)
        )
        for number, (name, environment, more) in enumerate(GPU_VARIANTS if wanted.gpu else VARIANTS):
            out = Path(folder) / str(number)
            attribute(out, wanted, environment, more)
            found, now = compute_affinity(out, methods=methods, progress=False), shards(out)
            equal = sum(now[shard] == content for shard, content in bits.items())
            worst = [np.abs(found.affinity[one] - expected.affinity[one]).max() for one in methods]
            print(
                f"{name:34s} {equal:4d}/{len(bits):<4d}  " + "  ".join(f"{value:18.1e}" for value in worst),
                flush=True,
            )


if __name__ == "__main__":
    main()
