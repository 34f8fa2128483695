"""FCN, semantic segmentation (Long et al. 2015, arXiv:1411.4038): the net of ``shekkizh/FCN.tensorflow``.

The paper's "Conv8" is most plausibly that project's python variable ``conv8``, the 1x1 scores on top of a
VGG-19 with average pools. No VOC checkpoint of it is public: the user supplies one, and its class count.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.zoo.layers import convolution, scaled

GROUPS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 3))  # of the fifth, only what conv8 depends on
MEAN = (123.68, 116.779, 103.939)  # mean pixel of VGG-19's training set, R, G, B


def build(
    images: tf.Tensor,
    *,
    num_classes: int = 21,
    depth_multiplier: float = 1.0,
    mean: tuple[float, float, float] = MEAN,
) -> tuple[tf.Tensor, dict[str, Any]]:
    """The FCN's downward path in the current graph.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255; the graph subtracts ``mean``. ``num_classes``: 21 for
    VOC, 151 for the project's own ADE20K. ``depth_multiplier`` scales every width (for tests; checkpoints
    have 1). Returns ``(net, end_points)``: ``conv8`` ``[N, H/32, W/32, num_classes]``.
    """
    width, end_points = scaled(depth_multiplier), {}
    net = images - tf.constant(mean, tf.float32)
    with tf.compat.v1.variable_scope("inference"):
        for group, (channels, repeats) in enumerate(GROUPS, start=1):
            for index in range(1, repeats + 1):
                name = f"conv{group}_{index}"
                net = convolution(net, width(channels), 3, weights=f"{name}_w", biases=f"{name}_b")
                end_points[name] = net
                if name != "conv5_3":  # the original takes it before its ReLU
                    net = tf.nn.relu(net)
            if group < 5:
                net = tf.nn.avg_pool2d(net, 2, 2, "SAME", name=f"pool{group}")
        net = tf.nn.max_pool2d(net, 2, 2, "SAME", name="pool5")
        net = tf.nn.relu(convolution(net, width(4096), 7, weights="W6", biases="b6"), name="relu6")
        net = tf.nn.relu(convolution(net, width(4096), 1, weights="W7", biases="b7"), name="relu7")
        # Its 19th BiasAdd: the original also builds conv5_4, which nothing uses.
        net = convolution(net, num_classes, 1, weights="W8", biases="b8", name="BiasAdd_18")
    return net, {**end_points, "conv8": net}
