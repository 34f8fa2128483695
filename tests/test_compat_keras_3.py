"""The newest TensorFlow's Keras 3 beside legacy Keras: whose names are whose, and models of both become trunks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from test_compat import FRAME, alone, images, with_innvestigate

from tfattr.attribution import attribute
from tfattr.compat.keras import keras, keras_3
from tfattr.errors import GraphError
from tfattr.trunk import Trunk
from tfattr.trunk.inspect import inspect

if keras_3() is None:
    pytest.skip(f"TensorFlow {tf.__version__} has no Keras 3", allow_module_level=True)


@with_innvestigate
def test_a_failed_import_of_innvestigate_does_no_harm():
    """On Keras 3 its own import fails half-way."""
    code = """
try:
    import innvestigate
except AttributeError as error:
    from tfattr.compat.innvestigate import innvestigate
    from tfattr.compat.analyzer_keras import keras
    print(innvestigate.backend.types.Layer is keras.layers.Layer)
"""
    assert alone(code) == "True"


def modern_net():
    k3 = keras_3()
    k3.utils.set_random_seed(1)
    fed = k3.Input((12, 12, 3))
    y = k3.layers.Conv2D(6, 3, strides=2, padding="same", name="first")(fed)
    y = k3.layers.BatchNormalization()(y)
    y = k3.layers.ReLU()(y)
    y = k3.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="silu")(y)
    y = k3.layers.Dropout(0.5)(y)
    y = k3.layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="elu", name="up")(y)
    y = k3.layers.GlobalAveragePooling2D()(y)
    return k3.Model(fed, k3.layers.Dense(5, name="last")(y), name="modern")


@pytest.mark.parametrize("layer", [None, "up"])
@pytest.mark.parametrize("form", ["model", "model.keras", "model.h5"])
def test_a_model_of_keras_3_becomes_a_trunk(tmp_path, form, layer):
    model = modern_net()
    given = model
    if form != "model":
        given = tmp_path / form
        model.save(given)
    trunk = Trunk.from_keras(given, layer=layer, preprocessing=FRAME)
    wanted = model if layer is None else keras_3().Model(model.inputs, model.get_layer(layer).output)
    np.testing.assert_allclose(trunk(images()), wanted.predict(images(), verbose=0), rtol=1e-4, atol=1e-5)
    assert trunk.name == "modern"
    assert trunk.provenance["weights_sha256"] == Trunk.from_keras(
        model, layer=layer, preprocessing=FRAME
    ).provenance["weights_sha256"]  # fmt: skip


def test_the_gradient_of_a_model_of_keras_3():
    """Gradient * input through the trunk against a tape over the model itself."""
    model, x = modern_net(), tf.constant(images())
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x, training=False))
    expected = (tape.gradient(total, x) * x).numpy()
    trunk = Trunk.from_keras(model, preprocessing=FRAME)
    np.testing.assert_allclose(
        attribute(trunk, x, "grad_input"), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()
    )


def test_files_of_both_keras_are_inspected_and_loaded_by_their_own(tmp_path):
    modern_net().save(tmp_path / "modern.keras")
    old = keras.Sequential([keras.layers.Conv2D(2, 3, input_shape=(12, 12, 3), name="only")])
    old.save(tmp_path / "old.keras")
    found = inspect(tmp_path / "modern.keras")
    assert found.inputs[0][1:] == ("float32", "[None, 12, 12, 3]")
    assert ("first", "Conv2D", "(None, 6, 6, 6)") in found.layers
    assert inspect(tmp_path / "old.keras").layers[-1][:2] == ("only", "Conv2D")
    trunk = Trunk.from_keras(tmp_path / "old.keras", preprocessing=FRAME)
    np.testing.assert_allclose(trunk(images()), old.predict(images(), verbose=0), rtol=1e-4, atol=1e-5)


def test_another_backend_of_keras_3_is_refused(monkeypatch):
    model = modern_net()
    monkeypatch.setattr(keras_3().backend, "backend", lambda: "jax")
    with pytest.raises(GraphError, match="backend jax; expected tensorflow"):
        Trunk.from_keras(model, preprocessing=FRAME)
