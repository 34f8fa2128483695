"""Inception-ResNet V2 (Szegedy et al. 2016, arXiv:1602.07261) as TF-Slim's ``InceptionResnetV2``.

Inference only, without the auxiliary head. Names are those of ``tensorflow/models`` research/slim, so the
released ``inception_resnet_v2_2016_08_30.ckpt`` loads by variable name. Each block is a table of branches,
a branch a row of ``(channels, kernel[, stride])``, which give the names; a stride of 2 comes with VALID padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.layers import pool_kernel, slim_unit

Branch = Sequence[tuple]

MIXED_5B: tuple[Branch, ...] = ([(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)])
MIXED_6A: tuple[Branch, ...] = ([(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)])
MIXED_7A: tuple[Branch, ...] = (
    [(256, 1), (384, 3, 2)],
    [(256, 1), (288, 3, 2)],
    [(256, 1), (288, 3), (320, 3, 2)],
)
BLOCK35: tuple[Branch, ...] = ([(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)])
BLOCK17: tuple[Branch, ...] = ([(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))])
BLOCK8: tuple[Branch, ...] = ([(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))])


def _branches(net: tf.Tensor, branches: Sequence[Branch]) -> list[tf.Tensor]:
    outputs = []
    for index, branch in enumerate(branches):
        with tf.compat.v1.variable_scope(f"Branch_{index}"):
            out = net
            for letter, (channels, kernel, *strided) in zip("abc", branch):
                height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
                place = "1a_" if strided else f"0{letter}_" if len(branch) > 1 else ""
                options = {"stride": strided[0], "padding": "VALID"} if strided else {}
                scope = f"Conv2d_{place}{height}x{width}"
                out = slim.conv2d(out, channels, kernel, scope=scope, **options)
            outputs.append(out)
    return outputs


def _mixed(net: tf.Tensor, scope: str, branches: Sequence[Branch], pool: str) -> tf.Tensor:
    """Branches beside a pooling branch, concatenated: ``pool`` is ``"avg"`` (5b) or ``"max"``."""
    with tf.compat.v1.variable_scope(scope):
        outputs = _branches(net, branches)
        with tf.compat.v1.variable_scope(f"Branch_{len(branches)}"):
            if pool == "avg":
                out = slim.avg_pool2d(net, 3, stride=1, padding="SAME", scope="AvgPool_0a_3x3")
                out = slim.conv2d(out, 64, 1, scope="Conv2d_0b_1x1")
            else:
                out = slim.max_pool2d(net, 3, stride=2, padding="VALID", scope="MaxPool_1a_3x3")
        return tf.concat([*outputs, out], 3)


def _residual(
    net: tf.Tensor, scope: str, branches: Sequence[Branch], scale: float, relu: bool = True
) -> tf.Tensor:
    """Block input plus ``scale`` times the branches projected back to its width (bias, no batch norm)."""
    with tf.compat.v1.variable_scope(scope):
        mixed = tf.concat(_branches(net, branches), 3)
        up = slim.conv2d(mixed, net.shape[3], 1, normalizer_fn=None, activation_fn=None, scope="Conv2d_1x1")
        out = net + up * scale if scale != 1.0 else net + up
        return tf.nn.relu(out) if relu else out


def _repeat(net: tf.Tensor, scope: str, name: str, times: int, branches, scale: float) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        for index in range(1, times + 1):
            net = _residual(net, f"{name}_{index}", branches, scale)
    return net


def build(images: tf.Tensor, *, num_classes: int | None = None) -> tuple[tf.Tensor, dict[str, Any]]:
    """Inception-ResNet V2 in the current graph.

    ``images``: float32 ``[N, H, W, 3]`` in [-1, 1], RGB, at least 75 x 75. Returns ``(net, end_points)``:
    ``PreLogitsFlatten`` ``[N, 1536]`` up to size 299; with ``num_classes`` (released file: 1001, class 0 is
    background) also ``Logits`` and ``Predictions`` ``[N, num_classes]``.
    """
    end_points: dict[str, Any] = {}

    def keep(name: str, tensor: tf.Tensor) -> tf.Tensor:
        end_points[name] = tensor
        return tensor

    unit = slim_unit(epsilon=0.001)  # no gamma: slim's default
    with tf.compat.v1.variable_scope("InceptionResnetV2") as outer, slim.arg_scope([slim.conv2d], **unit):
        # The original enters its scope twice; op names (not variable names) show it.
        with tf.compat.v1.variable_scope(outer):
            valid = {"padding": "VALID"}
            net = keep("Conv2d_1a_3x3", slim.conv2d(images, 32, 3, stride=2, scope="Conv2d_1a_3x3", **valid))
            net = keep("Conv2d_2a_3x3", slim.conv2d(net, 32, 3, scope="Conv2d_2a_3x3", **valid))
            net = keep("Conv2d_2b_3x3", slim.conv2d(net, 64, 3, scope="Conv2d_2b_3x3"))
            net = keep("MaxPool_3a_3x3", slim.max_pool2d(net, 3, stride=2, scope="MaxPool_3a_3x3", **valid))
            net = keep("Conv2d_3b_1x1", slim.conv2d(net, 80, 1, scope="Conv2d_3b_1x1", **valid))
            net = keep("Conv2d_4a_3x3", slim.conv2d(net, 192, 3, scope="Conv2d_4a_3x3", **valid))
            net = keep("MaxPool_5a_3x3", slim.max_pool2d(net, 3, stride=2, scope="MaxPool_5a_3x3", **valid))
            net = keep("Mixed_5b", _mixed(net, "Mixed_5b", MIXED_5B, "avg"))
            net = _repeat(net, "Repeat", "block35", 10, BLOCK35, 0.17)
            net = keep("Mixed_6a", _mixed(net, "Mixed_6a", MIXED_6A, "max"))
            net = keep("PreAuxLogits", _repeat(net, "Repeat_1", "block17", 20, BLOCK17, 0.10))
            net = keep("Mixed_7a", _mixed(net, "Mixed_7a", MIXED_7A, "max"))
            net = _repeat(net, "Repeat_2", "block8", 9, BLOCK8, 0.20)
            net = _residual(net, "Block8", BLOCK8, 1.0, relu=False)
            net = keep("Conv2d_7b_1x1", slim.conv2d(net, 1536, 1, scope="Conv2d_7b_1x1"))
        with tf.compat.v1.variable_scope("Logits"):
            net = slim.avg_pool2d(net, pool_kernel(net, 8), padding="VALID", scope="AvgPool_1a_8x8")
            net = slim.flatten(net)
            net = keep("PreLogitsFlatten", slim.dropout(net, is_training=False, scope="Dropout"))
            if num_classes:
                net = slim.fully_connected(net, num_classes, activation_fn=None, scope="Logits")
        if num_classes:
            keep("Logits", net)
            keep("Predictions", tf.nn.softmax(net, name="Predictions"))
    return net, end_points
