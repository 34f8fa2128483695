"""Epsilon-LRP on the graph itself, and which engine computes what.

Reference at epsilon 1e-7: gradient * input of a twin net in which what takes no relevance stands behind
``tf.stop_gradient``, and a function f of single values is x times the constant f(x) / x.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf
from lrp_nets import (
    chain,
    const,
    conv,
    cosines,
    dense,
    evaluate,
    family_graph,
    flatten,
    freeze,
    gradient,
    images,
    native,
    weights,
)

from tfattr.attribution import AttributionSettings, attribute, attributions, engine_used
from tfattr.attribution.constant_target import is_constant
from tfattr.attribution.lrp import clear_cache, relevance
from tfattr.compat.keras import keras
from tfattr.errors import AttributionWarning, ConstantTargetError, GraphError, UnsupportedOpError
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.assemble import assemble

SHAPE = (8, 8, 3)
L = keras.layers
fixed = tf.stop_gradient


@pytest.fixture(autouse=True)
def _fresh():
    yield
    clear_cache()


def trunk_of(function, tmp_path, name="net", shape=SHAPE) -> Trunk:
    graph, source, output = freeze(function, shape)
    (tmp_path / f"{name}.pb").write_bytes(graph.SerializeToString())
    frame = Preprocessing(shape[:2], range="[-1,1]")
    return Trunk.from_frozen_graph(
        tmp_path / f"{name}.pb", input=source, output=output, preprocessing=frame, name=name
    )


# -- against twins -----------------------------------------------------------------------------------


def valued(function):
    """A function of single values, and its twin."""
    return function, lambda z: z * fixed(function(z) / z)


def layer_norm(z, held=lambda v: v):
    mean, variance = tf.nn.moments(z, [3], keepdims=True)
    scale, shift = const(weights(5, 8, scale=1.0), z), const(weights(6, 8, scale=0.3), z)
    return tf.nn.batch_normalization(z, mean, held(variance), shift, scale, 1e-3)


def fused_norm(z):
    """As Keras spells layer norm: the fused batch norm of a batch of rows, with its own statistics."""
    rows = tf.reshape(z, [1, -1, 8, 1])
    ones = tf.fill([tf.shape(rows)[1]], 1.0)
    normed = tf.compat.v1.nn.fused_batch_norm(rows, ones, 0 * ones, epsilon=1e-3, data_format="NCHW")[0]
    scale, shift = const(weights(5, 8, scale=1.0), z), const(weights(6, 8, scale=0.3), z)
    return tf.reshape(normed, [-1, 8, 8, 8]) * scale + shift


def group_norm(z, held=lambda v: v):
    groups = tf.reshape(z, [-1, 8, 8, 4, 2])
    mean, variance = tf.nn.moments(groups, [1, 2, 4], keepdims=True)
    return tf.reshape((groups - mean) * held(tf.math.rsqrt(variance + 1e-3)), [-1, 8, 8, 8])


def instance_norm(z, held=lambda v: v):
    mean = tf.reduce_mean(z, [1, 2], keepdims=True)
    return (z - mean) / held(tf.math.reduce_std(z, [1, 2], keepdims=True) + 1e-3)


def squeezed(z, held=lambda v: v):
    pooled = tf.reduce_mean(z, [1, 2], keepdims=True)
    return z * held(tf.nn.relu6(conv(7, 8, 8, 1)(tf.nn.relu(conv(9, 8, 8, 1)(pooled))) + 3.0) / 6.0)


@tf.custom_gradient
def custom_silu(z):
    """Its gradient is its own and rides on an IdentityN, as TensorFlow's."""
    return z * tf.sigmoid(z), lambda upstream: upstream * 17.0


def einsum(z):
    return tf.einsum("nhwc,cd->nhwd", z, const(weights(3, 8, 8), z)) + const(weights(4, 8, scale=0.2), z)


def channels_first(z):
    z = tf.transpose(z, [0, 3, 1, 2])
    bias = const(weights(4, 8, scale=0.2), z)
    z = tf.nn.bias_add(z * const(weights(3, 8, 1, 1, scale=1.0), z), bias, data_format="NCHW")
    return tf.transpose(z, [0, 2, 3, 1])


def fake_quant(z):
    return tf.quantization.fake_quant_with_min_max_args(z, -2, 2)


def along_one_axis(z):
    """Keras' Conv1D: a convolution between two reshapes, its bias behind them."""
    rows = tf.expand_dims(tf.reshape(z, [-1, 64, 8]), 1)
    y = tf.squeeze(tf.nn.conv2d(rows, const(weights(3, 1, 3, 8, 8), z), 1, "SAME"), [1])
    return tf.reshape(tf.nn.bias_add(y, const(weights(4, 8, scale=0.2), z)), [-1, 8, 8, 8])


TWINS = {
    "gelu": valued(tf.nn.gelu),
    "gelu_tanh": valued(lambda z: tf.nn.gelu(z, approximate=True)),
    "silu": valued(lambda z: z * tf.sigmoid(z)),
    "silu_with_its_own_gradient": (custom_silu, valued(tf.nn.silu)[1]),
    "hard_swish": valued(lambda z: z * tf.nn.relu6(z + 3.0) / 6.0),
    "mish": valued(lambda z: z * tf.tanh(tf.nn.softplus(z))),
    "prelu": valued(lambda z: tf.nn.relu(z) - const(weights(5, 8, scale=0.3), z) * tf.nn.relu(-z)),
    "softmax": valued(tf.nn.softmax),
    "fake_quant": valued(fake_quant),
    "layer_norm": (layer_norm, lambda z: layer_norm(z, fixed)),
    "fused_layer_norm": (fused_norm, lambda z: layer_norm(z, fixed)),
    "group_norm": (group_norm, lambda z: group_norm(z, fixed)),
    "instance_norm": (instance_norm, lambda z: instance_norm(z, fixed)),
    "squeeze_excite": (squeezed, lambda z: squeezed(z, fixed)),
    "gated_halves": (
        lambda z: tf.repeat(z[..., :4] * tf.sigmoid(z[..., 4:]), 2, 3),
        lambda z: tf.repeat(z[..., :4] * fixed(tf.sigmoid(z[..., 4:])), 2, 3),
    ),
    "gate_of_gates": (
        lambda z: z * (1.0 - tf.sigmoid(z) * tf.sigmoid(-2.0 * z)),
        lambda z: z * fixed(1.0 - tf.sigmoid(z) * tf.sigmoid(-2.0 * z)),
    ),
    "two_signals": (
        lambda z: z * tf.reverse(z, [3]),
        lambda z: 0.5 * (z * fixed(tf.reverse(z, [3])) + tf.reverse(z, [3]) * fixed(z)),
    ),
    "threshold": (
        lambda z: z * tf.cast(z > 0.2, z.dtype),
        lambda z: z * fixed(tf.cast(z > 0.2, z.dtype)),
    ),
    "einsum": (einsum, einsum),
    "channels_first": (channels_first, channels_first),
    "one_axis": (along_one_axis, along_one_axis),
}
# What iNNvestigate's conversion refuses; all else it takes too, with the same relevance.
ON_THE_GRAPH_ALONE = {
    *("layer_norm", "fused_layer_norm", "fake_quant", "two_signals", "threshold", "einsum", "channels_first"),
}


def around(piece):
    return chain(
        conv(1, 3, 8, bias=0.3), piece, conv(13, 8, 4, bias=0.3), tf.nn.relu, flatten, dense(15, 256, 3)
    )


@pytest.mark.parametrize("name", TWINS)
def test_equals_gradient_times_input_of_the_twin(name):
    piece, twin = TWINS[name]
    graph, reference, x = freeze(around(piece), SHAPE), freeze(around(twin), SHAPE), images(3, SHAPE)
    values = [evaluate(*net, x) for net in (graph, reference)]
    np.testing.assert_allclose(*values, atol=1e-4 * np.abs(values[0]).max())
    assert cosines(native(*graph, x, 1e-7), x * gradient(*reference, x)).min() >= 0.9999
    if name in ON_THE_GRAPH_ALONE:
        with pytest.raises(GraphError):
            relevance(*graph, x)
    else:
        found, by_keras = native(*graph, x), relevance(*graph, x)
        np.testing.assert_allclose(found, by_keras, atol=1e-5 * np.abs(by_keras).max())


def projected(seed, s):
    rows = tf.reshape(tf.matmul(tf.reshape(s, [-1, 8]), const(weights(seed, 8, 8), s)), [-1, 16, 8])
    return rows + const(weights(seed + 1, 8, scale=0.2), s)


SHARES = {
    "q = k = v": lambda s: (s, s, s),
    "k, v shared": lambda s: (projected(21, s), s, s),
    "q, v shared": lambda s: (s, projected(21, s), s),
    "q, k projected": lambda s: (projected(21, s), projected(23, s), s),
    "all projected": lambda s: (projected(21, s), projected(23, s), projected(25, s)),
}


@pytest.mark.slow
@pytest.mark.parametrize("shared_among", SHARES)
def test_attention_gives_the_values_all(shared_among):
    def net(held):
        def mixed(z):
            q, k, v = SHARES[shared_among](tf.reshape(tf.nn.max_pool2d(z, 2, 2, "SAME"), [-1, 16, 8]))
            return tf.matmul(held(tf.nn.softmax(2.0 * tf.matmul(q, k, transpose_b=True))), v)

        return chain(
            conv(1, 3, 8), tf.nn.relu, mixed, flatten, dense(15, 128, 16), tf.nn.relu, dense(17, 16, 4)
        )

    graph, twin, x = freeze(net(tf.identity), SHAPE), freeze(net(fixed), SHAPE), images(2, SHAPE)
    wanted = x * gradient(*twin, x)
    assert cosines(native(*graph, x, 1e-7), wanted).min() >= 0.9999
    assert cosines(x * gradient(*graph, x), wanted).max() < 0.95
    if (
        shared_among == "q = k = v"
    ):  # the projections merge the batch with positions, which Keras layers cannot
        found = relevance(*graph, x, epsilon=1e-7)
        assert cosines(found, wanted).min() >= 0.9999


@pytest.mark.parametrize("kind", ["Attention", "MultiHeadAttention"])
def test_keras_attention(kind):
    """The twin holds the weights of each score times what a second model, cut at the softmax, says they are."""
    keras.utils.set_random_seed(3)
    fed = keras.Input(SHAPE)
    s = L.Reshape((16, 8))(L.MaxPooling2D(2)(L.Conv2D(8, 3, padding="same", activation="relu")(fed)))
    layer = L.Attention() if kind == "Attention" else L.MultiHeadAttention(2, 4)
    mixed, scores = layer(*([[s, s]] if kind == "Attention" else [s, s]), return_attention_scores=True)
    head = L.Dense(3)
    model = keras.Model(fed, head(L.Flatten()(mixed)))
    before = keras.Model(fed, [s, scores])
    x = images(2, SHAPE)
    trunk = Trunk.from_keras(model, preprocessing=Preprocessing(SHAPE[:2], range="[-1,1]"))
    with tf.GradientTape() as tape:
        pixels = tf.constant(x)
        tape.watch(pixels)
        values, held = before(pixels)
        held = fixed(held)
        if kind == "Attention":
            y = tf.matmul(held, values)
        else:
            y = layer._output_dense(tf.einsum("nhqk,nkhd->nqhd", held, layer._value_dense(values)))
        y = head(tf.reshape(y, [len(x), -1]))
    np.testing.assert_allclose(y, model(x), atol=1e-5)
    wanted = x * tape.gradient(y, pixels)
    assert cosines(attribute(trunk, x, "elrp_native", epsilon=1e-7), wanted).min() >= 0.9999


# -- against iNNvestigate ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("folded", [True, False])
def test_equals_innvestigate_on_a_net_with_batch_norm(folded):
    """iNNvestigate sees folded kernels; here the stabiliser stands behind batch norm, once. What is left between the two
    without folding is rounding, near zeros of a unit and the corners of ReLU6."""
    shape = (64, 64, 3)
    given, x = family_graph("mobilenet_v1", shape[:2], depth_multiplier=0.25), images(2, shape)
    plain = assemble(*given, shape, (-1.0, 1.0), "net", fold_batch_norm=folded)
    assert any(node.op.startswith("FusedBatchNorm") for node in plain.graph_def.node) != folded
    graph = plain.graph_def, plain.input, plain.output
    for epsilon in (1e-4, 1e-2):
        by_keras = relevance(*graph, x, epsilon=epsilon)
        found, peak = native(*graph, x, epsilon), np.abs(by_keras).max()
        np.testing.assert_allclose(found, by_keras, atol=(1e-5 if folded else 1e-3) * peak)
        assert cosines(found, by_keras).min() >= 0.999999


def test_relevance_is_conserved_without_biases():
    net = chain(
        conv(1, 3, 6, bias=0), tf.nn.gelu, conv(3, 6, 6, bias=0), tf.nn.relu6, flatten, dense(5, 384, 4, 0)
    )
    graph, x = freeze(net, SHAPE), images(4, SHAPE)
    sums = native(*graph, x, 1e-6).sum((1, 2, 3))
    wanted = evaluate(*graph, x).sum(1)
    np.testing.assert_allclose(sums, wanted, atol=1e-3 * np.abs(wanted).max())


def test_the_forward_pass_and_the_ordinary_gradient_stay_as_they_were(tmp_path):
    net = chain(around(TWINS["squeeze_excite"][0]), tf.nn.gelu)
    trunk, x = trunk_of(net, tmp_path), images(2, SHAPE)
    together = attributions(
        trunk, x, AttributionSettings(("elrp", "grad_input", "saliency"), engine="native")
    )
    graph = freeze(net, SHAPE)
    wanted = gradient(*graph, x)
    np.testing.assert_allclose(together["grad_input"], x * wanted, atol=1e-6 * np.abs(wanted).max())
    np.testing.assert_allclose(together["saliency"], np.abs(wanted), atol=1e-6 * np.abs(wanted).max())
    alone = attribute(trunk, x, "elrp_native")
    np.testing.assert_allclose(together["elrp"], alone, atol=1e-6 * np.abs(alone).max())


# -- which engine ------------------------------------------------------------------------------------


def test_what_innvestigate_does_not_take_is_native_with_one_notice(tmp_path):
    trunk, x = trunk_of(around(einsum), tmp_path), images(2, SHAPE)
    settings = AttributionSettings(("elrp",))
    with pytest.warns(AttributionWarning, match="net: elrp is computed by the engine native.*Einsum"):
        found = attributions(trunk, x, settings)["elrp"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", AttributionWarning)
        again = attributions(trunk, x, settings)["elrp"]
    assert engine_used(trunk, settings) == "native"
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(found, attribute(trunk, x, "elrp_native"))
    with pytest.raises(UnsupportedOpError, match="Einsum"):
        attribute(trunk, x, "elrp", engine="innvestigate")


def test_what_innvestigate_takes_is_its_own(tmp_path):
    trunk, x = trunk_of(around(tf.nn.relu), tmp_path), images(2, SHAPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AttributionWarning)
        found = attribute(trunk, x, "elrp")
    assert engine_used(trunk, AttributionSettings()) == "innvestigate"
    np.testing.assert_array_equal(found, attribute(trunk, x, "elrp_innvestigate"))
    native_too = attribute(trunk, x, "elrp", engine="native")
    np.testing.assert_allclose(found, native_too, atol=1e-5 * np.abs(found).max())


def test_the_authors_formula_says_when_it_explodes(tmp_path):
    """sigmoid(0) / epsilon: a gate whose input cancels."""

    def gated(z):
        pooled = tf.reduce_mean(z, [1, 2], keepdims=True)
        return z * tf.sigmoid(pooled - fixed(pooled))

    trunk, x = trunk_of(around(gated), tmp_path), images(2, SHAPE)
    quiet = trunk_of(around(tf.nn.relu), tmp_path, "quiet")
    with pytest.warns(AttributionWarning, match="net: the authors' formula.*times the relevance"):
        attribute(trunk, x, "elrp_deepexplain", epsilon=1e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AttributionWarning)
        for model in (trunk, quiet):
            attribute(model, x, "elrp_deepexplain", epsilon=1e-7)


# -- a target that is the same for every image -------------------------------------------------------

HEADS = {
    "softmax": lambda z: tf.nn.softmax(dense(21, 3, 5)(z)),
    "softmax_reshaped": lambda z: tf.reshape(tf.nn.softmax(dense(21, 3, 5)(z)), [-1, 5, 1]),
    "layer_norm": lambda z: (
        (z - tf.reduce_mean(z, 1, keepdims=True)) / (tf.math.reduce_std(z, 1, keepdims=True) + 0.1)
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_constant_targets_are_refused_for_every_method(head, tmp_path):
    trunk, x = trunk_of(chain(around(tf.nn.relu), HEADS[head]), tmp_path, head), images(2, SHAPE)
    for method in ("saliency", "elrp_native", "smoothgrad"):
        with pytest.raises(ConstantTargetError, match="constant.*name the logits") as caught:
            attribute(trunk, x, method)
    assert f"{head}: the sum of the output" in str(caught.value)
    if head != "layer_norm":
        logits = str(caught.value).split("(here '")[1].split("'")[0]
        np.testing.assert_allclose(
            evaluate(trunk.graph_def, trunk.input, logits, x),
            evaluate(*freeze(chain(around(tf.nn.relu), dense(21, 3, 5)), SHAPE), x),
            atol=1e-5,
        )


def test_instance_norm_at_the_end_is_constant(tmp_path):
    trunk = trunk_of(chain(conv(1, 3, 8), instance_norm), tmp_path)
    with pytest.raises(ConstantTargetError):
        attribute(trunk, images(1, SHAPE), "grad_input")


@pytest.mark.parametrize(
    "net",
    [
        chain(around(tf.nn.relu), lambda z: tf.nn.softmax(dense(21, 3, 5)(z))[:, :4]),
        chain(around(tf.nn.relu), lambda z: 1e-3 * z + 10.0),
        chain(around(tf.nn.relu), lambda z: tf.nn.relu(z - 1e6)),
        chain(conv(1, 3, 8), layer_norm),
        chain(conv(1, 3, 8), tf.nn.l2_normalize),
    ],
    ids=["part_of_a_softmax", "large_shift", "dead", "norm_with_weights", "unit_norm"],
)
def test_other_targets_are_not(net, tmp_path):
    attribute(trunk_of(net, tmp_path), images(2, SHAPE), "saliency")


def test_softmax_by_energy_moves(tmp_path):
    trunk = trunk_of(chain(around(tf.nn.relu), HEADS["softmax"]), tmp_path)
    assert np.any(attribute(trunk, images(1, SHAPE), "saliency", target="energy"))


def test_a_sum_that_cancels_but_for_rounding():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, 1000))
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert is_constant(softmax.astype(np.float32).astype(np.float64))
    softmax[:, 0] += [0, 1e-3, 2e-3, 3e-3]
    assert not is_constant(softmax)
    assert not is_constant(np.ones((4, 10)))
    assert not is_constant(np.full((4, 10), np.nan))
