"""Dropout that keeps everything: its random mask has one value whatever is drawn."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g
from tfattr.trunk import sizes

# Numbers of [0, 1): the smallest and the largest that TensorFlow draws in float32.
_ENDS = (np.float32(0.0), np.float32(1.0 - 2.0**-23))
_UNIFORM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")
# Monotone in an operand: what is the same at both ends is the same in between.
_MONOTONE = (
    "Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Floor", "Ceil", "Round", "Neg", "Cast", "Identity", "Greater",
    "GreaterEqual", "Less", "LessEqual", "LogicalNot", "Maximum", "Minimum", "BiasAdd", "Snapshot",
)  # fmt: skip


def settle_masks(graph_def: g.GraphDef, output: str, where: str) -> g.GraphDef:
    """Random masks that are the same whatever is drawn (keep_prob 1, rate 0) become constants.

    Covers ``floor(keep_prob + uniform)`` of TF 1.0 to 1.12, ``uniform >= rate`` times a scale of TF 1.13 and later, and
    ``where(mask, x / keep_prob, 0)`` of TF 2: any chain that is monotone in what is drawn is evaluated at both ends.
    """
    order = g.ordered(graph_def, where)
    drawn = [node.name for node in order if node.op in _UNIFORM]
    if not drawn:
        return graph_def
    by_value, _ = sizes.by_value_and_by_size(order)
    nodes = g.nodes_by_name(graph_def)
    random: dict[str, str] = {
        name: name for name in drawn if name not in by_value
    }  # node to the draw it follows
    for node in order:
        roots = [random[g.split(ref)[0]] for ref in node.input if g.split(ref)[0] in random]
        if len(roots) == 1 and node.op in _MONOTONE and node.name not in by_value:
            random[node.name] = roots[0]
    masks = sorted(
        {
            g.split(ref)[0]
            for node in order
            if node.name not in random
            for ref in node.input
            if g.split(ref)[0] in random and g.split(ref)[0] not in drawn
        }
    )
    if not masks:
        return graph_def
    values = []
    for end in _ENDS:
        constants = {
            name: g.constant(name, end.astype(tf.as_dtype(nodes[name].attr["dtype"].type).as_numpy_dtype))
            for name in drawn
            if name in random
        }
        fixed = g.prune(g.replaced(graph_def, constants), masks)
        if any(node.op == "Placeholder" for node in fixed.node):
            return graph_def  # the rate itself follows from the image's size
        values.append(g.run(fixed, masks, {}))
    settled = {
        name: np.asarray(low)
        for name, low, high in zip(masks, *values)
        if np.ndim(low) == 0 and np.array_equal(low, high)
    }
    if not settled:
        return graph_def
    # Named anew: TensorFlow would hold a constant to the shape that the mask had.
    graph_def = g.redirected(graph_def, {name: f"{name}/settled" for name in settled})
    graph_def.node.extend(g.constant(f"{name}/settled", value) for name, value in settled.items())
    return g.prune(graph_def, [output])


def without_ones(graph_def: g.GraphDef, output: str) -> g.GraphDef:
    """Multiplying by a scalar 1, and choosing by a scalar, are taken out."""
    nodes = g.nodes_by_name(graph_def)
    redirect = {}
    for node in graph_def.node:
        if node.name == output:
            continue
        operands = [nodes[g.split(ref)[0]] for ref in node.input]
        refs = [g.join(*g.split(ref)) for ref in node.input]
        scalars = [
            g.value(one) if one.op == "Const" and not one.attr["value"].tensor.tensor_shape.dim else None
            for one in operands
        ]
        if node.op in ("Select", "SelectV2") and scalars[0] is not None:
            redirect[node.name] = refs[1] if scalars[0] else refs[2]
        elif node.op == "Mul" and 1.0 in [one for one in scalars if one is not None]:
            redirect[node.name] = refs[1 - scalars.index(1.0)]
    return g.prune(g.redirected(graph_def, redirect), [output]) if redirect else graph_def
