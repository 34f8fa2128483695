"""Inception V3 (Szegedy et al. 2015, arXiv:1512.00567): ``tf_slim.nets.inception_v3``, inference only.

The body is TF-Slim's; the head is built here so that it can be left out. The released
``inception_v3.ckpt`` loads by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.layers import pool_kernel, slim_logits


def build(
    images: tf.Tensor, *, depth_multiplier: float = 1.0, num_classes: int | None = None
) -> tuple[tf.Tensor, dict[str, Any]]:
    """Inception V3 in the current graph, without the auxiliary head.

    ``images``: float32 ``[N, H, W, 3]`` in [-1, 1], RGB, at least 75 x 75. ``depth_multiplier`` scales every
    width (at least 16 channels). Returns ``(net, end_points)``: ``PreLogits`` ``[N, 1, 1, 2048]`` up to size
    299; with ``num_classes`` (released file: 1001, class 0 is background) also ``Logits`` and ``Predictions``
    ``[N, num_classes]``.
    """
    from tf_slim.nets import inception_v3

    with (
        slim.arg_scope(inception_v3.inception_v3_arg_scope(updates_collections=None)),
        slim.arg_scope([slim.batch_norm, slim.dropout], is_training=False),
        tf.compat.v1.variable_scope("InceptionV3") as outer,
    ):
        net, end_points = inception_v3.inception_v3_base(
            images, depth_multiplier=depth_multiplier, scope=outer
        )
        end_points = dict(end_points)
        with tf.compat.v1.variable_scope("Logits"):
            kernel = pool_kernel(net, 8)
            name = f"AvgPool_1a_{kernel[0]}x{kernel[1]}"
            net = slim.avg_pool2d(net, kernel, padding="VALID", scope=name)
            net = slim.dropout(net, keep_prob=0.8, scope="Dropout_1b")
            end_points["PreLogits"] = net
            if num_classes:
                net = slim_logits(net, num_classes, "Conv2d_1c_1x1")
        if num_classes:
            end_points["Logits"] = net
            end_points["Predictions"] = slim.softmax(net, scope="Predictions")
    return net, end_points
