"""Layers that several builders share and that TF-Slim does not name as the originals do."""

from __future__ import annotations

import tensorflow as tf


def pool_kernel(net: tf.Tensor, size: int) -> list[int]:
    """Kernel of a final average pool: ``size`` x ``size``, or the map where that is smaller.

    So the nets run at reduced input sizes, as slim's own small-input rule has it.
    """
    height, width = net.shape[1], net.shape[2]
    return [min(size, height or size), min(size, width or size)]


def batch_norm(
    net: tf.Tensor, scope: str, names: tuple[str, str, str, str], epsilon: float, prefix: str = ""
) -> tf.Tensor:
    """Batch norm with stored statistics, for projects that name its variables their own way.

    ``names``: of (mean, variance, scale, offset), created as ``scope/prefix<name>``. ``[N, H, W, C]`` in
    and out. The formula is ``tf.nn.batch_normalization``'s.
    """
    channels = net.shape[-1]
    with tf.compat.v1.variable_scope(scope):
        mean, variance, scale, offset = (
            tf.compat.v1.get_variable(
                prefix + name,
                [channels],
                initializer=tf.compat.v1.ones_initializer() if ones else tf.compat.v1.zeros_initializer(),
                trainable=trainable,
            )
            for name, ones, trainable in zip(names, (False, True, True, False), (False, False, True, True))
        )
        return tf.nn.batch_normalization(net, mean, variance, offset, scale, epsilon)
