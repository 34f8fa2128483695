"""What follows from the size of the input alone: shapes, targets of reshapes, branches on sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g

SHAPE_OPS = ("Shape", "ShapeN", "Size", "Rank")


def by_value_and_by_size(order: Sequence[g.NodeDef]) -> tuple[set[str], set[str]]:
    """Names of the nodes that depend on the input's values, and of those that depend on its shape alone."""
    by_value = {node.name for node in order if node.op == "Placeholder"}
    for node in order:
        if node.op not in SHAPE_OPS and any(g.split(ref)[0] in by_value for ref in node.input):
            by_value.add(node.name)
    shapes = [node.name for node in order if node.op in SHAPE_OPS and g.split(node.input[0])[0] in by_value]
    return by_value, g.dependents(order, shapes) - by_value


def from_sizes(graph_def: g.GraphDef, ref: str, shape: Sequence[int]) -> np.ndarray | None:
    """The value of a tensor that follows from constants and from the shape ``[N, *shape]`` of the one placeholder.

    None if it depends on the image, on the size of the batch, or on what has no value yet.
    """
    order = g.ordered(graph_def)
    fed = [node.name for node in order if node.op == "Placeholder"]
    if g.split(ref)[0] in by_value_and_by_size(order)[0] or len(fed) > 1:
        return None
    found = []
    for batch in (1, 2) if fed else (1,):
        feeds = {name: np.zeros((batch, *shape), np.float32) for name in fed}
        try:
            (value,) = g.run(graph_def, [ref], feeds)
        except (tf.errors.OpError, ValueError):
            return None
        found.append(np.asarray(value))
    same = all(a.shape == found[0].shape and np.array_equal(a, found[0]) for a in found)
    return found[0] if same else None
