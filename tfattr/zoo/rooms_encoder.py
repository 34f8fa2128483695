"""The encoders of the embedded rooms: one small slim residual network for all tasks, the training's own.

The encoder is Taskonomy's in small (slim ResNet v1 units under the scope ``encoder``, then ``compress1``
with batch norm and ReLU; StanfordVL/taskonomy, ``resnet_v1_50_16x16``), so that its variables carry
Taskonomy's names and the loader that opens the originals opens these checkpoints too.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf
from tf_slim.nets import resnet_utils, resnet_v1

from tfattr.compat.slim import slim
from tfattr.errors import SettingsError

v1 = tf.compat.v1


@dataclass(frozen=True)
class Arch:
    """Layout of an encoder.

    conv1: (kernel, channels) of the root convolution (stride 2); blocks: (depth, bottleneck depth, units,
    stride of the last unit) of each block; code: channels of ``compress1``; plain: the units are single
    3x3 convolutions ``encoder/blockB/conv_U`` without shortcut (the bottleneck depth is not used).
    """

    conv1: tuple[int, int]
    blocks: tuple[tuple[int, int, int, int], ...]
    code: int = 8
    plain: bool = False


ARCHS = {
    "resnet": Arch(conv1=(7, 32), blocks=((64, 16, 2, 2), (128, 32, 2, 1), (128, 32, 2, 1), (128, 32, 1, 1))),
    "plain": Arch(conv1=(5, 32), blocks=((32, 0, 1, 2), (64, 0, 3, 1)), plain=True),
}


def arg_scope(is_training: bool):
    batch_norm = {
        "decay": 0.9,
        "epsilon": 1e-5,  # Taskonomy's
        "scale": True,
        "is_training": is_training,
        "updates_collections": v1.GraphKeys.UPDATE_OPS,
    }
    return slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        activation_fn=tf.nn.relu,
        weights_initializer=v1.variance_scaling_initializer(scale=2.0),
        normalizer_fn=slim.batch_norm,
        normalizer_params=batch_norm,
    )


def _residual_blocks(net: tf.Tensor, arch: Arch) -> tf.Tensor:
    blocks = []
    for number, (depth, bottleneck, units, stride) in enumerate(arch.blocks, start=1):
        unit = {"depth": depth, "depth_bottleneck": bottleneck, "stride": 1}
        args = [unit] * (units - 1) + [{**unit, "stride": stride}]
        blocks.append(resnet_utils.Block(f"block{number}", resnet_v1.bottleneck, args))
    return resnet_utils.stack_blocks_dense(net, blocks)


def _plain_blocks(net: tf.Tensor, arch: Arch) -> tf.Tensor:
    for number, (depth, _, units, stride) in enumerate(arch.blocks, start=1):
        with v1.variable_scope(f"block{number}"):
            for unit in range(1, units + 1):
                last = unit == units
                net = resnet_utils.conv2d_same(net, depth, 3, stride if last else 1, scope=f"conv_{unit}")
    return net


def encoder(
    images: tf.Tensor, arch: str = "resnet", prefix: str = "", is_training: bool = False
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Encoder of a rooms task, built in the current v1 graph.

    images: float32 [N, 64, 64, 3 or 1] in the task's input range. arch: a name of ``ARCHS``. prefix: ""
    or "feedforward", the scope of Taskonomy's feed-forward tasks, whose code is also given flat as
    ``feedforward/encoder/squeeze``. Returns ``(net, end_points)``: net is the code after the ReLU,
    [N, 16, 16, 8], or flat [N, 2048] with a prefix; end_points holds ``conv1``, ``blocks``, ``compress1``, with a
    prefix ``squeeze``, and net as ``code``. Raises SettingsError for an unknown arch.
    Source: Zamir et al., Taskonomy, CVPR 2018, encoder of the task bank; slim ResNet v1 units.
    """
    if arch not in ARCHS:
        raise SettingsError(
            f"rooms encoder: no architecture {arch!r}; choose one of {', '.join(sorted(ARCHS))}."
        )
    layout = ARCHS[arch]
    end_points: dict[str, tf.Tensor] = {}
    with arg_scope(is_training), v1.variable_scope(prefix or v1.get_variable_scope()):
        with v1.variable_scope("encoder"):
            kernel, channels = layout.conv1
            net = resnet_utils.conv2d_same(images, channels, kernel, stride=2, scope="conv1")
            end_points["conv1"] = net
            net = _plain_blocks(net, layout) if layout.plain else _residual_blocks(net, layout)
            end_points["blocks"] = net
        net = slim.conv2d(net, layout.code, 3, scope="compress1")
        end_points["compress1"] = net
        if prefix:
            net = tf.reshape(net, [-1, net.shape[1] * net.shape[2] * net.shape[3]], name="encoder/squeeze")
            end_points["squeeze"] = net
    return net, {**end_points, "code": net}


build = encoder
