"""FCRN, depth from one photograph (Laina et al. 2016, arXiv:1606.00373), trained on NYU Depth v2.

Encoder of ``iro-cp/FCRN-DepthPrediction`` up to ``layer1``, the 1x1 convolution behind its ResNet-50, with
the variable names and the symmetric (Caffe) padding of that project. The released ``NYU_FCRN.ckpt`` loads by
variable name; ``NYU_ResNet-UpProj.npy`` by ``tfattr.zoo.convert``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.zoo.layers import batch_norm, bottlenecks, convolution, norm_name, pad_same

# Stage: (units, bottleneck channels, stride of the first unit's 1x1 convolutions).
STAGES = {
    2: (tuple("abc"), 64, 1),
    3: (tuple("abcd"), 128, 2),
    4: (tuple("abcdef"), 256, 2),
    5: (tuple("abc"), 512, 2),
}


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
    """FCRN's encoder in the current graph.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255, nothing subtracted. Returns ``(net, end_points)``:
    ``layer1`` ``[N, H/32, W/32, 1024]``, before its batch norm.
    """
    net = _unit(images, "conv1", 64, 7, stride=2, relu=True, biases="biases")
    net = tf.nn.max_pool2d(net, 3, 2, "SAME", name="pool1")
    end_points = {"pool1": net}
    net = bottlenecks(net, STAGES, _unit, end_points, relu="relu")
    net = _conv(net, "layer1", 1024, 1, biases="biases")
    return net, {**end_points, "layer1": net}


def _unit(net: tf.Tensor, name: str, *size: int, relu: bool = False, **options: Any) -> tf.Tensor:
    net = _conv(net, name, *size, **options)
    with tf.compat.v1.variable_scope(norm_name(name)):
        net = batch_norm(net, "norm", 1e-4)
        return tf.nn.relu(net) if relu else net


def _conv(
    net: tf.Tensor, name: str, channels: int, kernel: int, stride: int = 1, biases: str | None = None
) -> tf.Tensor:
    with tf.compat.v1.variable_scope(name):
        return convolution(
            pad_same(net, kernel),
            channels,
            kernel,
            weights="weights",
            biases=biases,
            stride=stride,
            padding="VALID",
        )
