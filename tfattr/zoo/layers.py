"""What several builders share: TF-Slim's layers in inference, layers that it does not name as the originals do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim

_INITIALIZER = tf.compat.v1.glorot_uniform_initializer
_ZEROS = tf.compat.v1.zeros_initializer
_ONES = tf.compat.v1.ones_initializer


def slim_unit(activation: Callable[..., tf.Tensor] = tf.nn.relu, **batch_norm: Any) -> dict[str, Any]:
    """Arguments of slim's convolutions with batch norm in inference, padded SAME.

    Batch norm then has nothing to update; told so, slim builds it without the legacy Keras layer, whose time grows with
    the square of the number of variables.
    """
    inference = {"is_training": False, "updates_collections": None, **batch_norm}
    return {
        "padding": "SAME",
        "activation_fn": activation,
        "normalizer_fn": slim.batch_norm,
        "normalizer_params": inference,
    }


def slim_logits(net: tf.Tensor, num_classes: int, scope: str) -> tf.Tensor:
    """Slim's classifier as a convolution: ``[N, 1, 1, C]`` to ``[N, num_classes]``."""
    net = slim.conv2d(net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope=scope)
    return tf.squeeze(net, [1, 2], name="SpatialSqueeze")


def scaled(multiplier: float, least: int = 1) -> Callable[[int], int]:
    """The width of a layer ``multiplier`` times as wide, of at least ``least`` channels."""
    return lambda channels: max(int(channels * multiplier), least)


def pool_kernel(net: tf.Tensor, size: int) -> list[int]:
    """Kernel of a final average pool: ``size`` x ``size``, or the map where that is smaller.

    So the nets run at reduced input sizes, as slim's own small-input rule has it.
    """
    height, width = net.shape[1], net.shape[2]
    return [min(size, height or size), min(size, width or size)]


def convolution(
    net: tf.Tensor,
    channels: int,
    kernel: int,
    *,
    weights: str,
    biases: str | None,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "SAME",
    name: str | None = None,
) -> tf.Tensor:
    """A square convolution whose variables get the names given, in the current variable scope.

    ``[N, H, W, C]`` to ``[N, H', W', channels]``. ``biases=None`` leaves the bias out. ``name``: of the last
    operation (BiasAdd, or the convolution without bias).
    """
    shape = [kernel, kernel, net.shape[-1], channels]
    filters = tf.compat.v1.get_variable(weights, shape, tf.float32, _INITIALIZER())
    own = name if biases is None else None
    if dilation > 1:  # as SpaceToBatch: the dilated Conv2D kernel has no gradient on every CPU build
        net = tf.nn.convolution(net, filters, padding=padding, dilations=dilation, name=own)
    else:
        net = tf.nn.conv2d(net, filters, stride, padding, name=own)
    if biases is None:
        return net
    bias = tf.compat.v1.get_variable(biases, [channels], tf.float32, _ZEROS())
    return tf.nn.bias_add(net, bias, name=name)


def pad_same(net: tf.Tensor, kernel: int) -> tf.Tensor:
    """Zeros of ``(kernel - 1) // 2`` on each side: Caffe's padding, unlike TensorFlow's SAME at stride 2."""
    width = (kernel - 1) // 2
    return tf.pad(net, [[0, 0], [width, width], [width, width], [0, 0]]) if width else net


def batch_norm(
    net: tf.Tensor,
    scope: str,
    epsilon: float,
    name: Callable[[str], str] = lambda quantity: quantity,
) -> tf.Tensor:
    """Batch norm with stored statistics, ``[N, H, W, C]`` in and out, for projects with names of their own.

    The variables are ``mean``, ``variance``, ``scale`` and ``offset``, each under ``name(quantity)`` in the
    current variable scope; the operations go under the name scope ``scope``. The formula is
    ``tf.nn.batch_normalization``'s.
    """
    starts = {"mean": _ZEROS(), "variance": _ONES(), "scale": _ONES(), "offset": _ZEROS()}
    values = {
        quantity: tf.compat.v1.get_variable(
            name(quantity), [net.shape[-1]], tf.float32, start, trainable=quantity in ("scale", "offset")
        )
        for quantity, start in starts.items()
    }
    with tf.name_scope(scope):
        return tf.nn.batch_normalization(
            net, values["mean"], values["variance"], values["offset"], values["scale"], epsilon
        )


def norm_name(layer: str) -> str:
    """Caffe's name of a convolution's batch norm: ``res2a_branch1`` -> ``bn2a_branch1``, ``conv1`` -> ``bn_conv1``."""
    return f"bn{layer[3:]}" if layer.startswith("res") else f"bn_{layer}"


def bottlenecks(
    net: tf.Tensor,
    stages: Mapping[int, tuple[tuple[str, ...], int, int]],
    conv: Callable[..., tf.Tensor],
    end_points: dict[str, tf.Tensor],
    relu: str | None = None,
) -> tf.Tensor:
    """The stages of a ResNet under Caffe's names; the first unit of each projects its shortcut.

    ``stages``: number -> (units, bottleneck channels, stride of the first unit's 1x1 convolutions). ``conv(net, name,
    channels, kernel, stride=1, relu=False)``: a convolution with its batch norm. ``end_points``: gets each unit.
    ``relu``: what a unit's last operation is called behind the unit's name; None leaves that to TensorFlow.
    """
    for stage, (units, channels, stride) in stages.items():
        for unit in units:
            name, first, fed = f"res{stage}{unit}", unit == units[0], net
            shortcut = conv(fed, f"{name}_branch1", 4 * channels, 1, stride=stride) if first else fed
            net = conv(fed, f"{name}_branch2a", channels, 1, stride=stride if first else 1, relu=True)
            net = conv(net, f"{name}_branch2b", channels, 3, relu=True)
            net = conv(net, f"{name}_branch2c", 4 * channels, 1)
            net = tf.nn.relu(shortcut + net, name=relu and f"{name}_{relu}")
            end_points[name] = net
    return net
