"""Trunks from Keras, SavedModel and Hub against the models that they were made of."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.compat.keras import keras
from tfattr.errors import GraphError, ModelFileError
from tfattr.trunk import Preprocessing, Trunk

FRAME = Preprocessing((16, 16), range="[-1,1]")


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.PReLU(shared_axes=[1, 2])(x)
    x = keras.layers.Conv2D(4, 1, activation="relu", name="code")(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    net = keras.Model(inputs, keras.layers.Dense(5, name="head")(x), name="small")
    net.set_weights(
        [
            random.uniform(0.5, 2, w.shape) if "variance" in v.name else random.normal(0, 0.5, w.shape)
            for v, w in zip(net.weights, net.get_weights())
        ]
    )
    return net


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "model.h5")
    tf.saved_model.save(model, str(folder / "saved_model"))
    return folder


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(np.asarray(expected)).max())


@pytest.mark.parametrize("layer", ["norm", "code", "pooled", None])
def test_keras_model_cut_at_a_layer(model, x, layer):
    expected = keras.Model(model.inputs, model.get_layer(layer or "head").output)(x, training=False)
    assert_close(Trunk.from_keras(model, layer=layer, preprocessing=FRAME)(x), expected)
    trunk = Trunk.from_keras(model, layer=layer, preprocessing=FRAME, fold_batch_norm=True)
    assert_close(trunk(x), expected)
    assert not any("BatchNorm" in node.op for node in trunk.graph_def.node)


def test_keras_file(folder, model, x):
    assert_close(Trunk.from_keras(folder / "model.h5", layer="code", preprocessing=FRAME)(x), _code(model, x))


def _code(model, x):
    return keras.Model(model.inputs, model.get_layer("code").output)(x, training=False)


def test_saved_model_by_signature_output_and_by_inner_tensor(folder, model, x):
    path = folder / "saved_model"
    assert_close(Trunk.from_saved_model(path, preprocessing=FRAME)(x), model(x, training=False))
    assert_close(
        Trunk.from_saved_model(path, output="head", preprocessing=FRAME)(x), model(x, training=False)
    )
    from tfattr.trunk.inspect import inspect

    (inner,) = (name for name, op, _ in inspect(path).layers if "code" in name and op == "Relu")
    assert_close(Trunk.from_saved_model(path, output=inner, preprocessing=FRAME)(x), _code(model, x))


def test_hub_module_from_a_path(folder, model, x):
    trunk = Trunk.from_hub(str(folder / "saved_model"), preprocessing=FRAME)
    assert_close(trunk(x), model(x, training=False))


def test_hub_module_with_several_outputs(tmp_path, x):
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
        def __call__(self, images):
            return {"twice": images * self.scale, "mean": tf.reduce_mean(images, [1, 2])}

    tf.saved_model.save(Module(), str(tmp_path / "module"))
    trunk = Trunk.from_hub(tmp_path / "module", output="twice", preprocessing=FRAME)
    assert_close(trunk(x), 2 * x)
    with pytest.raises(GraphError, match="mean, twice"):
        Trunk.from_hub(tmp_path / "module", preprocessing=FRAME)


def test_hub_module_in_tf1_format(tmp_path, x):
    """A TF1 SavedModel with the signature "default", as TF1 hub modules have."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        images = tf1.placeholder(tf.float32, [None, 16, 16, 3])
        scale = tf1.get_variable("scale", initializer=3.0)
        features = tf.reduce_mean(images * scale, [1, 2])
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(tmp_path / "old"))
        signature = tf1.saved_model.predict_signature_def({"images": images}, {"default": features})
        builder.add_meta_graph_and_variables(session, ["serve"], {"default": signature})
        builder.save()
    assert_close(Trunk.from_hub(tmp_path / "old", preprocessing=FRAME)(x), 3 * x.mean((1, 2)))


def test_real_squeezenet(shared):
    """Real Keras weights in a model written here; the photographs show what it says."""
    weights = shared / "real/weights/squeezenet_keras/squeezenet_weights_tf_dim_ordering_tf_kernels.h5"
    inputs = keras.Input((227, 227, 3))
    x = keras.layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(inputs)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    for index, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        layer = lambda units, size, part: keras.layers.Conv2D(  # noqa: E731
            units,
            size,
            padding="same",
            activation="relu",
            name=f"fire{index}/{part}",  # noqa: B023
        )
        x = layer(squeeze, 1, "squeeze1x1")(x)
        x = keras.layers.Concatenate()([layer(expand, 1, "expand1x1")(x), layer(expand, 3, "expand3x3")(x)])
        if index in (3, 5):
            x = keras.layers.MaxPooling2D(3, 2)(x)
    x = keras.layers.Conv2D(1000, 1, activation="relu", name="conv10")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="logits")(x))
    model.load_weights(weights)
    frame = Preprocessing((227, 227), "BGR", "[0,255]", (103.939, 116.779, 123.68))
    trunk = Trunk.from_keras(model, layer="logits", preprocessing=frame)
    from tfattr.probe import read_photo

    labels = (shared / "real/weights/mobilenet_v1_0.25_128/labels.txt").read_text().splitlines()[1:]
    photos = [read_photo(shared / f"real/probe/coco/{i}.jpg") for i in ("000000000285", "000000000471")]
    top = np.argsort(-np.asarray(trunk(trunk.preprocess(photos))), axis=1)[:, :5]
    assert any("bear" in labels[index] for index in top[0])
    assert any("school bus" in labels[index] for index in top[1])


def test_bad_input_is_one_sentence(model, folder, tmp_path):
    (tmp_path / "broken.h5").write_bytes((folder / "model.h5").read_bytes()[:3000])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\x12\x34")
    weights = tmp_path / "weights.h5"
    model.save_weights(weights)
    two = keras.Model([keras.Input((4, 4, 3)), keras.Input((4, 4, 3))], [])
    cases = [
        (ModelFileError, "no such file", lambda: Trunk.from_keras("/absent.h5", preprocessing=FRAME)),
        (ModelFileError, "broken.h5", lambda: Trunk.from_keras(tmp_path / "broken.h5", preprocessing=FRAME)),
        (ModelFileError, "weights alone", lambda: Trunk.from_keras(weights, preprocessing=FRAME)),
        (GraphError, "no layer 'x'", lambda: Trunk.from_keras(model, layer="x", preprocessing=FRAME)),
        (GraphError, "2 inputs", lambda: Trunk.from_keras(two, preprocessing=FRAME)),
        (GraphError, "expected a model of Keras", lambda: Trunk.from_keras(3, preprocessing=FRAME)),
        (
            GraphError,
            "size and colour",
            lambda: Trunk.from_keras(model, preprocessing=Preprocessing((16, 16), color="Y")),
        ),
        (ModelFileError, "saved_model.pb", lambda: Trunk.from_saved_model(tmp_path, preprocessing=FRAME)),
        (
            ModelFileError,
            "not a whole SavedModel",
            lambda: Trunk.from_saved_model(tmp_path / "broken", preprocessing=FRAME),
        ),
        (
            GraphError,
            "no signature 'other'",
            lambda: Trunk.from_saved_model(folder / "saved_model", signature="other", preprocessing=FRAME),
        ),
        (ModelFileError, "tensorflow-hub", lambda: Trunk.from_hub(tmp_path, preprocessing=FRAME)),
    ]
    for kind, said, call in cases:
        with pytest.raises(kind) as caught:
            call()
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
