"""FCRN, depth from one photograph (Laina et al. 2016, arXiv:1606.00373), trained on NYU Depth v2.

Encoder of ``iro-cp/FCRN-DepthPrediction`` up to ``layer1``, the 1x1 convolution behind its ResNet-50, with
the variable names and the symmetric (Caffe) padding of that project. The released ``NYU_FCRN.ckpt`` loads by
variable name; ``NYU_ResNet-UpProj.npy`` by ``tfattr.zoo.convert``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.zoo.layers import batch_norm, convolution, pad_same

EPSILON = 1e-4
# Stage: (units, bottleneck channels, stride of the first unit's 1x1 convolutions).
STAGES = {2: ("abc", 64, 1), 3: ("abcd", 128, 2), 4: ("abcdef", 256, 2), 5: ("abc", 512, 2)}


def build(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
    """FCRN's encoder in the current graph.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255, nothing subtracted. Returns ``(net, end_points)``:
    ``layer1`` ``[N, H/32, W/32, 1024]``, before its batch norm.
    """
    net = _conv(images, "conv1", 64, 7, stride=2, bias=True)
    net = _norm(net, "bn_conv1", relu=True)
    net = tf.nn.max_pool2d(net, 3, 2, "SAME", name="pool1")
    end_points = {"pool1": net}
    for stage, (units, channels, stride) in STAGES.items():
        for unit in units:
            net = _unit(net, f"{stage}{unit}", channels, stride if unit == "a" else 1, project=unit == "a")
            end_points[f"res{stage}{unit}"] = net
    net = _conv(net, "layer1", 1024, 1, bias=True)
    return net, {**end_points, "layer1": net}


def _unit(net: tf.Tensor, name: str, channels: int, stride: int, *, project: bool) -> tf.Tensor:
    shortcut = net
    if project:
        shortcut = _conv(net, f"res{name}_branch1", 4 * channels, 1, stride=stride)
        shortcut = _norm(shortcut, f"bn{name}_branch1")
    net = _norm(
        _conv(net, f"res{name}_branch2a", channels, 1, stride=stride), f"bn{name}_branch2a", relu=True
    )
    net = _norm(_conv(net, f"res{name}_branch2b", channels, 3), f"bn{name}_branch2b", relu=True)
    net = _norm(_conv(net, f"res{name}_branch2c", 4 * channels, 1), f"bn{name}_branch2c")
    return tf.nn.relu(shortcut + net, name=f"res{name}_relu")


def _conv(
    net: tf.Tensor, scope: str, channels: int, kernel: int, *, stride: int = 1, bias: bool = False
) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        return convolution(
            pad_same(net, kernel),
            channels,
            kernel,
            weights="weights",
            biases="biases" if bias else None,
            stride=stride,
            padding="VALID",
        )


def _norm(net: tf.Tensor, scope: str, *, relu: bool = False) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        net = batch_norm(net, "norm", EPSILON)
        return tf.nn.relu(net) if relu else net
