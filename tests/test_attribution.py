"""Attribution against the authors' engine (golden maps), finite differences and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from found import some
from rounding import rounded_gradients

from tfattr.attribution import AttributionSettings, attribute, attributions
from tfattr.errors import SettingsError
from tfattr.trunk import Preprocessing, Trunk

GOLDEN = {
    "mobilenet_v1_0.25_128": ("mobilenet_v1_0.25_128", (128, 128)),
    "pose": ("pose", (96, 96)),
    "espcn_x2": ("espcn_x2", (64, 64)),
    "retinex_decom": ("retinex_decom", (64, 64)),
}


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (np.asarray(maps, np.float64).reshape(len(maps), -1) for maps in (a, b))
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def tiny_trunk(tmp_path, activation=tf.nn.elu, output_activation=tf.nn.tanh) -> Trunk:
    """Two convolutions with random weights, frozen by hand."""
    random = np.random.default_rng(7)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 6, 5, 3], name="x")
        for name, shape, act in (("a", [3, 3, 3, 4], activation), ("b", [3, 3, 4, 2], output_activation)):
            weights = tf.constant(random.normal(0, 0.5, shape).astype(np.float32))
            bias = tf.constant(random.normal(0, 0.2, shape[-1:]).astype(np.float32))
            y = act(tf.nn.conv2d(x if name == "a" else y, weights, 1, "SAME") + bias)  # noqa: F821
        tf.identity(y, name="y")
        (tmp_path / "tiny.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return Trunk.from_frozen_graph(
        tmp_path / "tiny.pb", input="x:0", output="y:0", preprocessing=Preprocessing((6, 5), range="[-1,1]")
    )


@pytest.fixture
def tiny(tmp_path) -> Trunk:
    return tiny_trunk(tmp_path)


@pytest.fixture
def batch() -> np.ndarray:
    return np.random.default_rng(8).uniform(-1, 1, (4, 6, 5, 3)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_maps_of_the_authors_engine(name, shared, real_zoo):
    spec_name, size = GOLDEN[name]
    spec = real_zoo[spec_name]
    frame = Preprocessing(size, spec.preprocessing.color, spec.preprocessing.range)
    door = getattr(Trunk, f"from_{spec.source}")
    trunk = door(spec.path, **spec.cut, preprocessing=frame)
    golden = np.load(shared / "golden" / f"{name}.npz")
    x = golden["input"]
    together = attributions(trunk, x, AttributionSettings(engine="deepexplain"))
    by_tape = attributions(trunk, x, AttributionSettings(methods=("saliency", "grad_input")))
    slopes = rounded_gradients(trunk, x)
    for method, rounded in (("saliency", np.abs(slopes)), ("grad_input", slopes * x)):
        for found in (by_tape[method], together[method]):
            assert cosines(found, golden[method]).min() >= 0.999
            # Closer than that up to float32 rounding, which the authors' engine met on another machine.
            low, high = np.minimum(rounded.min(0), found), np.maximum(rounded.max(0), found)
            nearest = np.clip(golden[method], low, high)
            assert cosines(nearest, golden[method]).min() >= 0.99999
            peaks = np.abs(golden[method]).max(axis=(1, 2, 3))
            assert (np.abs(nearest - golden[method]).max(axis=(1, 2, 3)) <= 1e-3 * peaks).all()
    assert cosines(together["elrp"], golden["elrp"]).min() >= 0.9999
    alone = attribute(trunk, x, "elrp", engine="deepexplain")
    np.testing.assert_allclose(alone, together["elrp"], rtol=1e-5, atol=1e-6 * np.abs(alone).max())


@pytest.mark.parametrize("target", ["sum", "energy"])
def test_gradient_against_finite_differences(tiny, batch, target):
    def score(x: np.ndarray) -> np.ndarray:
        y = np.asarray(tiny(x.astype(np.float32)), np.float64).reshape(len(x), -1)
        return y.sum(1) if target == "sum" else 0.5 * (y**2).sum(1)

    found = attributions(tiny, batch, AttributionSettings(("saliency", "grad_input"), target=target))
    step = 1e-2
    expected = np.zeros_like(batch)
    for index in np.ndindex(batch.shape[1:]):
        up, down = batch.copy(), batch.copy()
        up[(slice(None), *index)] += step
        down[(slice(None), *index)] -= step
        expected[(slice(None), *index)] = (score(up) - score(down)) / (2 * step)
    np.testing.assert_allclose(found["saliency"], np.abs(expected), atol=5e-3 * np.abs(expected).max())
    np.testing.assert_allclose(found["grad_input"], expected * batch, atol=5e-3 * np.abs(expected).max())


@pytest.mark.parametrize("target", ["sum", "energy"])
@pytest.mark.parametrize("kind", ["relu", "elu", "sigmoid", "tanh", "softplus", "leaky_relu", "relu6"])
def test_authors_chain_rule_against_numpy(tmp_path, kind, target):
    """A fully connected net by hand, float64: f(z) / (z + eps sign(z)) in place of f'(z)."""
    random, epsilon = np.random.default_rng(4), 0.05
    first, second = random.normal(size=(12, 9)), random.normal(size=(9, 3))
    bias = random.normal(size=9)
    functions = {
        "relu": lambda z: np.maximum(z, 0),
        "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "softplus": lambda z: np.log1p(np.exp(z)),
        "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
        "relu6": lambda z: np.clip(z, 0, 6),
    }
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2, 2, 3], name="x")
        z = tf.matmul(tf.reshape(x, [-1, 12]), tf.constant(first, tf.float32)) + tf.constant(bias, tf.float32)
        tf.matmul(getattr(tf.nn, kind)(z), tf.constant(second, tf.float32), name="y")
        (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    trunk = Trunk.from_frozen_graph(
        tmp_path / "net.pb", input="x:0", output="y:0", preprocessing=Preprocessing((2, 2), range="[-1,1]")
    )
    x = random.uniform(-1, 1, (5, 2, 2, 3))
    flat = x.reshape(5, 12)
    z = flat @ first + bias
    f = functions[kind](z)
    if kind == "leaky_relu":  # not overridden by the authors' engine: the ordinary derivative
        slope = np.where(z > 0, 1.0, 0.2)
    elif kind == "relu6":
        slope = ((z > 0) & (z < 6)).astype(float)
    else:
        slope = f / (z + epsilon * np.where(z >= 0, 1, -1))
    seed = np.ones((5, 3)) if target == "sum" else f @ second
    expected = (((seed @ second.T) * slope) @ first.T).reshape(x.shape) * x
    found = attribute(
        trunk, x.astype(np.float32), "elrp", engine="deepexplain", epsilon=epsilon, target=target
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_energy_of_a_relu_net_is_the_gradient_seeded_with_activations(tmp_path):
    trunk = tiny_trunk(tmp_path, tf.nn.relu, tf.nn.relu)
    x = np.random.default_rng(0).uniform(-1, 1, (2, *trunk.input_shape)).astype(np.float32)
    with tf.GradientTape() as tape:
        variable = tf.constant(x)
        tape.watch(variable)
        y = trunk(variable)
    expected = tape.gradient(y, variable, output_gradients=y) * x
    found = attribute(trunk, x, "grad_input", target="energy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_integrated_gradients_are_complete(tiny, batch):
    """Their sum is f(x) - f(0) (Sundararajan et al. 2017, axiom of completeness)."""
    found = attribute(tiny, batch, "integrated_gradients", steps=64)
    rise = np.asarray(tiny(batch)) - np.asarray(tiny(np.zeros_like(batch)))
    np.testing.assert_allclose(found.sum((1, 2, 3)), rise.sum((1, 2, 3)), rtol=2e-3, atol=2e-3)


def test_smoothgrad_does_not_depend_on_batches_and_without_noise_is_saliency(tiny, batch):
    kwargs = {"samples": 4, "noise": 0.1, "seed": 3}
    whole = attribute(tiny, batch, "smoothgrad", **kwargs)
    np.testing.assert_allclose(whole, attribute(tiny, batch, "smoothgrad", batch_size=1, **kwargs), rtol=1e-4)
    assert not np.allclose(whole, attribute(tiny, batch, "smoothgrad", samples=4, noise=0.1, seed=4))
    still = attribute(tiny, batch, "smoothgrad", samples=2, noise=0.0)
    np.testing.assert_allclose(still, attribute(tiny, batch, "saliency"), rtol=1e-5, atol=1e-7)


def test_photographs_are_preprocessed(tiny):
    random = np.random.default_rng(4)
    photos = [random.integers(0, 256, size, dtype=np.uint8) for size in ((9, 12, 3), (20, 7, 3))]
    fed = attribute(tiny, tiny.preprocess(photos), "grad_input")
    np.testing.assert_array_equal(attribute(tiny, photos, "grad_input"), fed)
    np.testing.assert_array_equal(attribute(tiny, photos[0][None], "grad_input"), fed[:1])


def test_batches_do_not_change_the_maps(rooms_trunk):
    trunk = rooms_trunk("rgb2depth_plain")
    x = np.random.default_rng(0).uniform(-1, 1, (5, *trunk.input_shape)).astype(np.float32)
    settings = AttributionSettings(engine="deepexplain")
    whole, parts = attributions(trunk, x, settings), attributions(trunk, x, settings, batch_size=2)
    for method in some(settings.methods):
        np.testing.assert_allclose(
            whole[method], parts[method], rtol=1e-3, atol=1e-5 * np.abs(whole[method]).max()
        )


def test_both_engines_in_one_process_in_any_order(tiny, batch):
    """No engine switches eager execution off, and neither changes what the other gives."""
    first = attribute(tiny, batch, "elrp", engine="deepexplain")
    by_keras = attribute(tiny, batch, "elrp", engine="innvestigate")
    assert tf.executing_eagerly()
    np.testing.assert_array_equal(attribute(tiny, batch, "elrp", engine="deepexplain"), first)
    np.testing.assert_array_equal(attribute(tiny, batch, "elrp", engine="innvestigate"), by_keras)
    assert float(tf.reduce_sum(tf.constant([1.0, 2.0]))) == 3.0


def test_both_engines_by_name_in_one_call(tmp_path, batch):
    """They differ where a linear layer has no non-linearity behind it: one of them has epsilon there."""
    linear = tiny_trunk(tmp_path, output_activation=tf.identity)
    methods = ("elrp_innvestigate", "grad_input", "elrp_deepexplain")
    both = attributions(linear, batch, AttributionSettings(methods, epsilon=0.05))
    for engine in ("innvestigate", "deepexplain"):
        alone = attribute(linear, batch, "elrp", engine=engine, epsilon=0.05)
        np.testing.assert_allclose(both[f"elrp_{engine}"], alone, rtol=1e-5, atol=1e-7)
    assert not np.allclose(both["elrp_innvestigate"], both["elrp_deepexplain"], rtol=1e-2)


def test_single_images_where_the_trunk_wants_them(tiny, batch):
    expected = attribute(tiny, batch, "grad_input")
    tiny.batch_dependent = True
    np.testing.assert_allclose(attribute(tiny, batch, "grad_input"), expected, rtol=1e-5, atol=1e-6)


def test_empty_batch(tiny):
    assert attribute(tiny, np.zeros((0, 6, 5, 3), np.float32)).shape == (0, 6, 5, 3)


@pytest.mark.parametrize(
    "kwargs, said",
    [
        ({"method": "magic"}, "'magic' is not known"),
        ({"engine": "captum"}, "'captum' is not known"),
        ({"target": "norm"}, "'norm' is not known"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"steps": 3}, "'steps' belongs to none"),
    ],
)
def test_bad_settings(tiny, batch, kwargs, said):
    with pytest.raises(SettingsError) as caught:
        attribute(tiny, batch, **kwargs)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_refused(tiny, batch, value):
    batch[1, 2, 3, 0] = value
    with pytest.raises(SettingsError, match="the batch holds values that are not finite"):
        attribute(tiny, batch, "saliency")
