"""A control: the same architecture with weights that have learnt nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfattr.trunk.assemble import Plain

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


def randomised(trunk: Trunk, seed: int = 0) -> Trunk:
    """The trunk with the values of each weight tensor shuffled: same shapes, same distribution, nothing learnt.

    Args:
        trunk: the model; not changed.
        seed: of the shuffles.

    Source: the model parameter randomisation test of Adebayo et al., NeurIPS 2018, by permutation.
    """
    random = np.random.default_rng(seed)
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(trunk.graph_def)
    for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
        for node in nodes:
            if node.op != "Const" or not tf.as_dtype(node.attr["dtype"].type).is_floating:
                continue
            values = tf.make_ndarray(node.attr["value"].tensor)
            if values.ndim and values.size > 1:
                shuffled = random.permutation(values.ravel()).reshape(values.shape)
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(shuffled, values.dtype, values.shape))
    plain = Plain(
        graph_def, trunk.input, trunk.output, trunk.deviation, trunk.single, tuple(trunk.output_shape)
    )
    return type(trunk)(trunk.name, plain, trunk.preprocessing, {**trunk.provenance, "randomised": seed})
