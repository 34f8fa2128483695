"""ResNet V1 50, 101, 152 (He et al. 2015, arXiv:1512.03385): ``tf_slim.nets.resnet_v1``, inference only.

Strides sit in the LAST unit of a block (slim's choice), unlike the Caffe original. The released
``resnet_v1_*.ckpt`` load by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.errors import SettingsError
from tfattr.zoo.layers import slim_logits, slim_unit

DEPTHS = (50, 101, 152)


def build(
    images: tf.Tensor, *, depth: int = 50, num_classes: int | None = None
) -> tuple[tf.Tensor, dict[str, Any]]:
    """ResNet V1 in the current graph.

    ``images``: float32 ``[N, H, W, 3]``, RGB 0..255 minus the mean pixel. ``depth``: 50, 101 or 152.
    Returns ``(net, end_points)``: ``global_pool`` ``[N, 1, 1, 2048]``; with ``num_classes`` (released files:
    1000) also ``Logits`` and ``Predictions`` ``[N, num_classes]``. Raises SettingsError for another depth.
    """
    if depth not in DEPTHS:
        raise SettingsError(f"ResNet V1 has 50, 101 or 152 layers, not {depth}; set depth to one of these.")
    from tf_slim.nets import resnet_v1

    scope = f"resnet_v1_{depth}"
    with slim.arg_scope(inference_scope()):
        net, end_points = getattr(resnet_v1, scope)(images, is_training=False)
        end_points = {**end_points, "global_pool": net}
        if num_classes:
            reenter = tf.compat.v1.variable_scope(scope, auxiliary_name_scope=False)
            with reenter, tf.name_scope(f"{scope}/"):
                net = slim_logits(net, num_classes, "logits")
            end_points["Logits"] = net
            end_points["Predictions"] = slim.softmax(net, scope="predictions")
    return net, end_points


def inference_scope() -> dict[Any, Any]:
    """TF-Slim's ResNet argument scope for inference (its padding, batch norm and activations)."""
    unit = slim_unit(scale=True, epsilon=1e-5)
    with slim.arg_scope([slim.conv2d], **unit), slim.arg_scope([slim.max_pool2d], padding="SAME") as scope:
        return scope
