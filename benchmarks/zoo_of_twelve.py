"""Twelve networks of today as files in one zoo, run by one plain command, epsilon-LRP checked by another route.

    python benchmarks/zoo_of_twelve.py --out out/twelve

Random weights (batch norm's statistics too), small inputs, three embedded probe images. The models are written one at a
time, as .h5, .keras and SavedModel; `tfattr run` is called as a user would; then for every model the representation is
compared with Keras's own, gradient * input with tf.GradientTape, and elrp (by the engine that the run chose) with the
gradient * input of a twin: the same net in which every activation f(x) is x times f(x) / x behind `tf.stop_gradient`,
and gates, attention weights and normalisers stand behind it too. At epsilon 1e-7 that is epsilon-LRP by definition.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import tfattr
from tfattr.compat.keras import keras
from tfattr.probe import read_photo
from tfattr.runs.probes import find_probe

L = keras.layers
EPSILON = 1e-7


def application(name: str, size: int, **options: Any) -> Callable[[], Any]:
    def build() -> Any:
        make = getattr(keras.applications, name)
        return make(input_shape=(size, size, 3), weights=None, include_top=False, pooling="avg", **options)

    return build


class Attention(L.Layer):
    """Self-attention with projected queries, keys and values; ``stopped``: no gradient through its weights."""

    stopped = False

    def __init__(self, width: int = 24, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.parts = width, [L.Dense(width) for _ in range(4)]

    def call(self, x: tf.Tensor) -> tf.Tensor:
        query, key, value = (part(x) for part in self.parts[:3])
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / self.width**0.5)
        return self.parts[3](tf.matmul(tf.stop_gradient(weights) if self.stopped else weights, value))


def vit() -> Any:
    inputs = keras.Input((64, 64, 3))
    x = L.Conv2D(24, 8, strides=8)(inputs)
    x = L.Reshape((64, 24))(x)
    for _ in range(2):
        x = L.Add()([x, Attention()(L.LayerNormalization(epsilon=1e-6)(x))])
        y = L.Dense(48, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(x))
        x = L.Add()([x, L.Dense(24)(y)])
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x), name="vit")


def nested() -> Any:
    base = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, include_top=False)
    base.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = L.Rescaling(2.0, offset=-1.0)(L.RandomFlip()(inputs))
    x = L.GlobalAveragePooling2D(name="pool")(base(x, training=False))
    return keras.Model(inputs, L.Dense(5, activation="softmax")(L.Dropout(0.3)(x)), name="nested")


def mixed() -> Any:
    layers = [keras.Input((64, 64, 3))]
    for width in (8, 16, 24):
        layers += [
            L.Conv2D(width, 3, strides=2, padding="same", dtype="mixed_float16"),
            L.BatchNormalization(dtype="mixed_float16"),
            L.ReLU(dtype="mixed_float16"),
        ]
    return keras.Sequential([*layers, L.GlobalAveragePooling2D(dtype="mixed_float16")], name="mixed")


# name: build, size, range, file, key that cuts the model
MODELS: dict[str, tuple[Callable[[], Any], int, str, str, dict[str, Any]]] = {
    "EfficientNetB0": (application("EfficientNetB0", 64), 64, "[0,255]", "h5", {}),
    "EfficientNetV2B0": (application("EfficientNetV2B0", 64), 64, "[0,255]", "keras", {}),
    "MobileNetV3Small": (application("MobileNetV3Small", 64), 64, "[0,255]", "h5", {}),
    "ConvNeXtTiny": (application("ConvNeXtTiny", 64), 64, "[0,255]", "h5", {}),
    "DenseNet121": (application("DenseNet121", 64), 64, "[0,1]", "keras", {}),
    "NASNetMobile": (application("NASNetMobile", 64), 64, "[-1,1]", "h5", {}),
    "ResNet50V2": (application("ResNet50V2", 64), 64, "[-1,1]", "saved_model", {}),
    "Xception": (application("Xception", 96), 96, "[-1,1]", "h5", {}),
    "RegNetX002": (application("RegNetX002", 64), 64, "[0,255]", "h5", {}),
    "ViT": (vit, 64, "[-1,1]", "saved_model", {}),
    "Nested": (nested, 96, "[0,1]", "h5", {"output": "pool"}),
    "Mixed": (mixed, 64, "[-1,1]", "keras", {}),
}


def randomised(model: Any, seed: int) -> Any:
    """Weights of a net that could have learnt: He-scaled kernels, statistics of batch norm away from 0 and 1."""
    random = np.random.default_rng(seed)
    values = []
    for variable, value in zip(model.weights, model.get_weights()):
        name = variable.name.rsplit("/", 1)[-1]
        if "variance" in name or "gamma" in name and "layer_scale" not in variable.name:
            value = random.uniform(0.7, 1.4, value.shape)
        elif value.ndim == 1:
            value = value + random.normal(0, 0.05, value.shape)
        values.append(value)
    model.set_weights(values)
    return model


def write(name: str, folder: Path) -> None:
    """One model as its file; in a process of its own, so that twelve need the memory of one."""
    build, _, _, kind, _ = MODELS[name]
    keras.utils.set_random_seed(list(MODELS).index(name))
    model = randomised(build(), list(MODELS).index(name))
    if kind == "saved_model":
        tf.saved_model.save(model, str(folder / name))
    else:
        model.save(folder / f"{name}.{kind}")
    model.save_weights(folder / f"{name}.reference.h5")


def zoo_file(folder: Path) -> Path:
    """The zoo of the twelve files."""
    tables = []
    for name, (_, size, scale, kind, cut) in MODELS.items():
        source = "saved_model" if kind == "saved_model" else "keras"
        path = name if kind == "saved_model" else f"{name}.{kind}"
        keys = {"name": name, "source": source, "path": path, "size": [size, size], "range": scale, **cut}
        tables.append(
            "\n".join(["[[model]]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
        )
    (folder / "zoo.toml").write_text("\n\n".join(tables) + "\n", "utf-8")
    return folder / "zoo.toml"


def original(name: str, folder: Path, twin: bool) -> Any:
    """The model in memory as it was written, cut where the zoo cuts it; ``twin``: what takes no relevance is stopped."""
    build = MODELS[name][0]
    Attention.stopped = twin
    keras.utils.set_random_seed(list(MODELS).index(name))
    model = build()
    model.load_weights(folder / f"{name}.reference.h5")
    if name == "Nested":
        model = keras.Model(model.inputs, model.get_layer("pool").output)
    if not twin and name != "Mixed":
        return model
    other = stopped(model) if twin else keras.models.clone_model(model, clone_function=in_float32)
    other.set_weights(model.get_weights())
    return other


def in_float32(layer: Any) -> Any:
    config = layer.get_config()
    return type(layer).from_config({**config, "dtype": "float32"} if "dtype" in config else config)


def gated(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    def call(x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float32)
        factor = tf.where(x == 0.0, 0.0, function(x) / tf.where(x == 0.0, 1.0, x))
        return x * tf.stop_gradient(factor)

    return call


class Gate(L.Layer):
    """Products: the first operand carries the signal."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        return inputs[0] * tf.stop_gradient(inputs[1])


class StoppedNorm(L.LayerNormalization):
    """Layer normalisation whose deviation is taken for a constant."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(inputs, self.axis, keepdims=True)
        return (inputs - mean) * tf.stop_gradient(
            tf.math.rsqrt(variance + self.epsilon)
        ) * self.gamma + self.beta


def stopped(model: Any) -> Any:
    """A copy of a functional model in which nothing but the signal carries a gradient, in float32."""

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.Model):
            return stopped(layer)
        if isinstance(layer, L.Multiply):
            return Gate(name=layer.name)
        if isinstance(layer, L.LayerNormalization):
            return StoppedNorm.from_config(config)
        if isinstance(layer, L.ReLU):
            ceiling = config["max_value"]
            return L.Activation(gated(lambda x: tf.clip_by_value(x, 0.0, ceiling or np.inf)), name=layer.name)
        made = in_float32(layer)
        function = getattr(layer, "activation", None)
        if function is not None and function is not keras.activations.linear:
            made.activation = gated(function)
        return made

    return keras.models.clone_model(model, clone_function=clone)


def gradient(model: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fed = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(fed)
        y = tf.cast(model(fed, training=False), tf.float32)
        total = tf.reduce_sum(y)
    return y.numpy(), tape.gradient(total, fed).numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def check(name: str, folder: Path, probe: str, count: int) -> dict[str, Any]:
    """What the trunk of one file gives, against Keras and the twin."""
    (spec,) = tfattr.open_zoo(folder / "zoo.toml").only([name])
    started = time.perf_counter()
    trunk = spec.load()
    seconds = time.perf_counter() - started
    x = trunk.preprocess([read_photo(image.path) for image in find_probe(probe, limit=count)])
    y, slope = gradient(original(name, folder, False), x)
    twin_y, twin_slope = gradient(original(name, folder, True), x)
    relevance = tfattr.attribute(trunk, x, "elrp", epsilon=EPSILON)
    return {
        "model": name,
        "load_s": round(seconds, 1),
        "forward": difference(trunk(x).numpy(), y),
        "grad_input": difference(tfattr.attribute(trunk, x, "grad_input"), slope * x),
        "twin_forward": difference(twin_y, y),
        "elrp_cosine": cosine(relevance, twin_slope * x),
        "elrp": difference(relevance, twin_slope * x),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/twelve"))
    parser.add_argument("--probe", default="rooms")
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--check", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.out / "files"
    if arguments.write:
        return write(arguments.write, folder)
    if arguments.check:
        print(json.dumps(check(arguments.check, folder, arguments.probe, arguments.images)))
        return None
    folder.mkdir(parents=True, exist_ok=True)
    names = arguments.models.split(",")
    again = [sys.executable, __file__, "--out", str(arguments.out), "--probe", arguments.probe]
    again += ["--images", str(arguments.images)]
    for name in names:
        if not (folder / f"{name}.reference.h5").exists():
            subprocess.run([*again, "--write", name], check=True)
    zoo, run = zoo_file(folder), arguments.out / "run"
    command = [
        "run",
        str(zoo),
        "--probe",
        arguments.probe,
        "--limit",
        str(arguments.images),
        "--out",
        str(run),
    ]
    command += ["--models", arguments.models] if len(names) < len(MODELS) else []
    print("tfattr", *command, flush=True)
    ended = subprocess.run([sys.executable, "-m", "tfattr.cli.main", *command]).returncode
    print(f"ended with {ended}; {matrix(run)}", flush=True)
    columns = ("model", "load_s", "forward", "grad_input", "twin_forward", "elrp_cosine", "elrp")
    print("  ".join(f"{column:>16s}" for column in columns))
    for name in names:
        done = subprocess.run([*again, "--check", name], capture_output=True, text=True)
        line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
        if line is None:
            print(f"{name:>16s}  {(done.stderr.strip().splitlines() or ['?'])[-1]}", flush=True)
            continue
        row = json.loads(line)
        print(
            "  ".join(
                f"{row[c]:>16.2e}"
                if isinstance(row[c], float) and c not in ("load_s", "elrp_cosine")
                else f"{row[c]:>16.6f}"
                if c == "elrp_cosine"
                else f"{row[c]!s:>16s}"
                for c in columns
            ),
            flush=True,
        )
        gc.collect()
    return None


def matrix(run: Path) -> str:
    """How much of the affinity matrices is there."""
    with np.load(run / "affinity.npz") as stored:
        found = {
            key: stored[key]
            for key in stored.files
            if stored[key].ndim == 2
            and stored[key].shape[0] == stored[key].shape[1]
            and stored[key].dtype.kind == "f"
        }
    return ", ".join(
        f"{key} {len(array)} x {len(array)}, {int(np.isnan(array).sum())} lacking"
        for key, array in found.items()
    )


if __name__ == "__main__":
    main()
