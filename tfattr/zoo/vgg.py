"""VGG 16 and 19 (Simonyan and Zisserman 2014, arXiv:1409.1556) as TF-Slim's ``vgg_16`` / ``vgg_19``.

``tf_slim.nets.vgg`` cannot leave out the 1000-way head and has no width; the layers are slim's, under
slim's names, so the released ``vgg_16.ckpt`` and ``vgg_19.ckpt`` load by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.errors import SettingsError
from tfattr.zoo.layers import scaled

# (channels, number of 3x3 convolutions) of the five groups.
GROUPS = {
    16: ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)),
    19: ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
}


def build(
    images: tf.Tensor,
    *,
    depth: int = 16,
    depth_multiplier: float = 1.0,
    num_classes: int | None = None,
) -> tuple[tf.Tensor, dict[str, Any]]:
    """VGG in the current graph, fully connected layers as convolutions, dropout left as the identity.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255 minus the mean pixel, at least 224 x 224. ``depth``: 16
    or 19. ``depth_multiplier`` scales every width (for tests; the released files have 1). Returns
    ``(net, end_points)``: ``vgg_<depth>/fc7`` ``[N, 1, 1, 4096]`` at 224; with ``num_classes`` (released: 1000)
    also ``vgg_<depth>/fc8``, squeezed where the map is 1x1. Raises SettingsError for another depth or an input
    that is too small.
    """
    if depth not in GROUPS:
        raise SettingsError(f"VGG has 16 or 19 layers, not {depth}; set depth to one of these.")
    if min(images.shape[1], images.shape[2]) < 224:
        raise SettingsError(
            f"vgg_{depth} was given inputs of {images.shape[1]}x{images.shape[2]}, but its fc6 is a 7x7 "
            "convolution at stride 32; use at least 224x224."
        )
    scope, width, net = f"vgg_{depth}", scaled(depth_multiplier), images
    end_points: dict[str, Any] = {}
    with tf.compat.v1.variable_scope(scope):
        for index, (channels, repeats) in enumerate(GROUPS[depth], start=1):
            net = slim.repeat(net, repeats, slim.conv2d, width(channels), [3, 3], scope=f"conv{index}")
            end_points[f"{scope}/conv{index}"] = net
            net = slim.max_pool2d(net, [2, 2], scope=f"pool{index}")
            end_points[f"{scope}/pool{index}"] = net
        net = slim.conv2d(net, width(4096), [7, 7], padding="VALID", scope="fc6")
        end_points[f"{scope}/fc6"] = net
        net = slim.dropout(net, is_training=False, scope="dropout6")
        net = slim.conv2d(net, width(4096), [1, 1], scope="fc7")
        end_points[f"{scope}/fc7"] = net
        if num_classes:
            net = slim.dropout(net, is_training=False, scope="dropout7")
            net = slim.conv2d(net, num_classes, [1, 1], activation_fn=None, scope="fc8")
            if net.shape[1:3] == [1, 1]:
                net = tf.squeeze(net, [1, 2], name="fc8/squeezed")
            end_points[f"{scope}/fc8"] = net
    return net, end_points
