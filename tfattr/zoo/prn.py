"""PRN, 3D face alignment by position maps (Feng et al. 2018, arXiv:1803.07835), trained on 300W-LP.

Encoder of ``YadiraF/PRNet``'s ``resfcn256`` (TF-Slim layers, 4x4 kernels) up to its tenth residual block.
The released ``256_256_resfcn256_weight`` loads by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.layers import slim_unit

UNIT = slim_unit(scale=True, epsilon=0.001)
WIDTHS = (32, 64, 128, 256, 512)  # two blocks each, the first of stride 2


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
    """PRN's encoder in the current graph.

    ``images``: float32 ``[N, H, W, 3]`` in [0, 1], RGB. Returns ``(net, end_points)``: ``resBlock`` ...
    ``resBlock_9`` (the paper's ``ResBlock10``), the last ``[N, H/32, W/32, 512]``.
    """
    end_points: dict[str, Any] = {}
    convolutions = slim.arg_scope([slim.conv2d], biases_initializer=None, **UNIT)
    with tf.compat.v1.variable_scope("resfcn256"), convolutions:
        net = slim.conv2d(images, 16, 4, scope="Conv")
        for index in range(2 * len(WIDTHS)):
            name = "resBlock" if index == 0 else f"resBlock_{index}"
            net = _block(net, WIDTHS[index // 2], 2 if index % 2 == 0 else 1, name)
            end_points[name] = net
    return net, end_points


def _block(net: tf.Tensor, channels: int, stride: int, scope: str) -> tf.Tensor:
    plain = {"activation_fn": None, "normalizer_fn": None}
    with tf.compat.v1.variable_scope(scope):
        shortcut = net
        if stride > 1 or net.shape[-1] != channels:
            shortcut = slim.conv2d(net, channels, 1, stride=stride, scope="shortcut", **plain)
        net = slim.conv2d(net, channels // 2, 1, scope="Conv")
        net = slim.conv2d(net, channels // 2, 4, stride=stride, scope="Conv_1")
        net = slim.conv2d(net, channels, 1, scope="Conv_2", **plain)
        net = slim.batch_norm(net + shortcut, scope="BatchNorm", **UNIT["normalizer_params"])
        return tf.nn.relu(net)
