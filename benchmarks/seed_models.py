"""Small whole models in every kind of file that tfattr reads: what fuzz_models.py damages."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.compat.keras import keras
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.inspect import inspect

tf1 = tf.compat.v1
FRAME = Preprocessing((16, 16), range="[-1,1]")


@dataclass(frozen=True)
class Seed:
    """One way of storing a model.

    Attributes:
        name: of the way.
        files: paths below the model's folder that are damaged, one at a time.
        open: from the folder to a Trunk (or to arrays, for weights that are converted).
    """

    name: str
    files: tuple[str, ...]
    open: Callable[[Path], Any]


def network(x: tf.Tensor, is_training: Any = None) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Convolution, batch norm, a branch on ``is_training``, pooling, a fully connected layer."""
    with tf1.variable_scope("net", reuse=tf1.AUTO_REUSE):
        kernel = tf1.get_variable("conv/kernel", [3, 3, 3, 8])
        y = tf.nn.conv2d(x, kernel, 2, "SAME", name="conv")
        names = ("gamma", "beta", "mean", "variance")
        gamma, beta, mean, variance = (
            tf1.get_variable(name, [8], initializer=tf1.ones_initializer()) for name in names
        )
        y = tf1.nn.fused_batch_norm(y, gamma, beta, mean, variance, is_training=False)[0]
        y = tf.nn.relu(y, name="relu")
        if is_training is not None:
            y = tf1.cond(is_training, lambda: y + 1.0, lambda: tf.identity(y))
        y = tf1.nn.max_pool(y, 2, 2, "SAME")
        y = tf.reshape(y, [-1, 4 * 4 * 8])
        code = tf1.nn.xw_plus_b(y, tf1.get_variable("w", [128, 5]), tf1.get_variable("b", [5]), name="code")
    return tf.identity(code, "y"), {"code": code}


def write(folder: Path) -> list[Seed]:
    """Every seed's files in a folder of its name below ``folder``."""
    return [*_tf1(folder), *_keras(folder), *_saved(folder), *_foreign(folder)]


def _tf1(folder: Path) -> list[Seed]:
    for name in ("frozen", "text", "meta", "checkpoint", "v1"):
        (folder / name).mkdir(parents=True)
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 16, 16, 3], name="x")
        network(x, tf1.placeholder(tf.bool, [], name="is_training"))
        tf1.set_random_seed(0)
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver()
        saver.save(session, str(folder / "meta/model"), write_state=False)
        saver.save(session, str(folder / "checkpoint/model"), write_state=False, write_meta_graph=False)
        tf1.train.Saver(write_version=tf1.train.SaverDef.V1).save(
            session, str(folder / "v1/model"), write_state=False, write_meta_graph=False
        )
        constants = tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    (folder / "frozen/model.pb").write_bytes(constants.SerializeToString())
    (folder / "text/model.pbtxt").write_text(str(constants))
    pair = {"input": "x:0", "output": "y:0", "preprocessing": FRAME}
    for name in ("trunk", "signed"):
        Trunk.from_frozen_graph(folder / "frozen/model.pb", **pair).save(folder / name)
    return [
        Seed("frozen", ("model.pb",), lambda at: Trunk.from_frozen_graph(at / "model.pb", **pair)),
        Seed("text", ("model.pbtxt",), lambda at: Trunk.from_frozen_graph(at / "model.pbtxt", **pair)),
        Seed(
            "meta",
            ("model.meta", "model.index", "model.data-00000-of-00001"),
            lambda at: Trunk.from_meta_graph(at / "model", **pair),
        ),
        Seed(
            "checkpoint",
            ("model.index", "model.data-00000-of-00001"),
            lambda at: Trunk.from_checkpoint(at / "model", build=network, preprocessing=FRAME),
        ),
        Seed(
            "v1",
            ("model",),
            lambda at: Trunk.from_checkpoint(at / "model", build=network, preprocessing=FRAME),
        ),
        Seed("trunk", ("trunk.pb", "trunk.json"), Trunk.load),
        Seed("signed", ("trunk.pb", "trunk.json"), _load_signed),
    ]


def _load_signed(folder: Path) -> Trunk:
    """A saved trunk whose card names the sha256 of the damaged graph, as whoever means harm would see to."""
    card = (folder / "trunk.json").read_text("utf-8", "surrogateescape")
    digest = hashlib.sha256((folder / "trunk.pb").read_bytes()).hexdigest()
    signed = re.sub('(?<="graph_sha256": ")[0-9a-f]{64}', digest, card)
    (folder / "trunk.json").write_text(signed, "utf-8", "surrogateescape")
    return Trunk.load(folder)


def keras_model() -> Any:
    """A functional model with batch norm, an operator layer and a slice, as application models have them."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(6.0)(x * 0.5 + 0.1)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x[:, 1:])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(5, activation="relu", name="code")(x), name="small")


def _keras(folder: Path) -> list[Seed]:
    for name in ("h5", "keras"):
        (folder / name).mkdir()
    model = keras_model()
    model.save(folder / "h5/model.h5")
    model.save(folder / "keras/model.keras")
    return [
        Seed("h5", ("model.h5",), lambda at: Trunk.from_keras(at / "model.h5", preprocessing=FRAME)),
        Seed("keras", ("model.keras",), lambda at: Trunk.from_keras(at / "model.keras", preprocessing=FRAME)),
    ]


class _Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.nn.conv2d(images, self.kernel, 2, "SAME"))


def _saved(folder: Path) -> list[Seed]:
    model, module = keras_model(), _Module()
    model.save(folder / "saved_keras", save_format="tf")
    tf.saved_model.save(module, str(folder / "saved"), signatures=module.__call__.get_concrete_function())
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 16, 16, 3])
        y, _ = network(x)
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, str(folder / "saved_tf1"), {"x": x}, {"y": y})
    variables = ("variables/variables.index", "variables/variables.data-00000-of-00001")
    model_files = ("saved_model.pb", "saved_model.pb", *variables)  # the graph twice as often
    return [
        Seed(
            "saved",
            (*model_files, "fingerprint.pb"),
            lambda at: Trunk.from_saved_model(at, preprocessing=FRAME),
        ),
        Seed("saved_tf1", model_files, lambda at: Trunk.from_saved_model(at, preprocessing=FRAME)),
        Seed(
            "saved_keras",
            (*model_files, "keras_metadata.pb"),
            lambda at: Trunk.from_keras(at, preprocessing=FRAME),
        ),
        Seed("hub", model_files, lambda at: Trunk.from_hub(at, preprocessing=FRAME)),
        Seed("inspect", ("saved_model.pb",), inspect),
    ]


def _foreign(folder: Path) -> list[Seed]:
    import scipy.io

    from tfattr.zoo import convert

    random = np.random.default_rng(0)
    layer = {"weights": random.normal(size=(3, 3, 3, 4)).astype(np.float32), "biases": np.zeros(4, "<f4")}
    (folder / "npy").mkdir()
    (folder / "pickle").mkdir()
    (folder / "mat").mkdir()
    stream = io.BytesIO()
    np.save(stream, {"conv1": layer, "bn": {"mean": np.zeros(4), "scale": np.float64(1)}}, allow_pickle=True)
    (folder / "npy/model.npy").write_bytes(stream.getvalue())
    weights = {"conv1_filter": layer["weights"], "conv1_bias": layer["biases"], "n": 3, "s": "text"}
    (folder / "pickle/model.pkl").write_bytes(pickle.dumps([{"a": (1, 2.0)}, weights], protocol=2))
    params = np.empty((1, 2), dtype=[("name", object), ("value", object)])
    params[0, 0] = ("conv1_filter", layer["weights"].astype(np.float64))
    params[0, 1] = ("conv1_bias", layer["biases"].astype(np.float64))
    scipy.io.savemat(folder / "mat/model.mat", {"net": {"params": params}}, do_compression=True)
    return [
        Seed("npy", ("model.npy",), lambda at: convert.read("fcrn", at / "model.npy")),
        Seed("pickle", ("model.pkl",), lambda at: convert.read("tinyface", at / "model.pkl")),
        Seed("mat", ("model.mat",), lambda at: convert.read("tinyface", at / "model.mat")),
    ]
