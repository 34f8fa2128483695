"""Time and peak memory of the paper's models at the paper's input sizes, one process a model.

    python benchmarks/originals.py [NAME ...]      (default: every architecture of the merged zoo once)

Random weights in a checkpoint of the model's own variables: speed and memory do not depend on their values. One
image, the three methods of the paper, epsilon-LRP by both engines.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GIB = 2**20  # ru_maxrss counts KiB


def measure(name: str) -> dict[str, object]:
    """Seconds of loading and of each engine's first and second call, and the peak of resident memory in GiB."""
    import numpy as np
    import tensorflow as tf

    from tfattr.attribution import AttributionSettings, attributions
    from tfattr.trunk import Trunk
    from tfattr.zoo import entry, family

    original = entry(name)
    known, frame = family(original.family), original.preprocessing()

    def build(images: tf.Tensor):
        return known.build(images, **original.options)

    with tempfile.TemporaryDirectory() as folder:
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
            build(tf.compat.v1.placeholder(tf.float32, [None, *frame.size, frame.channels]))
            session.run(tf.compat.v1.global_variables_initializer())
            prefix = tf.compat.v1.train.Saver().save(session, folder + "/model.ckpt")
        started = time.perf_counter()
        trunk = Trunk.from_checkpoint(prefix, build=build, output=known.output, preprocessing=frame)
        found: dict[str, object] = {
            "name": name,
            "input": list(trunk.input_shape),
            "output": trunk.output_shape,
        }
        found["load"] = time.perf_counter() - started
    x = np.random.default_rng(0).uniform(*frame.bounds, (1, *trunk.input_shape)).astype(np.float32)
    for label, settings in (
        ("deepexplain", AttributionSettings(engine="deepexplain")),
        ("innvestigate", AttributionSettings(("elrp",))),
    ):
        for call in ("first", "again"):
            started = time.perf_counter()
            maps = attributions(trunk, x, settings)
            found[f"{label} {call}"] = time.perf_counter() - started
        found[f"{label} finite"] = all(bool(np.isfinite(one).all()) for one in maps.values())
    found["peak GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    return found


def architectures() -> list[str]:
    """The merged zoo, of models that share builder, options and input the first."""
    from tfattr.zoo import entries

    seen, names = set(), []
    for original in [*entries("merged"), *[e for e in entries() if e.family == "nazeri"]]:
        frame = original.preprocessing()
        key = (original.family, str(sorted(original.options.items())), frame.size, frame.channels)
        if key not in seen:
            seen.add(key)
            names.append(original.id)
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print("RESULT " + json.dumps(measure(arguments.one)))
        return
    print(
        f"{'model':26s}{'input':>14s}{'load, s':>9s}{'3 maps, s':>11s}{'(first)':>9s}"
        f"{'iNNv. LRP, s':>14s}{'(first)':>9s}{'peak, GiB':>11s}  finite"
    )
    for name in arguments.names or architectures():
        done = subprocess.run(
            [sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not lines:
            print(
                f"{name:26s}  failed: {done.stderr.strip().splitlines()[-1][:150] if done.stderr else done.returncode}"
            )
            continue
        row = json.loads(lines[-1][len("RESULT ") :])
        print(
            f"{name:26s}{'x'.join(map(str, row['input'])):>14s}{row['load']:9.1f}{row['deepexplain again']:11.2f}"
            f"{row['deepexplain first']:9.1f}{row['innvestigate again']:14.2f}{row['innvestigate first']:9.1f}"
            f"{row['peak GiB']:11.2f}  {row['deepexplain finite'] and row['innvestigate finite']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
