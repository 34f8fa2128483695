"""The generator of DPED (Ignatov et al. 2017), by its published checkpoints' variable names, for the real zoo.

Nine convolutions in four residual blocks with instance norm, then three more; instance norm's statistics are
those of each image, so batch composition does not matter.
"""

from __future__ import annotations

import tensorflow as tf

tf1 = tf.compat.v1


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """RGB/255 ``[N, H, W, 3]`` to the last 64 features ``[N, H, W, 64]``; end point ``enhanced`` is the picture."""
    end_points: dict[str, tf.Tensor] = {}
    numbered = iter(range(16))

    def convolution(x: tf.Tensor, index: int, size: int, channels: int) -> tf.Tensor:
        weights = tf1.get_variable(f"W{index}", [size, size, x.shape[-1], channels])
        bias = tf1.get_variable(f"b{index}", [channels])
        return tf.nn.conv2d(x, weights, strides=1, padding="SAME") + bias

    def instance_norm(x: tf.Tensor) -> tf.Tensor:
        shift, scale = (
            tf1.get_variable("Variable" if number == 0 else f"Variable_{number}", [x.shape[-1]])
            for number in (next(numbered), next(numbered))
        )
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        return scale * ((x - mean) / tf.sqrt(variance + 1e-3)) + shift

    with tf1.variable_scope("generator"):
        net = tf.nn.relu(convolution(images, 1, 9, 64))
        for block in range(4):
            inner = tf.nn.relu(instance_norm(convolution(net, 2 * block + 2, 3, 64)))
            inner = tf.nn.relu(instance_norm(convolution(inner, 2 * block + 3, 3, 64)))
            net = end_points[f"block{block + 1}"] = inner + net
        net = tf.nn.relu(convolution(net, 10, 3, 64))
        net = end_points["features"] = tf.nn.relu(convolution(net, 11, 3, 64))
        end_points["enhanced"] = tf.nn.tanh(convolution(net, 12, 9, 3)) * 0.58 + 0.5
    return net, end_points
