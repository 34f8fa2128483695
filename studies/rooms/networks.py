"""The tasks' decoders of the rooms networks; the encoder itself is :mod:`tfattr.zoo.rooms_encoder`."""

from __future__ import annotations

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.rooms_encoder import arg_scope

v1 = tf.compat.v1


def encoder_scopes(prefix: str = "") -> tuple[str, str]:
    """Variable name beginnings of an encoder: ``encoder/`` and ``compress1/``, behind ``prefix/`` if any."""
    start = f"{prefix}/" if prefix else ""
    return f"{start}encoder/", f"{start}compress1/"


def dense_decoder(code: tf.Tensor, channels: int, is_training: bool, width: int = 32) -> tf.Tensor:
    """Code [N, 16, 16, K] to a map [N, 64, 64, channels] (no activation at the end).

    Three 3x3 convolutions with sub-pixel upsampling (depth to space), under the scope ``decoder``.
    """
    with v1.variable_scope("decoder"), arg_scope(is_training):
        net = slim.conv2d(code, 2 * width, 3, scope="conv1")
        net = slim.conv2d(net, 4 * width, 3, scope="conv2", normalizer_fn=None)
        net = tf.nn.depth_to_space(net, 2)
        net = slim.conv2d(net, 4 * channels, 3, scope="conv3", normalizer_fn=None, activation_fn=None)
        return tf.nn.depth_to_space(net, 2)


def vector_head(
    code: tf.Tensor, outputs: int, seed: tf.Tensor, is_training: bool, width: int = 256, keep: float = 0.5
) -> tf.Tensor:
    """Flat code [N, 2048] to [N, outputs], under the scope ``three_layer_fc_network`` (Taskonomy's name).

    A hidden layer of ``width`` units with batch norm and ReLU; when training, half of them are dropped by a stateless mask of
    ``seed`` (int [2]), so that a resumed run drops the same ones.
    """
    with v1.variable_scope("three_layer_fc_network"), arg_scope(is_training):
        net = slim.fully_connected(code, width, scope="fc0")
        if is_training and keep < 1:
            draw = tf.random.stateless_uniform(tf.shape(net), seed)
            net = tf.where(draw < keep, net / keep, tf.zeros_like(net))
        return slim.fully_connected(net, outputs, scope="fc2", normalizer_fn=None, activation_fn=None)
