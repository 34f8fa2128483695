"""Cost of each method against one forward and one forward+backward pass of the same trunk, in one run.

    python benchmarks/attribution.py [--net resnet_v1_50] [--size 224] [--batch 8] [--repeats 5] [--no-innvestigate] [--xla off]

Random weights: speed does not depend on their values. Every figure is the median of ``--repeats`` calls made in
turn (so that a busy machine slows all alike), in seconds an image and as a ratio in this run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from tfattr.attribution import AttributionSettings, attribute, attributions, xla
from tfattr.trunk import Preprocessing, Trunk
from tfattr.zoo import family


def random_trunks(net: str, size: int) -> tuple[Trunk, Trunk]:
    """A trunk of the family with random weights, by way of a checkpoint as a user's is; its batch norm folded."""
    known = family(net)
    with tempfile.TemporaryDirectory() as folder:
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
            known.build(tf.compat.v1.placeholder(tf.float32, [None, size, size, 3]))
            session.run(tf.compat.v1.global_variables_initializer())
            prefix = tf.compat.v1.train.Saver().save(session, folder + "/model.ckpt")
        given, folded = (
            Trunk.from_checkpoint(
                prefix,
                build=known.build,
                output=known.output,
                preprocessing=Preprocessing((size, size), range="[-1,1]"),
                name=net,
                fold_batch_norm=fold,
            )
            for fold in (False, True)
        )
        return given, folded


def forward_backward(trunk: Trunk) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False)
    def passes(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = trunk.function(x)
        return tape.gradient(y, x)

    return passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="resnet_v1_50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-innvestigate", action="store_true")
    parser.add_argument(
        "--xla", choices=xla.MODES, default="off", help="Of the maps, not of the passes they are held to."
    )
    arguments = parser.parse_args()
    with xla.compiling(arguments.xla):
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:

    trunk, folded = random_trunks(arguments.net, arguments.size)
    shape = (arguments.batch, *trunk.input_shape)
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, shape), tf.float32)
    backward = forward_backward(trunk)
    cases: dict[str, Callable[[], object]] = {
        "forward": lambda: trunk(x).numpy(),
        "forward + backward": lambda: backward(x).numpy(),
        "saliency": lambda: attribute(trunk, x, "saliency"),
        "grad_input": lambda: attribute(trunk, x, "grad_input"),
        "saliency + grad_input": lambda: attributions(
            trunk, x, AttributionSettings(("saliency", "grad_input"))
        ),
        "elrp (native)": lambda: attribute(trunk, x, "elrp_native"),
        "elrp (deepexplain)": lambda: attribute(trunk, x, "elrp", engine="deepexplain"),
        "all three (deepexplain)": lambda: attributions(trunk, x, AttributionSettings(engine="deepexplain")),
        "all three, folded": lambda: attributions(folded, x, AttributionSettings(engine="deepexplain")),
    }
    if not arguments.no_innvestigate:
        cases["elrp (innvestigate)"] = lambda: attribute(trunk, x, "elrp_innvestigate")
    first, times = {}, {name: [] for name in cases}
    for name, call in cases.items():
        started = time.perf_counter()
        call()
        first[name] = time.perf_counter() - started
    for _ in range(arguments.repeats):
        for name, call in cases.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) / arguments.batch)
    median = {name: statistics.median(values) for name, values in times.items()}
    forward, both = median["forward"], median["forward + backward"]
    print(
        f"{arguments.net} {arguments.size}x{arguments.size}, batch {arguments.batch}, median of {arguments.repeats}; "
        f"TensorFlow {tf.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {_device()}"
    )
    print(f"{'':26s}{'s/image':>9s}{'/ forward':>11s}{'/ fwd+bwd':>11s}{'first call, s':>15s}")
    for name, value in median.items():
        print(f"{name:26s}{value:9.4f}{value / forward:11.2f}{value / both:11.2f}{first[name]:15.1f}")
    two = forward + 2 * (both - forward)
    for name in ("all three (deepexplain)", "all three, folded"):
        print(f"{name} / (forward + 2 backward) of the graph as given: {median[name] / two:.2f}")


def _device() -> str:
    found = tf.config.list_physical_devices("GPU")
    return f"{len(found)} GPU" if found else "no GPU"


if __name__ == "__main__":
    sys.exit(main())
