"""Tiny Face Detector (Hu and Ramanan 2017, arXiv:1612.04402), trained on WIDER FACE: its ResNet-101 trunk.

Layers and variable names of the TensorFlow port ``cydonia999/Tiny_Faces_in_Tensorflow``, in which ``res4b``
(the paper's layer) is the loop variable that ends as unit ``res4b22``. The original ``hr_res101.mat`` and the
port's pickle are read by ``tfattr.zoo.convert``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.zoo.layers import batch_norm, convolution

EPSILON = 1e-5
MEAN = (119.29959869, 110.54627228, 101.83843231)  # average_image of hr_res101.mat, R, G, B
# Stage: (units after "a", bottleneck channels, stride of the first unit's 1x1 convolutions).
STAGES = {
    "2": (("b", "c"), 64, 1),
    "3": (("b1", "b2", "b3"), 128, 2),
    "4": (tuple(f"b{index}" for index in range(1, 23)), 256, 2),
}


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
    """The detector's trunk in the current graph, up to the end of the fourth stage.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255 minus ``average_image``. Returns ``(net, end_points)``:
    ``res4b`` ``[N, H/16, W/16, 1024]``.
    """
    net = tf.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]])
    net = _conv(net, "conv1", 64, 7, stride=2, relu=True)
    net = tf.nn.max_pool2d(net, 3, 2, "SAME", name="pool1")
    end_points = {"pool1": net}
    for stage, (others, channels, stride) in STAGES.items():
        for unit in ("a", *others):
            net = _unit(net, f"res{stage}{unit}", channels, stride if unit == "a" else 1, project=unit == "a")
            end_points[f"res{stage}{unit}"] = net
    return net, {**end_points, "res4b": net}


def _unit(net: tf.Tensor, name: str, channels: int, stride: int, *, project: bool) -> tf.Tensor:
    shortcut = _conv(net, f"{name}_branch1", 4 * channels, 1, stride=stride) if project else net
    net = _conv(net, f"{name}_branch2a", channels, 1, stride=stride, relu=True)
    net = _conv(net, f"{name}_branch2b", channels, 3, padding="SAME", relu=True)
    net = _conv(net, f"{name}_branch2c", 4 * channels, 1)
    return tf.nn.relu(shortcut + net)


def norm_name(layer: str) -> str:
    """Name of a convolution's batch norm: ``res2a_branch1`` -> ``bn2a_branch1``, ``conv1`` -> ``bn_conv1``."""
    return f"bn{layer[3:]}" if layer.startswith("res") else f"bn_{layer}"


def _conv(
    net: tf.Tensor,
    name: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: str = "VALID",
    relu: bool = False,
) -> tf.Tensor:
    net = convolution(
        net, channels, kernel, weights=f"{name}_w", biases=None, stride=stride, padding=padding, name=name
    )
    norm = norm_name(name)
    net = batch_norm(net, norm, EPSILON, lambda quantity: f"{norm}_{quantity}")
    return tf.nn.relu(net) if relu else net
