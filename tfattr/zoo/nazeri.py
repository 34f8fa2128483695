"""Colorization with GANs (Nazeri et al. 2018, arXiv:1803.05400): the generator's encoder.

Names of ``ImagingLab/Colorizing-with-GANs`` (master). Its batch norm runs on batch statistics even in the
test graph, which sees one image at a time; the statistics here are of each image on its own, so that a
batch gives what the original gives image by image. The stored moving averages are created, as in the
original, and never used. ``CGAN_places365`` and ``CGAN_cifar10`` load by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.errors import SettingsError
from tfattr.zoo.layers import convolution

# (channels, stride) of the encoder's convolutions, by training set.
ENCODERS = {
    "places365": ((64, 1), (64, 2), (128, 2), (256, 2), (512, 2), (512, 2), (512, 2), (512, 2)),
    "cifar10": ((64, 1), (128, 2), (256, 2), (512, 2), (512, 2)),
}


def build(images: tf.Tensor, *, dataset: str = "places365") -> tuple[tf.Tensor, dict[str, Any]]:
    """The colorization generator's encoder in the current graph.

    ``images``: float32 ``[N, H, W, 1]``, grey 0..255. ``dataset``: ``places365`` or ``cifar10``. Returns
    ``(net, end_points)``: ``encoder`` (the bottleneck) ``[N, H/128, W/128, 512]`` for places365, H/16 for
    cifar10. Below twice that input size the bottleneck is one pixel, whose own statistics leave nothing of
    it. Raises SettingsError for another dataset.
    """
    if dataset not in ENCODERS:
        raise SettingsError(f"The colorization net was trained on {' or '.join(ENCODERS)}, not {dataset!r}.")
    end_points: dict[str, Any] = {}
    net = images
    with tf.compat.v1.variable_scope("gen"):
        for index, (channels, stride) in enumerate(ENCODERS[dataset]):
            with tf.compat.v1.variable_scope(f"conv{index}"):
                net = convolution(net, channels, 4, weights="kernel", biases="bias", stride=stride)
            with tf.compat.v1.variable_scope(f"bn_conv{index}"):
                net = _image_norm(net)
            net = tf.nn.leaky_relu(net, 0.2)
            end_points[f"conv{index}"] = net
    return net, {**end_points, "encoder": net}


def _image_norm(net: tf.Tensor) -> tf.Tensor:
    variable, shape = tf.compat.v1.get_variable, [net.shape[-1]]
    gamma = variable("gamma", shape, tf.float32, tf.compat.v1.ones_initializer())
    beta = variable("beta", shape, tf.float32, tf.compat.v1.zeros_initializer())
    variable("moving_mean", shape, tf.float32, tf.compat.v1.zeros_initializer(), trainable=False)
    variable("moving_variance", shape, tf.float32, tf.compat.v1.ones_initializer(), trainable=False)
    mean, variance = tf.nn.moments(net, [1, 2], keepdims=True)
    return tf.nn.batch_normalization(net, mean, variance, beta, gamma, 1e-3)
