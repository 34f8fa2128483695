"""How far float32 rounding alone moves the gradient of a net.

ReLU and max-pooling make the gradient jump where a unit's input is zero or two units are equal. Of a million units a
few are so near to that that rounding decides, and the kernels of two machines (or two releases of TensorFlow) round
differently: each such unit changes the gradient over its whole receptive field.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.trunk import Trunk


def rounded_gradients(trunk: Trunk, x: np.ndarray, count: int = 24, size: float = 3e-7) -> np.ndarray:
    """``d sum(y) / d x`` with every weight off by a relative error up to ``size`` (float32 has 1.2e-7): [count, N, H, W, C]."""
    light = tf.compat.v1.GraphDef(versions=trunk.graph_def.versions)
    weights = {}
    for node in trunk.graph_def.node:
        copy = light.node.add()
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            copy.CopyFrom(node)
            continue
        value = weights[f"{node.name}:0"] = tf.make_ndarray(node.attr["value"].tensor)
        copy.name, copy.op = node.name, "Placeholder"
        copy.attr["dtype"].type = node.attr["dtype"].type
        copy.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    random = np.random.default_rng(0)
    found = []
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(light, name="")
        fed, y = (graph.get_tensor_by_name(name) for name in (trunk.input, trunk.output))
        gradient = tf.gradients(y, fed)[0]
        for _ in range(count):
            noise = {name: 1 + size * random.uniform(-1, 1, value.shape) for name, value in weights.items()}
            feeds = {name: (value * noise[name]).astype(np.float32) for name, value in weights.items()}
            found.append(session.run(gradient, {fed: x, **feeds}))
    return np.stack(found)
