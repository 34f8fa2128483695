"""Tiny Face Detector (Hu and Ramanan 2017, arXiv:1612.04402), trained on WIDER FACE: its ResNet-101 trunk.

Layers and variable names of the TensorFlow port ``cydonia999/Tiny_Faces_in_Tensorflow``, in which ``res4b``
(the paper's layer) is the loop variable that ends as unit ``res4b22``. The original ``hr_res101.mat`` and the
port's pickle are read by ``tfattr.zoo.convert``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.zoo.layers import batch_norm, bottlenecks, convolution, norm_name, pad_same

EPSILON = 1e-5
# Stage: (units, bottleneck channels, stride of the first unit's 1x1 convolutions).
STAGES = {
    2: (("a", "b", "c"), 64, 1),
    3: (("a", "b1", "b2", "b3"), 128, 2),
    4: (("a", *(f"b{index}" for index in range(1, 23))), 256, 2),
}


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
    """The detector's trunk in the current graph, up to the end of the fourth stage.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255 minus ``average_image`` of ``hr_res101.mat``. Returns ``(net, end_points)``:
    ``res4b`` ``[N, H/16, W/16, 1024]``.
    """
    net = _conv(pad_same(images, 7), "conv1", 64, 7, stride=2, relu=True)
    net = tf.nn.max_pool2d(net, 3, 2, "SAME", name="pool1")
    end_points = {"pool1": net}
    net = bottlenecks(net, STAGES, _conv, end_points)
    return net, {**end_points, "res4b": net}


def _conv(
    net: tf.Tensor, name: str, channels: int, kernel: int, *, stride: int = 1, relu: bool = False
) -> tf.Tensor:
    padding, norm = "SAME" if kernel == 3 else "VALID", norm_name(name)
    net = convolution(
        net, channels, kernel, weights=f"{name}_w", biases=None, stride=stride, padding=padding, name=name
    )
    net = batch_norm(net, norm, EPSILON, lambda quantity: f"{norm}_{quantity}")
    return tf.nn.relu(net) if relu else net
