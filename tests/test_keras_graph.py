"""Graphs become Keras models that compute the same, from layers that iNNvestigate has rules for."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from lrp_nets import chain, const, conv, dense, evaluate, flatten, freeze, images, weights

from tfattr.attribution.keras_graph import GraphView, build_keras_model, load_weights, make_plan, verify
from tfattr.errors import GraphError, UnsupportedOpError

SHAPE = (7, 8, 4)


def plan_of(function, shape=SHAPE):
    return make_plan(GraphView(*freeze(function, shape)))


def model_output(plan, x):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = build_keras_model(plan)
        load_weights(session, model, plan)
        return session.run(model.outputs[0], {model.inputs[0]: x})


def kinds(plan):
    return [spec.kind for spec in plan.layers[1:]]


def channel(seed, n=4):
    return weights(seed, n, scale=1.0)


def depthwise(x, **options):
    options = {"strides": [1, 1, 1, 1], "padding": "SAME", **options}
    return tf.nn.depthwise_conv2d(x, const(weights(3, 3, 3, 4, 2), x), **options)


def transposed(size, stride, padding):
    def apply(x):
        shape = tf.stack([tf.shape(x)[0], *size, 5])
        return tf.nn.conv2d_transpose(x, const(weights(4, 3, 3, 5, 4), x), shape, stride, padding)

    return apply


def batch_norm(x):
    parameters = [const(v, x) for v in (channel(1), channel(2), channel(3), np.abs(channel(4)) + 0.1)]
    return tf.compat.v1.nn.fused_batch_norm(x, *parameters, epsilon=1e-3, is_training=False)[0]


def raw_batch_norm(x):
    scale = const(channel(1), x) * tf.math.rsqrt(const(np.abs(channel(2)) + 0.1, x) + 1e-3)
    return x * scale + (const(channel(3), x) - const(channel(4), x) * scale)


def strided_pool(kind):
    return lambda x: kind(x, 3, 2, "SAME")


CASES = {
    "conv_stride": (conv(1, 4, 5, strides=2), ["conv"]),
    "conv_valid": (conv(1, 4, 5, padding="VALID"), ["conv"]),
    "conv_explicit": (conv(1, 4, 5, padding=[[0, 0], [1, 2], [0, 3], [0, 0]]), ["pad", "conv"]),
    "conv_dilated": (conv(1, 4, 5, dilations=2), ["conv"]),
    "depthwise": (depthwise, ["depthwise"]),
    "depthwise_scaled": (
        lambda x: depthwise(x) * const(channel(5, 8), x) + const(channel(6, 8), x),
        ["depthwise"],
    ),
    "transposed_even": (transposed((14, 16), 2, "SAME"), ["transposed"]),
    "transposed_odd": (transposed((13, 15), 2, "SAME"), ["transposed"]),
    "transposed_valid": (transposed((15, 18), 2, "VALID"), ["transposed"]),
    "transposed_scaled": (
        lambda x: (transposed((14, 16), 2, "SAME")(x) + 1.0) * const(channel(5, 5), x),
        ["transposed"],
    ),
    "dense": (chain(flatten, dense(1, 224, 3)), ["reshape", "dense"]),
    "fused_batch_norm": (chain(conv(1, 4, 4), batch_norm), ["conv"]),
    "raw_batch_norm": (chain(conv(1, 4, 4, bias=0), raw_batch_norm), ["conv"]),
    "batch_norm_after_relu": (chain(tf.nn.relu, batch_norm), ["activation", "affine"]),
    "scale_used_twice": (
        lambda x: tf.concat([(y := conv(1, 4, 4)(x)), y * 2.0], 3),
        ["conv", "affine", "concat"],
    ),
    "full_bias": (lambda x: tf.nn.relu(x) - const(weights(1, 7, 8, 4), x), ["activation", "affine"]),
    "constant_minus_data": (lambda x: 3.0 - tf.nn.relu(x) / 2.0, ["activation", "affine"]),
    "add_n": (lambda x: tf.add_n([x, tf.tanh(x), tf.nn.relu(x)]), ["activation", "activation", "add"]),
    "max_pool": (strided_pool(tf.nn.max_pool2d), ["max_pool"]),
    "average_pool": (strided_pool(tf.nn.avg_pool2d), ["average_pool"]),
    "mean": (lambda x: tf.reduce_mean(x, [1, 2]), ["global_average_pool"]),
    "mean_keep": (lambda x: tf.reduce_mean(x, [-3, -2], keepdims=True), ["global_average_pool"]),
    "mean_channels": (lambda x: tf.reduce_mean(x, 3), ["graph_op"]),
    "max_channels": (lambda x: tf.reduce_max(x, 3, keepdims=True), ["graph_op"]),
    "pad": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), ["pad"]),
    "pad_channels": (lambda x: tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 0]]), ["graph_op"]),
    "mirror_pad": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], "REFLECT"), ["graph_op"]),
    "squeeze": (lambda x: tf.squeeze(x[:, :1, :1], [1, 2]), ["graph_op", "reshape"]),
    "depth_to_space": (lambda x: tf.nn.depth_to_space(x, 2), ["graph_op"]),
    "transpose": (lambda x: tf.transpose(x, [0, 3, 1, 2]), ["graph_op"]),
    "split": (
        lambda x: tf.nn.relu(tf.split(x, 2, 3)[1]) + tf.split(x, 2, 3)[0],
        ["graph_op", "activation", "graph_op", "add"],
    ),
    "resize_bilinear": (lambda x: tf.compat.v1.image.resize_bilinear(x, [9, 5], True), ["graph_op"]),
    "resize_nearest": (lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, [14, 16]), ["graph_op"]),
    "clip": (lambda x: tf.clip_by_value(x, -0.5, 0.25), ["graph_op", "graph_op"]),
    "maxout": (lambda x: tf.maximum(x, tf.tanh(2.0 * x)), ["affine", "activation", "select"]),
    "swish": (lambda x: x * tf.sigmoid(x), ["activation", "gate"]),
    "softmax": (tf.nn.softmax, ["activation"]),
}


@pytest.mark.parametrize("name", CASES)
def test_same_values_from_the_expected_layers(name):
    function, expected = CASES[name]
    graph = freeze(function, SHAPE)
    plan = plan_of(function)
    x = images(3, SHAPE)
    assert sorted(kinds(plan)) == sorted(expected)
    wanted = evaluate(*graph, x).reshape(3, -1)
    np.testing.assert_allclose(model_output(plan, x), wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("kernel", ["full", "depthwise"])
def test_space_to_batch_is_a_dilated_convolution(kernel):
    def function(x):
        inner = tf.space_to_batch_nd(x, [2, 2], [[2, 3], [2, 2]])
        if kernel == "full":
            y = tf.nn.conv2d(inner, const(weights(1, 3, 3, 4, 5), x), 1, "VALID")
        else:
            y = tf.nn.depthwise_conv2d(inner, const(weights(1, 3, 3, 4, 1), x), [1, 1, 1, 1], "VALID")
        return tf.batch_to_space(y, [2, 2], [[0, 1], [0, 0]])

    plan, x = plan_of(function), images(2, SHAPE)
    assert kinds(plan) == ["pad", "conv" if kernel == "full" else "depthwise"]
    assert plan.layers[-1].config["dilation"] == [2, 2]
    wanted = evaluate(*freeze(function, SHAPE), x).reshape(2, -1)
    np.testing.assert_allclose(model_output(plan, x), wanted, atol=1e-5)


ALPHA = np.array([0.25, -0.5, 0.1, 0.0], np.float32)
SPELLINGS = {
    "fsrcnn": lambda x: tf.nn.relu(x) + ALPHA * (x - tf.abs(x)) * 0.5,
    "lapsrn": lambda x: tf.nn.relu(x) - ALPHA * tf.nn.relu(-1.0 * x),
    "keras": lambda x: tf.nn.relu(x) + (-ALPHA) * tf.nn.relu(-x),
    "minimum": lambda x: tf.maximum(x, 0.0) + ALPHA * tf.minimum(0.0, x),
    "two_factors": lambda x: (1 + ALPHA) / 2 * x + (1 - ALPHA) / 2 * tf.abs(x),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_prelu_is_one_layer(spelling):
    plan = plan_of(SPELLINGS[spelling])
    assert kinds(plan) == ["slopes"]
    above, below = plan.layers[-1].weights
    np.testing.assert_allclose(np.broadcast_to(above, 4), 1.0)
    np.testing.assert_allclose(below, ALPHA, atol=1e-7)


def test_leaky_relu_by_operation_and_by_maximum_are_alike():
    by_operation = plan_of(lambda x: tf.nn.leaky_relu(x, 0.2))
    by_maximum = plan_of(lambda x: tf.maximum(x, 0.2 * x))
    assert by_operation.structure() == by_maximum.structure()


def test_a_residual_sum_is_no_prelu():
    assert kinds(plan_of(lambda x: tf.nn.relu(x) + conv(1, 4, 4)(x))).count("slopes") == 0


def test_linear_sums_of_one_tensor_become_a_scale():
    plan = plan_of(chain(tf.tanh, lambda x: x - 0.25 * x))
    assert kinds(plan) == ["activation", "affine"]
    assert plan.layers[-1].weights[0] == pytest.approx(0.75)


def test_structure_ignores_weights_and_nothing_else():
    base = plan_of(chain(conv(1, 4, 4), tf.nn.relu))
    assert base.structure() == plan_of(chain(conv(9, 4, 4), tf.nn.relu)).structure()
    for other in (
        plan_of(chain(conv(1, 4, 4), tf.nn.elu)),
        plan_of(chain(conv(1, 4, 5), tf.nn.relu)),
        plan_of(chain(conv(1, 4, 4, bias=0), tf.nn.relu)),
        plan_of(chain(conv(1, 4, 4), tf.nn.relu), (7, 9, 4)),
    ):
        assert base.structure() != other.structure()


def test_unsupported_operation_is_named():
    with pytest.raises(UnsupportedOpError, match=r"Lgamma \(node 'strange'\)"):
        plan_of(lambda x: tf.nn.relu(tf.raw_ops.Lgamma(x=x, name="strange")))


def test_a_product_of_two_signals_is_refused_unless_no_relevance_reaches_it():
    with pytest.raises(UnsupportedOpError, match="two signals"):
        plan_of(lambda x: conv(1, 4, 4)(x) * conv(2, 4, 4)(x))
    plan = plan_of(lambda x: x * tf.sigmoid(conv(1, 4, 4)(x) * conv(2, 4, 4)(x)))
    assert kinds(plan).count("gate") == 2


def test_statistics_of_the_batch_are_refused():
    with pytest.raises(UnsupportedOpError, match="batch"):
        plan_of(lambda x: x - tf.reduce_mean(x, [0, 1, 2]))


def test_missing_tensor_names_the_nearest():
    graph, source, _ = freeze(tf.nn.relu, SHAPE)
    with pytest.raises(GraphError, match=r"no tensor 'Relo:0'.*Relu:0"):
        GraphView(graph, source, "Relo:0")


def test_open_placeholder_is_named():
    def function(x):
        return x * tf.compat.v1.placeholder(tf.float32, [], name="keep_prob")

    with pytest.raises(GraphError, match="'keep_prob'"):
        GraphView(*freeze(function, SHAPE))


def test_unknown_size_is_refused():
    with pytest.raises(GraphError, match="every size but the batch"):
        GraphView(*freeze(tf.nn.relu, (None, 8, 4)))


def test_a_model_that_differs_is_refused():
    expected = np.ones((2, 3, 1), np.float32)
    verify(expected, expected.reshape(2, 3) + 5e-5, "y:0")
    with pytest.raises(GraphError, match="differs from it by 0.01"):
        verify(expected, expected.reshape(2, 3) + 1e-2, "y:0")
    with pytest.raises(GraphError, match="differs"):
        verify(expected, np.full((2, 3), np.nan, np.float32), "y:0")
