"""Keras models as people bring them, against tf.GradientTape on the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from found import some

import tfattr
from tfattr.compat import installed
from tfattr.compat.keras import keras
from tfattr.errors import GraphError, ModelFileError
from tfattr.trunk import Preprocessing, Trunk

L = keras.layers
FRAME = Preprocessing((16, 16), range="[-1,1]")


@pytest.fixture(autouse=True)
def _same_weights_each_time():
    """Weights drawn anew each time may stand where a bound does not hold: a unit near zero under the epsilon rule."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)


def assert_same(trunk, call, x):
    """The trunk's values and gradients are those of ``call``, a function of the batch."""
    fed = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(fed)
        expected = tf.cast(call(fed), tf.float32)
        total = tf.reduce_sum(expected)
    gradient = tape.gradient(total, fed)
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(trunk(x), expected, atol=1e-5 * np.abs(expected).max())
    found = tfattr.attribute(trunk, x, "grad_input")
    np.testing.assert_allclose(found, gradient * x, atol=1e-5 * np.abs(gradient * x).max())


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    y = L.Conv2D(6, 3, strides=2, activation="relu", name="first")(inputs)
    return keras.Model(inputs, L.Conv2D(4, 3, activation="relu", name="last")(y), name="backbone")


@pytest.fixture(scope="module", params=["functional", "sequential"])
def nested(request, backbone):
    head = [L.GlobalAveragePooling2D(name="pool"), L.Dense(3, name="head")]
    if request.param == "sequential":
        return keras.Sequential([keras.Input((16, 16, 3)), backbone, *head])
    inputs = keras.Input((16, 16, 3))
    y = backbone(inputs)
    for layer in head:
        y = layer(y)
    return keras.Model(inputs, y)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["backbone", "last", "backbone/last", "first", "pool", None])
def test_layers_of_nested_models(nested, backbone, layer, x):
    inner = keras.Model(backbone.inputs, [backbone.get_layer(name).output for name in ("first", "last")])
    calls = {
        "first": lambda z: inner(z)[0],
        "pool": lambda z: tf.reduce_mean(backbone(z), [1, 2]),
        None: nested,
    }
    trunk = Trunk.from_keras(nested, layer=layer, preprocessing=FRAME)
    assert_same(trunk, calls.get(layer, backbone), x)
    by_output = Trunk.from_keras(nested, output=layer, preprocessing=FRAME)
    np.testing.assert_array_equal(by_output(x), trunk(x))


def test_a_layer_that_is_called_twice_needs_its_number(x):
    shared = L.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, L.Flatten()(shared(shared(inputs))))
    with pytest.raises(GraphError, match="called 2 times; say which: shared:0, shared:1"):
        Trunk.from_keras(model, layer="shared", preprocessing=FRAME)
    assert_same(Trunk.from_keras(model, layer="shared:0", preprocessing=FRAME), shared, x)
    assert_same(
        Trunk.from_keras(model, layer="shared:1", preprocessing=FRAME), lambda z: shared(shared(z)), x
    )
    with pytest.raises(GraphError, match="called 2 times"):
        Trunk.from_keras(model, layer="shared:2", preprocessing=FRAME)


def test_layers_of_one_name_need_their_path():
    def part(name):
        return keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(3, 3, padding="same", name="conv")], name)

    model = keras.Sequential([keras.Input((16, 16, 3)), part("a"), part("b")])
    with pytest.raises(GraphError, match="2 layers are called 'conv': a/conv, b/conv"):
        Trunk.from_keras(model, layer="conv", preprocessing=FRAME)
    assert Trunk.from_keras(model, layer="b/conv", preprocessing=FRAME).output_shape == (16, 16, 3)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.convolution = L.Conv2D(4, 3, activation="relu", name="conv")
        self.dense = L.Dense(3)

    def call(self, images):
        y = self.convolution(images)
        return {"code": tf.reduce_mean(y, [1, 2]), "logits": self.dense(tf.reduce_mean(y, [1, 2]))}


def test_python_branches_of_subclassed_models(x):
    class Branching(keras.Model):
        def call(self, images):
            if tf.shape(images)[1] > 10:  # autograph's business
                images = images * 2.0
            return tf.reduce_mean(images**2, [1, 2])

    model = Branching()
    assert_same(Trunk.from_keras(model, preprocessing=FRAME), lambda z: model(z), x)


def test_subclassed_and_unbuilt_models(x, tmp_path):
    model = Subclassed()
    model(x)
    assert_same(Trunk.from_keras(model, output="code", preprocessing=FRAME), lambda z: model(z)["code"], x)
    assert_same(Trunk.from_keras(model, layer="conv", preprocessing=FRAME), lambda z: model.convolution(z), x)
    with pytest.raises(GraphError, match="the model gives code, logits"):
        Trunk.from_keras(model, preprocessing=FRAME)
    unbuilt = keras.Sequential([L.Conv2D(4, 3), L.Flatten(), L.Dense(2)])
    assert_same(Trunk.from_keras(unbuilt, preprocessing=FRAME), unbuilt, x)
    model.save(tmp_path / "folder")
    saved = Trunk.from_keras(tmp_path / "folder", output="logits", preprocessing=FRAME)
    assert_same(saved, lambda z: model(z)["logits"], x)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="custom_objects"):
        Trunk.from_keras(tmp_path / "model.keras", preprocessing=FRAME)
    own = {"Subclassed": Subclassed}
    saved = Trunk.from_keras(
        tmp_path / "model.keras", output="logits", custom_objects=own, preprocessing=FRAME
    )
    assert_same(saved, lambda z: model(z)["logits"], x)


def test_other_channels_and_layouts(x):
    four = keras.Sequential([keras.Input((16, 16, 4)), L.Conv2D(3, 3, activation="relu"), L.Flatten()])
    with pytest.raises(GraphError, match=r"of shape \[16, 16, 4\].*size and colour.*raw\W.*bands = 4"):
        Trunk.from_keras(four, preprocessing=FRAME)
    frame = Preprocessing((16, 16), color="raw", bands=4, range="[-1,1]")
    bands = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 4), np.uint8)
    trunk = Trunk.from_keras(four, preprocessing=frame)
    assert_same(trunk, four, trunk.preprocess(bands))
    first = keras.Sequential(
        [keras.Input((3, 16, 16)), L.Permute((2, 3, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten()]
    )
    with pytest.raises(GraphError, match="layout = .NCHW"):
        Trunk.from_keras(first, preprocessing=FRAME)
    trunk = Trunk.from_keras(first, preprocessing=Preprocessing((16, 16), range="[-1,1]", layout="NCHW"))
    assert_same(trunk, lambda z: first(tf.transpose(z, [0, 3, 1, 2])), x)


def test_several_outputs_and_inputs(x):
    images, meta = keras.Input((16, 16, 3), name="images"), keras.Input((5,), name="meta")
    y = L.Conv2D(4, 3, activation="relu")(images)
    mean, most = L.GlobalAveragePooling2D(name="mean")(y), L.GlobalMaxPooling2D(name="most")(y)
    listed, named = keras.Model(images, [mean, most]), keras.Model(images, {"emb": mean, "cls": most})
    for output in ("most", 1, "1", -1):
        trunk = Trunk.from_keras(listed, output=output, preprocessing=FRAME)
        assert_same(trunk, lambda z: listed(z)[1], x)
    assert_same(Trunk.from_keras(named, output="emb", preprocessing=FRAME), lambda z: named(z)["emb"], x)
    for model, said in ((listed, "mean, most"), (named, "cls, emb")):
        with pytest.raises(GraphError, match=f"gives {said}; name one"):
            Trunk.from_keras(model, preprocessing=FRAME)
    two = keras.Model([images, meta], L.Concatenate()([mean, L.Dense(3)(meta)]))
    assert_same(Trunk.from_keras(two, layer="mean", preprocessing=FRAME), lambda z: listed(z)[0], x)
    with pytest.raises(GraphError, match=r"depends on meta:0.*feed="):
        Trunk.from_keras(two, preprocessing=FRAME)
    values = np.arange(5, dtype=np.float32)
    fed = Trunk.from_keras(two, feed={"meta": values}, preprocessing=FRAME)
    assert_same(fed, lambda z: two([z, np.tile(values, (len(z), 1))]), x)
    assert not fed.batch_dependent


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*loaded in float32")
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("norm", [True, False])
def test_other_precisions_are_loaded_in_float32(policy, norm, x):
    def build(dtype):
        keras.utils.set_random_seed(0)
        layers = [L.Conv2D(6, 3, activation="relu", dtype=dtype)]
        layers += [L.BatchNormalization(dtype=dtype)] if norm else []
        layers += [L.Conv2D(4, 3, activation="relu", dtype=dtype), L.GlobalAveragePooling2D(dtype=dtype)]
        return keras.Sequential(
            [keras.Input((16, 16, 3), dtype="float64" if dtype == "float64" else "float32"), *layers]
        )

    model, twin = build(policy), build("float32")
    twin.set_weights(model.get_weights())
    with pytest.warns(UserWarning, match=f"computes in .*{policy.replace('mixed_', '')}; loaded in float32"):
        trunk = Trunk.from_keras(model, preprocessing=FRAME)
    assert_same(trunk, twin, x)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_a_global_policy_does_not_reach_the_analyzers(policy, x):
    if not installed.has_innvestigate():  # its own import fails on Keras 3
        pytest.skip("iNNvestigate 2.1 is not installed")
    keras.utils.set_random_seed(0)  # of random weights some give sums near zero, where epsilon shows
    layers = [L.Conv2D(6, 3, activation="relu", dtype="float32"), L.GlobalAveragePooling2D(dtype="float32")]
    trunk = Trunk.from_keras(
        keras.Sequential([keras.Input((16, 16, 3), dtype="float32"), *layers]), preprocessing=FRAME
    )
    before, floatx = keras.mixed_precision.global_policy(), keras.backend.floatx()
    try:
        if policy == "float64":
            keras.backend.set_floatx("float64")
        else:
            keras.mixed_precision.set_global_policy(policy)
        found = tfattr.attribute(trunk, x, "elrp", engine="innvestigate", epsilon=1e-7)
        assert policy in (keras.mixed_precision.global_policy().name, keras.backend.floatx())
    finally:
        keras.backend.set_floatx(floatx)
        keras.mixed_precision.set_global_policy(before)
    product = tfattr.attribute(trunk, x, "grad_input")
    np.testing.assert_allclose(found, product, atol=1e-4 * np.abs(product).max())


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_whole_number_inputs_have_gradients(dtype):
    inputs = keras.Input((16, 16, 3), dtype=dtype)
    y = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255.0)(inputs))
    model = keras.Model(inputs, L.GlobalAveragePooling2D()(y))
    behind = keras.Sequential([keras.Input((16, 16, 3)), *model.layers[1:]])
    trunk = Trunk.from_keras(model, preprocessing=Preprocessing((16, 16), range="[0,255]"))
    photo = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    assert_same(trunk, behind, photo)
    np.testing.assert_allclose(trunk(photo), model(photo), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layers, shape",
    [
        ([L.LayerNormalization(gamma_initializer="random_normal")], "map"),
        ([L.LayerNormalization(axis=[1, 2, 3], gamma_initializer="random_normal")], "map"),
        ([L.LayerNormalization(epsilon=1e-6, gamma_initializer="random_normal")], "map"),
        ([L.GlobalAveragePooling2D(), L.LayerNormalization(gamma_initializer="random_normal")], "vector"),
        ([L.Reshape((49, 4)), L.LayerNormalization(gamma_initializer="random_normal")], "sequence"),
        ([L.Reshape((49, 4)), L.GRU(3, unroll=True)], "recurrent"),
        ([L.CenterCrop(5, 6)], "crop"),
        ([L.RandomCrop(5, 6)], "crop"),
        ([L.RandomCrop(7, 7)], "whole"),
        ([L.RandomCrop(9, 12)], "resized"),
        ([L.Resizing(5, 6, crop_to_aspect_ratio=True)], "resized"),
        ([L.RandomFlip(), L.RandomRotation(0.2), L.RandomZoom(0.2), L.GaussianNoise(0.1)], "augmented"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1].name,
)
def test_layers_that_depend_on_sizes(layers, shape, x):
    keras.utils.set_random_seed(0)
    first = L.Conv2D(4, 3, strides=2, activation="relu")
    last = [L.Conv2D(3, 3)] if shape in ("map", "crop", "whole", "resized", "augmented") else []
    model = keras.Sequential([keras.Input((16, 16, 3)), first, *layers, *last])
    trunk = Trunk.from_keras(model, preprocessing=FRAME)
    assert_same(trunk, lambda z: model(z, training=False), x)
    assert not trunk.batch_dependent


def test_batch_norm_left_in_training_mode_takes_images_singly(x):
    inputs = keras.Input((16, 16, 3))
    y = L.BatchNormalization(gamma_initializer="random_normal")(L.Conv2D(4, 3)(inputs), training=True)
    model = keras.Model(inputs, L.Conv2D(2, 3)(L.ReLU()(y)))
    trunk = Trunk.from_keras(model, preprocessing=FRAME)
    assert trunk.batch_dependent
    for image in some(x):
        assert_same(trunk, model, image[None])


def test_dropout_left_on_and_loops_are_refused_truly():
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, L.Dropout(0.5)(L.Conv2D(4, 3)(inputs), training=True))
    with pytest.raises(GraphError, match="random operation"):
        Trunk.from_keras(model, preprocessing=FRAME)
    rows = keras.Sequential([keras.Input((16, 16, 3)), L.Reshape((16, 48)), L.LSTM(3)])
    with pytest.raises(GraphError, match="without loops") as refused:
        Trunk.from_keras(rows, preprocessing=FRAME)
    assert "damaged" not in str(refused.value)


def test_load_model_finds_the_door(tmp_path, backbone, x):
    backbone.save(tmp_path / "net.h5")
    tf.saved_model.save(backbone, str(tmp_path / "folder"))
    expected = backbone(x)
    for model in (backbone, tmp_path / "net.h5", tmp_path / "folder", tf.function(backbone)):
        trunk = tfattr.load_model(model, preprocessing=FRAME)
        np.testing.assert_allclose(trunk(x), expected, atol=1e-6)
    trunk.save(tmp_path / "trunk")
    np.testing.assert_array_equal(tfattr.load_model(tmp_path / "trunk")(x), trunk(x))
    with pytest.raises(tfattr.TfattrError, match=r"takes no 'signature'; it takes .*layer"):
        tfattr.load_model(tmp_path / "net.h5", signature="x", preprocessing=FRAME)
    with pytest.raises(tfattr.TfattrError, match="needs 'preprocessing'"):
        tfattr.load_model(tmp_path / "net.h5")
