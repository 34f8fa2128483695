"""Generative inpainting, DeepFill v1 (Yu et al. 2018, arXiv:1801.07892), up to ``allconv12``.

The generator of ``JiahuiYu/generative_inpainting`` v1.0.0. The fed tensor is the photograph; the channels of
ones and of the mask, and the blanking of the hole, are made inside the graph, so that a map covers the
photograph's channels. The released ``snap-0`` load by variable name; later (v2) files of the same folder
names have other shapes and are refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tfattr.errors import ModelFileError, SettingsError
from tfattr.trunk.freeze import open_checkpoint
from tfattr.zoo.contextual_attention import contextual_attention, resize_nearest
from tfattr.zoo.layers import convolution

HOLE = 128  # side of the centred hole at the training size of 256
# A tensor that tells v1 from v2, and its shape in each.
WITNESS, V1_SHAPE, V2_SHAPE = "inpaint_net/allconv12/kernel", [3, 3, 128, 128], [3, 3, 96, 192]
Layer = tuple  # (name, channels, kernel, stride, dilation)


def _downwards(prefix: str, widths: Sequence[int]) -> tuple[Layer, ...]:
    """The first layers of a stage or branch, of as many as there are widths: to a quarter of the size, then dilated."""
    names = ("conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6")
    sizes = ((5, 1, 1), (3, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 1), (3, 1, 1))
    names += tuple(f"conv{number}_atrous" for number in range(7, 11))
    sizes += tuple((3, 1, dilation) for dilation in (2, 4, 8, 16))
    return tuple((prefix + name, width, *size) for name, width, size in zip(names, widths, sizes))


STAGE_1 = (
    *_downwards("", (32, 64, 64, *[128] * 7)),
    ("conv11", 128, 3, 1, 1),
    ("conv12", 128, 3, 1, 1),
    "resize",  # doubles the map
    ("conv13_upsample/conv13_upsample_conv", 64, 3, 1, 1),
    ("conv14", 64, 3, 1, 1),
    "resize",
    ("conv15_upsample/conv15_upsample_conv", 32, 3, 1, 1),
    ("conv16", 16, 3, 1, 1),
)
CONVOLUTION_BRANCH = _downwards("x", (32, 32, 64, 64, *[128] * 6))
ATTENTION_BRANCH = _downwards("pm", (32, 32, 64, 128, 128))


def build(images: tf.Tensor, *, mask: str | os.PathLike[str] = "hole") -> tuple[tf.Tensor, dict[str, Any]]:
    """The inpainting generator in the current graph.

    ``images``: float32 ``[N, H, W, 3]`` in [-1, 1], BGR, H and W multiples of 8. ``mask``: ``"hole"`` (a
    centred square of side 128, as in training, at most half the shorter side), ``"zero"`` (nothing is
    missing; the first stage then plays no part) or an image file, white where the photograph is missing.
    Returns ``(net, end_points)``: ``allconv12`` ``[N, H/4, W/4, 128]``. Raises SettingsError for another size
    or an unreadable mask.
    """
    height, width = int(images.shape[1]), int(images.shape[2])
    if height % 8 or width % 8:
        raise SettingsError(
            f"The inpainting net was given inputs of {height}x{width}; its height and width must be multiples of 8."
        )
    holes = tf.constant(make_mask(mask, height, width)[None, :, :, None], name="mask")
    end_points: dict[str, Any] = {}
    with tf.compat.v1.variable_scope("inpaint_net"):
        incomplete = images * (1.0 - holes)
        net = _chain(_with_mask(incomplete, holes), STAGE_1, end_points)
        coarse = tf.clip_by_value(_conv(net, "conv17", 3, activation=None), -1.0, 1.0)
        end_points["stage_1"] = coarse

        fed = _with_mask(coarse * holes + incomplete * (1.0 - holes), holes)
        convolved = _chain(fed, CONVOLUTION_BRANCH, end_points)
        attended = _chain(fed, ATTENTION_BRANCH, end_points)
        attended = _conv(attended, "pmconv6", 128, activation=tf.nn.relu)
        end_points["pmconv6"] = attended
        small = resize_nearest(holes, int(attended.shape[1]), int(attended.shape[2]))
        with tf.name_scope("contextual_attention"):
            attended = contextual_attention(attended, small)
        end_points["contextual_attention"] = attended
        for name in ("pmconv9", "pmconv10"):
            attended = _conv(attended, name, 128)
        net = tf.concat([convolved, attended], axis=3)
        for name in ("allconv11", "allconv12"):
            net = end_points[name] = _conv(net, name, 128)
    return net, end_points


def make_mask(mask: str | os.PathLike[str], height: int, width: int) -> np.ndarray:
    """The mask as float32 ``[H, W]``, 1 where the photograph is missing; see :func:`build`."""
    values = np.zeros((height, width), np.float32)
    if mask == "zero":
        return values
    if mask == "hole":
        side = min(HOLE, min(height, width) // 2)
        top, left = (height - side) // 2, (width - side) // 2
        values[top : top + side, left : left + side] = 1.0
        return values
    try:
        with Image.open(mask) as picture:
            resized = picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
    except OSError as error:
        raise SettingsError(
            f'{os.fspath(mask)}: no readable mask image ({error}); give an image file, "hole" or "zero".'
        ) from error
    blue = np.asarray(resized)[..., 2]  # the project reads BGR and takes the first channel
    return (blue > 127.5).astype(np.float32)


def check_checkpoint(prefix: str | os.PathLike[str]) -> None:
    """Refuse a checkpoint of the later, gated net (v2), which is found under v1's folder names.

    Raises ModelFileError that names the tensor and both shapes. An index without its data is enough.
    """
    found = open_checkpoint(os.fspath(prefix)).get_variable_to_shape_map().get(WITNESS)
    if found is not None and list(found) != V1_SHAPE:
        later = "the gated net of DeepFill v2" if list(found) == V2_SHAPE else "another net"
        raise ModelFileError(
            f"{os.fspath(prefix)}: {WITNESS} has shape {list(found)}, which is {later}; the paper used v1, whose "
            f"shape is {V1_SHAPE}: get the checkpoint that the v1.0.0 branch's README links."
        )


def _with_mask(images: tf.Tensor, holes: tf.Tensor) -> tf.Tensor:
    """``[N, H, W, 3]`` to ``[N, H, W, 5]``: with a channel of ones and the mask."""
    extra = np.zeros((1, 1, 1, 5), np.float32)
    extra[..., 3] = 1.0
    mask = tf.pad(holes, [[0, 0], [0, 0], [0, 0], [4, 0]])
    return tf.pad(images, [[0, 0], [0, 0], [0, 0], [0, 2]]) + (mask + extra)


def _chain(net: tf.Tensor, layers: tuple, end_points: dict[str, Any]) -> tf.Tensor:
    for layer in layers:
        if layer == "resize":
            net = resize_nearest(net, 2 * int(net.shape[1]), 2 * int(net.shape[2]))
        else:
            name, channels, kernel, stride, dilation = layer
            net = _conv(net, name, channels, kernel=kernel, stride=stride, dilation=dilation)
            end_points[name.split("/")[0]] = net
    return net


def _conv(
    net: tf.Tensor, name: str, channels: int, *, kernel: int = 3, activation: Any = tf.nn.elu, **options: int
) -> tf.Tensor:
    with tf.compat.v1.variable_scope(name):
        net = convolution(net, channels, kernel, weights="kernel", biases="bias", **options)
        return net if activation is None else activation(net)
