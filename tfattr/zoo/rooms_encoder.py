"""The encoders of the embedded rooms, under the same door as the originals; the graph is the training's own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfattr.rooms import networks


def build(images: tf.Tensor, *, arch: str = "resnet", prefix: str = "") -> tuple[tf.Tensor, dict[str, Any]]:
    """See :func:`tfattr.rooms.networks.encoder`; inference mode. End point ``code`` is the representation."""
    net, end_points = networks.encoder(images, arch=arch, prefix=prefix)
    return net, {**end_points, "code": net}
