"""Each relevance rule, by iNNvestigate and on the graph itself, against a brute-force twin: dense Jacobians, float64, numpy.

A net is a list of stages (role, function); the function is TensorFlow code that runs in any precision.
Composed in float32 it becomes the frozen graph that the engine gets; in float64 it gives the twin the
values and Jacobians from which each role's rule is written down as a formula.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from lrp_nets import chain, const, conv, dense, flatten, freeze, images, native, weights

from tfattr.attribution.lrp import clear_cache, relevance

SHAPE = (4, 5, 3)
EPSILON = 0.01


def value(function, a):
    return function(tf.constant(a[None], tf.float64)).numpy()[0].astype(np.float64)


def jacobian(function, a, step=1e-6):
    """[outputs, inputs] by central differences: exact for what is linear within ``step`` around ``a``."""
    columns = []
    for i in range(a.size):
        shift = np.zeros(a.size)
        shift[i] = step
        shift = shift.reshape(a.shape)
        columns.append((value(function, a + shift) - value(function, a - shift)).ravel() / (2 * step))
    return np.stack(columns, 1)


def stabilised(z):
    return z + np.where(z >= 0, EPSILON, -EPSILON)


class Stage:
    """One step of a net: ``forward`` for any precision, ``backward`` the rule under test."""

    def __init__(self, forward):
        self.forward = forward


class Linear(Stage):
    """R_i = sum_j a_i J_ji R_j / (z_j + epsilon sign(z_j))"""

    def backward(self, a, r):
        z = value(self.forward, a)
        message = (r / stabilised(z)).ravel()
        return a * (jacobian(self.forward, a, step=0.5).T @ message).reshape(a.shape)


class Move(Stage):
    """R_i = sum_j J_ji R_j"""

    def backward(self, a, r):
        return (jacobian(self.forward, a).T @ r.ravel()).reshape(a.shape)


class Elementwise(Stage):
    """R_i = R_i"""

    def backward(self, a, r):
        return r


class Residual(Stage):
    """z = a + branch(a): each summand gets its share of R, the branch's share goes on through it."""

    def __init__(self, *branch, sign=1):
        self.branch, self.sign = branch, sign
        inner = chain(*[s.forward for s in branch])
        super().__init__(lambda x: x + inner(x) if sign == 1 else x - inner(x))
        self.inner = inner

    def backward(self, a, r):
        b = self.sign * value(self.inner, a)
        share = r / stabilised(a + b)
        return a * share + back_through(self.branch, a, b * share)


class Gated(Stage):
    """z = a * gate(a) or a / gate(a): the signal gets it all."""

    def __init__(self, gate, divide=False):
        super().__init__(lambda x: x / gate(x) if divide else x * gate(x))

    def backward(self, a, r):
        return r


class Attention(Stage):
    """z = softmax(a a^T) a: linear in the values, the weights count as constants."""

    def __init__(self):
        super().__init__(lambda x: self.mixed(x, x))

    @staticmethod
    def mixed(x, values):
        rows = tf.reshape(x, [-1, 20, 3])
        weight = tf.nn.softmax(tf.linalg.matmul(rows, rows, transpose_b=True))
        return tf.reshape(tf.linalg.matmul(weight, tf.reshape(values, [-1, 20, 3])), [-1, 4, 5, 3])

    def backward(self, a, r):
        fixed = tf.constant(a[None], tf.float64)
        return Linear(lambda values: self.mixed(fixed, values)).backward(a, r)


class Stopped(Stage):
    """z = a + stop_gradient(f(a)): nothing goes through f."""

    def __init__(self, function):
        self.function = function
        super().__init__(lambda x: x + tf.stop_gradient(function(x)))

    def backward(self, a, r):
        return a * r / stabilised(a + value(self.function, a))


def back_through(stages, a, r):
    values = [a]
    for stage in stages:
        values.append(value(stage.forward, values[-1]))
    for stage, a in zip(reversed(stages), reversed(values[:-1])):
        r = stage.backward(a, r)
    return r


def twin(stages, x, target):
    maps = []
    for image in x.astype(np.float64):
        y = value(chain(*[s.forward for s in stages]), image)
        maps.append(back_through(stages, image, y if target == "sum" else y * y))
    return np.stack(maps)


def depthwise(x):
    kernel, bias = weights(3, 3, 3, 3, 2), weights(4, 6, scale=0.2)
    return tf.nn.depthwise_conv2d(x, const(kernel, x), [1, 1, 1, 1], "SAME") + const(bias, x)


def transposed(x):
    shape = tf.stack([tf.shape(x)[0], 7, 9, 2])
    y = tf.nn.conv2d_transpose(x, const(weights(5, 3, 3, 2, 3), x), shape, 2, "SAME")
    return y + const(weights(6, 2, scale=0.2), x)


def scaled(x):
    return x * const(weights(7, 3, scale=1.0), x) + const(weights(8, 3, scale=0.3), x)


def bilinear(x):
    return tf.cast(tf.compat.v1.image.resize_bilinear(x, [6, 4], align_corners=True), x.dtype)


def slopes(x):
    alpha = const(np.array([0.25, -0.3, 0.0], np.float32), x)
    return tf.nn.relu(x) + alpha * (x - tf.abs(x)) * 0.5


def normaliser(x):
    return tf.sqrt(tf.reduce_mean(x * x, [1, 2], keepdims=True) + 0.1)


PIECES = {
    "conv_stride": [Linear(conv(11, 3, 2, strides=2))],
    "conv_dilated": [Linear(conv(11, 3, 2, dilations=2))],
    "conv_explicit": [Linear(conv(11, 3, 2, padding=[[0, 0], [1, 2], [0, 1], [0, 0]]))],
    "depthwise": [Linear(depthwise)],
    "transposed": [Linear(transposed)],
    "affine": [Linear(scaled)],
    "subtract_constant": [Linear(lambda x: x - 0.4)],
    "average_pool": [Linear(lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"))],
    "mean": [Linear(lambda x: tf.reduce_mean(x, [1, 2], keepdims=True))],
    "mean_channels": [Linear(lambda x: tf.reduce_mean(x, 3, keepdims=True))],
    "bilinear": [Linear(bilinear)],
    "max_pool": [Move(lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"))],
    "max_channels": [Move(lambda x: tf.reduce_max(x, 3, keepdims=True))],
    "maxout": [Move(lambda x: tf.maximum(x, tf.reverse(x, [3])))],
    "pad": [Move(lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 2], [0, 0]]))],
    "mirror_pad": [Move(lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]], "REFLECT"))],
    "nearest": [Move(lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, [8, 7]))],
    "space_to_depth": [Move(lambda x: tf.nn.space_to_depth(x[:, :, 1:], 2))],
    "depth_to_space": [Linear(conv(13, 3, 4)), Move(lambda x: tf.nn.depth_to_space(x, 2))],
    "transpose": [Move(lambda x: tf.transpose(x, [0, 3, 1, 2]))],
    "concat": [Move(lambda x: tf.concat([x, tf.reverse(x[..., :2], [1])], 3))],
    "strided_slice": [Move(lambda x: x[:, 1:, ::2])],
    "relu": [Elementwise(tf.nn.relu)],
    "relu6": [Linear(lambda x: x * 8.0), Elementwise(tf.nn.relu6)],
    "elu": [Elementwise(tf.nn.elu)],
    "selu": [Elementwise(tf.nn.selu)],
    "sigmoid": [Elementwise(tf.sigmoid)],
    "softplus": [Elementwise(tf.nn.softplus)],
    "softsign": [Elementwise(tf.nn.softsign)],
    "prelu": [Elementwise(slopes)],
    "leaky_relu": [Elementwise(lambda x: tf.nn.leaky_relu(x, 0.1))],
    "clip": [Elementwise(lambda x: tf.clip_by_value(x, -0.5, 0.3))],
    "residual": [Residual(Linear(conv(15, 3, 3)))],
    "residual_scaled": [Residual(Elementwise(tf.nn.relu), Linear(lambda x: conv(15, 3, 3)(x) * 0.17))],
    "difference": [Residual(Linear(conv(15, 3, 3)), sign=-1)],
    "gate": [Gated(lambda x: tf.sigmoid(conv(17, 3, 3)(x)))],
    "channel_gate": [Gated(lambda x: tf.sigmoid(tf.reduce_mean(x, [1, 2], keepdims=True)))],
    "normaliser": [Gated(normaliser, divide=True)],
    "attention": [Attention()],
    "stop_gradient": [Stopped(tf.tanh)],
}


def net(piece, seed=31):
    """A convolution and tanh before the piece, tanh and a dense layer after it: no part sees zeros only."""
    head = [Linear(conv(1, 3, 3, bias=0.3)), Elementwise(tf.tanh)]
    body = [*head, *PIECES[piece], Elementwise(tf.tanh), Move(flatten)]
    size = int(chain(*[s.forward for s in body])(tf.zeros((1, *SHAPE))).shape[1])
    return [*body, Linear(dense(seed, size, 3))]


@pytest.fixture(autouse=True)
def _fresh():
    yield
    clear_cache()


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_rule_equals_its_dense_twin(piece):
    stages = net(piece)
    x = images(2, SHAPE, seed=3)
    wanted = twin(stages, x, "sum")
    graph = freeze(chain(*[s.forward for s in stages]), SHAPE)
    found, on_graph = relevance(*graph, x, epsilon=EPSILON), native(*graph, x, EPSILON)
    np.testing.assert_allclose(found, wanted, atol=2e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(on_graph, wanted, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(on_graph, found, atol=1e-5 * np.abs(found).max())


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["conv_stride", "residual", "relu6", "normaliser"])
def test_energy_starts_from_the_squares(piece):
    stages = net(piece)
    x = images(2, SHAPE, seed=4)
    wanted = twin(stages, x, "energy")
    graph = freeze(chain(*[s.forward for s in stages]), SHAPE)
    found = relevance(*graph, x, epsilon=EPSILON, target="energy")
    np.testing.assert_allclose(found, wanted, atol=2e-4 * np.abs(wanted).max())
    on_graph = native(*graph, x, EPSILON, "energy")
    np.testing.assert_allclose(on_graph, wanted, atol=1e-5 * np.abs(wanted).max())
