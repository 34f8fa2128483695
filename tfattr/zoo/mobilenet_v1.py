"""MobileNet V1 (Howard et al. 2017, arXiv:1704.04861) as TF-Slim's ``MobilenetV1``, inference only.

Names, strides and epsilon are those of ``tensorflow/models`` research/slim, so the released
``mobilenet_v1_*.ckpt`` load by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.layers import pool_kernel, scaled, slim_logits, slim_unit

# (stride, pointwise depth at multiplier 1) of the 13 depthwise + pointwise pairs.
SEPARABLE = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)


def build(
    images: tf.Tensor, *, depth_multiplier: float = 1.0, num_classes: int | None = None
) -> tuple[tf.Tensor, dict[str, Any]]:
    """MobileNet V1 in the current graph.

    ``images``: float32 ``[N, H, W, 3]`` in [-1, 1], RGB, H and W known. ``depth_multiplier`` scales every
    width (at least 8 channels). Returns ``(net, end_points)``: ``AvgPool_1a``
    ``[N, 1, 1, int(1024 * multiplier)]`` for maps of at most 7x7; with ``num_classes`` (the released files:
    1001, class 0 is background) also ``Logits`` and ``Predictions`` ``[N, num_classes]``.
    """
    depth = scaled(depth_multiplier, least=8)
    end_points: dict[str, Any] = {}
    unit = slim_unit(tf.nn.relu6, scale=True, epsilon=0.001)
    convolutions = [slim.conv2d, slim.separable_conv2d]
    with tf.compat.v1.variable_scope("MobilenetV1") as outer, slim.arg_scope(convolutions, **unit):
        # The original enters its scope twice; op names (not variable names) show it.
        with tf.compat.v1.variable_scope(outer):
            net = slim.conv2d(images, depth(32), [3, 3], stride=2, scope="Conv2d_0")
            end_points["Conv2d_0"] = net
            for index, (stride, channels) in enumerate(SEPARABLE, start=1):
                name = f"Conv2d_{index}_depthwise"
                net = slim.separable_conv2d(net, None, [3, 3], depth_multiplier=1, stride=stride, scope=name)
                end_points[name] = net
                name = f"Conv2d_{index}_pointwise"
                net = slim.conv2d(net, depth(channels), [1, 1], scope=name)
                end_points[name] = net
        with tf.compat.v1.variable_scope("Logits"):
            net = slim.avg_pool2d(net, pool_kernel(net, 7), stride=1, padding="VALID", scope="AvgPool_1a")
            end_points["AvgPool_1a"] = net
            if num_classes:
                net = slim.dropout(net, is_training=False, scope="Dropout_1b")
                net = slim_logits(net, num_classes, "Conv2d_1c_1x1")
        if num_classes:
            end_points["Logits"] = net
            end_points["Predictions"] = slim.softmax(net, scope="Predictions")
    return net, end_points
