"""Every family of Keras Applications: loaded, gradients against tf.GradientTape on the model itself, epsilon-LRP.

Random weights, the smallest member of each family. The whole table takes half an hour: it is made by

    pytest tests/test_keras_applications.py --exhaustive -s

or by this file as a script; the suite itself tries one small family.
"""

from __future__ import annotations

import gc
import time
import warnings

import numpy as np
import pytest
import tensorflow as tf

from tfattr.attribution import AttributionSettings, attribute, attributions, engine_used
from tfattr.attribution.lrp import clear_cache
from tfattr.compat.keras import keras
from tfattr.trunk import Preprocessing, Trunk

FAMILIES = {
    "ConvNeXtTiny": (32, {"include_preprocessing": False}),
    "DenseNet121": (32, {}),
    "EfficientNetB0": (32, {}),
    "EfficientNetV2B0": (32, {"include_preprocessing": False}),
    "InceptionResNetV2": (75, {}),
    "InceptionV3": (75, {}),
    "MobileNet": (32, {"alpha": 0.25}),
    "MobileNetV2": (32, {"alpha": 0.35}),
    "MobileNetV3Small": (32, {"include_preprocessing": False, "minimalistic": False}),
    "NASNetMobile": (32, {}),
    "RegNetX002": (32, {"include_preprocessing": False}),
    "RegNetY002": (32, {"include_preprocessing": False}),
    "ResNet50": (32, {}),
    "ResNetRS50": (32, {"include_preprocessing": False}),
    "ResNet50V2": (32, {}),
    "VGG16": (32, {}),
    "VGG19": (32, {}),
    "Xception": (71, {}),
}
IN_THE_SUITE = ("MobileNetV3Small",)


def build(name: str, pooling: str | None) -> keras.Model:
    """The model with the vectors of its norms and biases away from their initial values."""
    keras.utils.set_random_seed(7)
    size, options = FAMILIES[name]
    make = getattr(keras.applications, name)
    model = make(weights=None, include_top=False, input_shape=(size, size, 3), pooling=pooling, **options)
    random = np.random.default_rng(1)
    for variable in model.weights:
        leaf = variable.name.split("/")[-1]
        if leaf.startswith(("gamma", "moving_variance")):
            variable.assign(random.uniform(0.7, 1.4, variable.shape))
        elif leaf.startswith(("beta", "bias", "moving_mean")):
            variable.assign(random.normal(0, 0.1, variable.shape))
    return model


def goes_through(name: str, pooling: str | None) -> dict[str, object]:
    """One row of the table; asserts what the table promises."""
    model, size = build(name, pooling), FAMILIES[name][0]
    x = np.random.default_rng(2).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        pixels = tf.constant(x)
        tape.watch(pixels)
        y = model(pixels, training=False)
    wanted = tape.gradient(y, pixels).numpy()
    started = time.perf_counter()
    trunk = Trunk.from_keras(model, preprocessing=Preprocessing((size, size), range="[-1,1]"), name=name)
    loaded = time.perf_counter() - started
    np.testing.assert_allclose(trunk(x), y, atol=1e-5 * np.abs(y).max())
    gradient = attribute(trunk, x, "grad_input")
    error = np.abs(gradient - wanted * x).max() / np.abs(wanted * x).max()
    assert error <= 1e-5
    del model, tape
    settings = AttributionSettings(("elrp",))
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = attributions(trunk, x, settings)["elrp"]
    first = time.perf_counter() - started
    assert np.isfinite(found).all()
    assert np.any(found, axis=(1, 2, 3)).all()
    native = attribute(trunk, x, "elrp_native")
    a, b = native.reshape(2, -1).astype(np.float64), found.reshape(2, -1).astype(np.float64)
    cosine = ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min()
    assert cosine >= 0.9999
    notices = [str(one.message) for one in told if "engine native" in str(one.message)]
    assert len(notices) == (engine_used(trunk, settings) == "native")
    clear_cache()
    return {
        "engine": engine_used(trunk, settings),
        "gradient error": f"{error:.1e}",
        "cosine with native": f"{cosine:.7f}",
        "load": f"{loaded:.1f} s",
        "first elrp": f"{first:.1f} s",
        "notice": notices[0].split("does not take it: ")[1][:90] if notices else "",
    }


@pytest.mark.parametrize("pooling", [None, "avg"])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in IN_THE_SUITE else [pytest.mark.exhaustive]) for name in FAMILIES],
)
@pytest.mark.slow
def test_family_goes_through(name, pooling):
    print(name, pooling, goes_through(name, pooling))


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:] or FAMILIES:
        for pooling in (None, "avg"):
            try:
                row = goes_through(name, pooling)
            except Exception as error:  # noqa: BLE001
                row = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
            print(f"{name} {pooling}", *row.values(), sep=" | ", flush=True)
            keras.backend.clear_session()
            gc.collect()
