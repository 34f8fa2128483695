"""A card that multiplies in TF32 stands in the way of nothing: models are checked on the processor.

TF32 is emulated: in every session that does not keep off the GPUs, the operands of convolutions and products are rounded
to 10 bits of mantissa.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import Trunk
from tfattr.trunk import graph as g
from tfattr.zoo.file import open_zoo

OPERANDS = {
    "Conv2D": (0, 1),
    "DepthwiseConv2dNative": (0, 1),
    "MatMul": (0, 1),
    "Conv2DBackpropInput": (1, 2),
}


def in_tf32(graph_def: g.GraphDef) -> g.GraphDef:
    """The graph with ``(x & mask)``, rounded to nearest, for each operand x of a convolution or product."""
    result = g.GraphDef(versions=graph_def.versions)
    result.node.append(g.constant("tf32/half", np.int32(1 << 12)))
    result.node.append(g.constant("tf32/mask", np.int32(-1 << 13)))

    def add(name: str, op: str, inputs: list[str], **types: int) -> str:
        node = result.node.add(name=name, op=op, input=inputs)
        for key, value in types.items():
            node.attr[key].type = value
        return name

    single, whole = tf.float32.as_datatype_enum, tf.int32.as_datatype_enum
    for node in graph_def.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        for port in OPERANDS.get(node.op, ()):
            base = f"tf32/{node.name}/{port}"
            bits = add(f"{base}/bits", "Bitcast", [node.input[port]], T=single, type=whole)
            up = add(f"{base}/up", "AddV2", [bits, "tf32/half"], T=whole)
            kept = add(f"{base}/kept", "BitwiseAnd", [up, "tf32/mask"], T=whole)
            copy.input[port] = add(base, "Bitcast", [kept], T=whole, type=single)
    return result


@pytest.fixture
def card(monkeypatch):
    """Sessions compute as on such a card, unless they keep off the GPUs. Returns how many did."""
    session, emulated = tf.compat.v1.Session, []

    def on_a_card(target="", graph=None, config=None):
        if config is not None and config.device_count.get("GPU", 1) == 0:
            return session(target, graph, config)
        emulated.append(graph)
        with tf.Graph().as_default() as other:
            tf.import_graph_def(in_tf32(graph.as_graph_def()), name="")
        return session(target, other, config)

    monkeypatch.setattr(tf.compat.v1, "Session", on_a_card)
    g.forget()
    yield emulated
    g.forget()


def model():
    return open_zoo("rooms").models[0]


def test_every_door_s_check_is_on_the_processor(card, tmp_path):
    for spec in (model(), model().folded()):
        trunk = spec.load()
        assert trunk.deviation < (1e-4 if spec.cut.get("fold_batch_norm") else 1e-6)
        trunk.save(tmp_path / "saved")
        assert Trunk.load(tmp_path / "saved").output_shape == trunk.output_shape
    assert not card


def test_checked_on_the_card_folding_would_be_refused(card, monkeypatch):
    monkeypatch.setattr(g, "unoptimised", tf.compat.v1.ConfigProto)
    with pytest.raises(GraphError, match="folding batch norm changes the representation"):
        model().folded().load()
    assert card
