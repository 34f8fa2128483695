"""The encoders of Taskonomy's task bank (Zamir et al. 2018, arXiv:1804.08328), twenty single-image tasks.

A TF-Slim ResNet-50 of output stride 16 under the scope ``encoder``, then ``compress1`` to 8 channels. The
feed-forward tasks (room layout, vanishing point, both classifications) have all of it under
``feedforward/`` and flatten the code. The released ``model.permanent-ckpt`` load by variable name.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.compat.slim import slim
from tfattr.zoo.resnet_v1 import inference_scope

CODE_CHANNELS = 8


def build(images: tf.Tensor, *, feedforward: bool = False) -> tuple[tf.Tensor, dict[str, Any]]:
    """A Taskonomy encoder in the current graph.

    ``images``: float32 ``[N, H, W, 3]`` in [-1, 1] (``[N, H, W, 1]``, CIELAB lightness, for colorization).
    ``feedforward``: variables under ``feedforward/`` and a flat code. Returns ``(net, end_points)``:
    ``encoder_output`` ``[N, H/16, W/16, 8]``, or ``[N, H/16 * W/16 * 8]`` with ``feedforward``.
    """
    from tf_slim.nets import resnet_v1

    blocks = [
        resnet_v1.resnet_v1_block(f"block{number}", base_depth=32 * 2**number, num_units=units, stride=stride)
        for number, (units, stride) in enumerate(((3, 2), (4, 2), (6, 1), (3, 1)), start=1)
    ]
    scope = tf.compat.v1.variable_scope("feedforward" if feedforward else tf.compat.v1.get_variable_scope())
    with scope, slim.arg_scope(inference_scope()):
        net, end_points = resnet_v1.resnet_v1(
            images, blocks, is_training=False, global_pool=False, scope="encoder"
        )
        net = slim.conv2d(net, CODE_CHANNELS, [3, 3], scope="compress1")
        if feedforward:
            size = net.shape[1] * net.shape[2] * net.shape[3]
            net = tf.reshape(net, [-1, size], name="encoder/squeeze")
    return net, {**end_points, "encoder_output": net}
