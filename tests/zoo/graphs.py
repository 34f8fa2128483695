"""The originals' graphs once more, written as their projects write them: plain TensorFlow 1 ops on given arrays.

Nothing here comes from ``tfattr`` but the contextual attention, which has an independent test of its own. Each
function takes the fed tensor and the weights by checkpoint name and returns the paper's layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from . import expected

Weights = Mapping[str, np.ndarray]


def conv(x: Any, kernel: np.ndarray, stride: int = 1, padding: str = "SAME", dilation: int = 1) -> Any:
    return tf.nn.convolution(x, tf.constant(kernel), stride, padding, dilations=dilation)


def caffe_conv(x: Any, kernel: np.ndarray, stride: int = 1) -> Any:
    """Zeros on both sides alike, then VALID: slim's ``conv2d_same`` and the Caffe conversions."""
    pad = (kernel.shape[0] - 1) // 2
    return conv(tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]]), kernel, stride, "VALID")


def slim_norm(x: Any, w: Weights, name: str, epsilon: float) -> Any:
    offset, mean, variance = (
        w[f"{name}/BatchNorm/{kind}"] for kind in ("beta", "moving_mean", "moving_variance")
    )
    scale = w.get(f"{name}/BatchNorm/gamma", np.ones_like(offset))
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon, is_training=False)[0]


def caffe_norm(x: Any, w: Weights, name: str, joint: str, epsilon: float) -> Any:
    mean, variance, offset, scale = (
        w[f"{name}{joint}{kind}"] for kind in ("mean", "variance", "offset", "scale")
    )
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, epsilon)


def vgg(x: Any, w: Weights) -> Any:
    root = next(iter(w)).split("/")[0]
    for group in range(1, 6):
        for name in [name for name in w if re.match(rf"{root}/conv{group}/.*weights", name)]:
            x = tf.nn.relu(tf.nn.bias_add(conv(x, w[name]), w[name.replace("weights", "biases")]))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    for name in (f"{root}/fc6", f"{root}/fc7"):
        x = tf.nn.relu(tf.nn.bias_add(conv(x, w[f"{name}/weights"], padding="VALID"), w[f"{name}/biases"]))
    return x


def resnet_v1(
    x: Any, w: Weights, scope: str = "resnet_v1_50", strides: tuple = (2, 2, 2, 1), pool: bool = True
) -> Any:
    def unit(x: Any, name: str, stride: int = 1, relu: bool = True) -> Any:
        kernel = w[f"{name}/weights"]
        x = conv(x, kernel) if stride == 1 else caffe_conv(x, kernel, stride)
        x = slim_norm(x, w, name, 1e-5)
        return tf.nn.relu(x) if relu else x

    x = tf.nn.max_pool2d(unit(x, f"{scope}/conv1", 2), 3, 2, "SAME")
    for block, (count, stride) in enumerate(zip((3, 4, 6, 3), strides), start=1):
        for index in range(1, count + 1):
            name, last = f"{scope}/block{block}/unit_{index}/bottleneck_v1", index == count
            shortcut = x
            if index == 1:
                shortcut = unit(x, f"{name}/shortcut", relu=False)
            elif last and stride > 1:
                shortcut = tf.nn.max_pool2d(x, 1, stride, "SAME")
            x = unit(unit(x, f"{name}/conv1"), f"{name}/conv2", stride if last else 1)
            x = tf.nn.relu(shortcut + unit(x, f"{name}/conv3", relu=False))
    return tf.reduce_mean(x, [1, 2], keepdims=True) if pool else x


def taskonomy(x: Any, w: Weights) -> Any:
    prefix = "feedforward/" if next(iter(w)).startswith("feedforward") else ""
    x = resnet_v1(x, w, f"{prefix}encoder", (2, 2, 1, 1), pool=False)
    x = tf.nn.relu(slim_norm(conv(x, w[f"{prefix}compress1/weights"]), w, f"{prefix}compress1", 1e-5))
    return tf.reshape(x, [1, -1]) if prefix else x


def mobilenet_v1(x: Any, w: Weights) -> Any:
    def norm(x: Any, name: str) -> Any:
        return tf.nn.relu6(slim_norm(x, w, name, 1e-3))

    x = norm(conv(x, w["MobilenetV1/Conv2d_0/weights"], 2), "MobilenetV1/Conv2d_0")
    for index in range(1, 14):
        name, stride = f"MobilenetV1/Conv2d_{index}_depthwise", 2 if index in (2, 4, 6, 12) else 1
        kernel = tf.constant(w[f"{name}/depthwise_weights"])
        x = norm(tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME"), name)
        name = f"MobilenetV1/Conv2d_{index}_pointwise"
        x = norm(conv(x, w[f"{name}/weights"]), name)
    return tf.nn.avg_pool2d(x, min(7, x.shape[1]), 1, "VALID")


class Inception:
    """What both Inceptions are made of, from the branch tables of ``expected``."""

    def __init__(self, w: Weights, root: str) -> None:
        self.w, self.root = w, root

    def unit(self, x: Any, name: str, stride: int = 1, padding: str = "SAME") -> Any:
        x = conv(x, self.w[f"{self.root}/{name}/weights"], stride, padding)
        return tf.nn.relu(slim_norm(x, self.w, f"{self.root}/{name}", 1e-3))

    def stem(self, x: Any) -> Any:
        x = self.unit(self.unit(x, "Conv2d_1a_3x3", 2, "VALID"), "Conv2d_2a_3x3", 1, "VALID")
        x = tf.nn.max_pool2d(self.unit(x, "Conv2d_2b_3x3"), 3, 2, "VALID")
        x = self.unit(self.unit(x, "Conv2d_3b_1x1", 1, "VALID"), "Conv2d_4a_3x3", 1, "VALID")
        return tf.nn.max_pool2d(x, 3, 2, "VALID")

    def mixed(self, x: Any, scope: str, branches: list[str]) -> Any:
        """Branches side by side; where one only pools, the last unit of each other has stride 2 (VALID)."""
        shrinks, found = "pool" in branches, []
        for index, text in enumerate(branches):
            if text == "pool":
                found.append(tf.nn.max_pool2d(x, 3, 2, "VALID"))
                continue
            net, steps = x, text.split(", ")
            if len(branches) == 4 and index == 3:
                net = tf.nn.avg_pool2d(x, 3, 1, "SAME")
            for number, step in enumerate(steps):
                how = (2, "VALID") if shrinks and number == len(steps) - 1 else (1, "SAME")
                names = [part.split()[0].split("=")[0] for part in step.split(" + ")]
                nets = [self.unit(net, f"{scope}/Branch_{index}/{name}", *how) for name in names]
                net = nets[0] if len(nets) == 1 else tf.concat(nets, 3)
            found.append(net)
        return tf.concat(found, 3)

    def residual(self, x: Any, scope: str, branches: list[str], scale: float, relu: bool = True) -> Any:
        name = f"{self.root}/{scope}/Conv2d_1x1"
        up = conv(self.mixed(x, scope, branches), self.w[f"{name}/weights"])
        x = x + scale * tf.nn.bias_add(up, self.w[f"{name}/biases"])
        return tf.nn.relu(x) if relu else x


def _mean(x: Any) -> Any:
    return tf.nn.avg_pool2d(x, [min(8, x.shape[1]), min(8, x.shape[2])], 1, "VALID")


def inception_v3(x: Any, w: Weights) -> Any:
    net = Inception(w, "InceptionV3")
    x = net.stem(x)
    for name, branches in expected.INCEPTION_V3.items():
        x = net.mixed(x, name, branches)
    return _mean(x)


def inception_resnet_v2(x: Any, w: Weights) -> Any:
    net = Inception(w, "InceptionResnetV2")
    x = net.mixed(net.stem(x), "Mixed_5b", expected.MIXED_5B)
    for index in range(1, 11):
        x = net.residual(x, f"Repeat/block35_{index}", expected.BLOCK35, 0.17)
    x = net.mixed(x, "Mixed_6a", expected.MIXED_6A)
    for index in range(1, 21):
        x = net.residual(x, f"Repeat_1/block17_{index}", expected.BLOCK17, 0.10)
    x = net.mixed(x, "Mixed_7a", expected.MIXED_7A)
    for index in range(1, 10):
        x = net.residual(x, f"Repeat_2/block8_{index}", expected.BLOCK8, 0.20)
    x = net.residual(x, "Block8", expected.BLOCK8, 1.0, relu=False)
    return tf.reshape(_mean(net.unit(x, "Conv2d_7b_1x1")), [1, 1536])


def _nearest(x: Any, height: int, width: int) -> Any:
    return tf.compat.v1.image.resize_nearest_neighbor(x, [height, width], align_corners=True)


def inpainting(x: Any, w: Weights, hole: np.ndarray | None = None) -> Any:
    """v1.0.0's ``build_server_graph`` up to allconv12; ``hole`` ``[H, W]``, 1 where the picture is missing."""
    from tfattr.zoo.contextual_attention import contextual_attention

    height, width = int(x.shape[1]), int(x.shape[2])
    mask = tf.constant((np.zeros((height, width)) if hole is None else hole)[None, ..., None], tf.float32)

    def layer(x: Any, name: str, stride: int = 1, dilation: int = 1, act: Any = tf.nn.elu) -> Any:
        name = f"inpaint_net/{name}"
        x = tf.nn.bias_add(conv(x, w[f"{name}/kernel"], stride, dilation=dilation), w[f"{name}/bias"])
        return act(x) if act else x

    def chain(x: Any, names: str) -> Any:
        for name in names.split():
            stride = 2 if name.endswith("downsample") else 1
            dilation = 2 ** (int(re.findall(r"conv(\d+)_atrous", name)[0]) - 6) if "atrous" in name else 1
            if "upsample" in name:
                x = _nearest(x, 2 * int(x.shape[1]), 2 * int(x.shape[2]))
            x = layer(x, name, stride, dilation)
        return x

    ones = tf.ones_like(x)[..., :1]
    atrous = " ".join(f"conv{n}_atrous" for n in (7, 8, 9, 10))
    incomplete = x * (1.0 - mask)
    coarse = chain(
        tf.concat([incomplete, ones, ones * mask], 3),
        f"conv1 conv2_downsample conv3 conv4_downsample conv5 conv6 {atrous} conv11 conv12 "
        "conv13_upsample/conv13_upsample_conv conv14 conv15_upsample/conv15_upsample_conv conv16",
    )
    coarse = tf.clip_by_value(layer(coarse, "conv17", act=None), -1.0, 1.0)
    fed = tf.concat([coarse * mask + incomplete * (1.0 - mask), ones, ones * mask], 3)
    left = chain(
        fed,
        "xconv1 xconv2_downsample xconv3 xconv4_downsample xconv5 xconv6 " + atrous.replace("conv", "xconv"),
    )
    right = layer(
        chain(fed, "pmconv1 pmconv2_downsample pmconv3 pmconv4_downsample pmconv5"), "pmconv6", act=tf.nn.relu
    )
    right = contextual_attention(right, _nearest(mask, int(right.shape[1]), int(right.shape[2])))
    return chain(tf.concat([left, chain(right, "pmconv9 pmconv10")], 3), "allconv11 allconv12")


def _caffe_resnet(x: Any, unit: Any, stages: dict) -> Any:
    for stage, (letters, stride) in stages.items():
        for letter in letters:
            name, step = f"{stage}{letter}", stride if letter == "a" else 1
            shortcut = unit(x, f"{name}_branch1", step, False) if letter == "a" else x
            x = unit(unit(x, f"{name}_branch2a", step, True), f"{name}_branch2b", 1, True)
            x = tf.nn.relu(shortcut + unit(x, f"{name}_branch2c", 1, False))
    return x


def fcrn(x: Any, w: Weights) -> Any:
    def unit(x: Any, name: str, stride: int, relu: bool) -> Any:
        x = caffe_norm(caffe_conv(x, w[f"res{name}/weights"], stride), w, f"bn{name}", "/", 1e-4)
        return tf.nn.relu(x) if relu else x

    x = tf.nn.bias_add(caffe_conv(x, w["conv1/weights"], 2), w["conv1/biases"])
    x = tf.nn.max_pool2d(tf.nn.relu(caffe_norm(x, w, "bn_conv1", "/", 1e-4)), 3, 2, "SAME")
    x = _caffe_resnet(x, unit, {2: ("abc", 1), 3: ("abcd", 2), 4: ("abcdef", 2), 5: ("abc", 2)})
    return tf.nn.bias_add(caffe_conv(x, w["layer1/weights"]), w["layer1/biases"])


def tinyface(x: Any, w: Weights) -> Any:
    def unit(x: Any, name: str, stride: int, relu: bool) -> Any:
        x = conv(x, w[f"res{name}_w"], stride, "SAME" if name.endswith("2b") else "VALID")
        x = caffe_norm(x, w, f"bn{name}", "_", 1e-5)
        return tf.nn.relu(x) if relu else x

    x = conv(tf.pad(x, [[0, 0], [3, 3], [3, 3], [0, 0]]), w["conv1_w"], 2, "VALID")
    x = tf.nn.max_pool2d(tf.nn.relu(caffe_norm(x, w, "bn_conv1", "_", 1e-5)), 3, 2, "SAME")
    third, fourth = ["a", "b1", "b2", "b3"], ["a", *(f"b{index}" for index in range(1, 23))]
    return _caffe_resnet(x, unit, {2: ("abc", 1), 3: (third, 2), 4: (fourth, 2)})


def prn(x: Any, w: Weights) -> Any:
    def unit(x: Any, name: str, stride: int = 1) -> Any:
        return tf.nn.relu(slim_norm(conv(x, w[f"{name}/weights"], stride), w, name, 1e-3))

    x = unit(x, "resfcn256/Conv")
    for index in range(10):
        name, stride = "resfcn256/resBlock" + (f"_{index}" if index else ""), 2 - index % 2
        shortcut = conv(x, w[f"{name}/shortcut/weights"], stride) if stride == 2 else x
        x = unit(unit(x, f"{name}/Conv"), f"{name}/Conv_1", stride)
        x = tf.nn.relu(slim_norm(conv(x, w[f"{name}/Conv_2/weights"]) + shortcut, w, name, 1e-3))
    return x


def fcn(x: Any, w: Weights) -> Any:
    x = x - np.array([123.68, 116.779, 103.939], np.float32)
    for group, count in enumerate((2, 2, 4, 4, 3), start=1):
        for index in range(1, count + 1):
            name = f"inference/conv{group}_{index}"
            x = tf.nn.bias_add(conv(x, w[f"{name}_w"]), w[f"{name}_b"])
            x = x if (group, index) == (5, 3) else tf.nn.relu(x)
        x = tf.nn.avg_pool2d(x, 2, 2, "SAME") if group < 5 else tf.nn.max_pool2d(x, 2, 2, "SAME")
    for index in (6, 7, 8):
        x = tf.nn.bias_add(conv(x, w[f"inference/W{index}"]), w[f"inference/b{index}"])
        x = tf.nn.relu(x) if index < 8 else x
    return x


def nazeri(x: Any, w: Weights) -> Any:
    for index in range(8):
        x = tf.nn.bias_add(
            conv(x, w[f"gen/conv{index}/kernel"], 1 if index == 0 else 2), w[f"gen/conv{index}/bias"]
        )
        scale, offset = w[f"gen/bn_conv{index}/gamma"], w[f"gen/bn_conv{index}/beta"]
        mean, variance = tf.nn.moments(x, [0, 1, 2])  # training = True, also in its test graph
        x = tf.nn.leaky_relu(tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3), 0.2)
    return x


GRAPHS = {
    "inception_v3": inception_v3, "inception_resnet_v2": inception_resnet_v2, "vgg_16": vgg, "vgg_19": vgg,
    "resnet_v1_50": resnet_v1, "mobilenet_v1": mobilenet_v1, "inpainting": inpainting, "fcrn": fcrn, "prn": prn,
    "fcn": fcn, "tinyface": tinyface, "nazeri": nazeri, "taskonomy": taskonomy,
}  # fmt: skip
