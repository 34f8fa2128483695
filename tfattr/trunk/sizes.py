"""What follows from the size of the input alone: shapes, targets of reshapes, branches on sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    by_value, _ = by_value_and_by_size(order)
    if g.split(ref)[0] in by_value or len(fed) > 1:
        return None
    found = []
    for batch in (1, 2) if fed else (1,):
        feeds = {name: np.zeros((batch, *shape), np.float32) for name in fed}
        try:
            known = _shapes_as_constants(graph_def, by_value, feeds)
            needed = g.prune(known, [g.split(ref)[0]])
            held = {node.name for node in needed.node}
            (value,) = g.run(needed, [ref], {name: array for name, array in feeds.items() if name in held})
        except (tf.errors.OpError, ValueError):
            return None
        found.append(np.asarray(value))
    same = all(a.shape == found[0].shape and np.array_equal(a, found[0]) for a in found)
    return found[0] if same else None


def _shapes_as_constants(
    graph_def: g.GraphDef, by_value: set[str], feeds: Mapping[str, np.ndarray]
) -> g.GraphDef:
    """Shapes that TensorFlow infers for a batch of known size need no values, so that variables need none yet."""
    asked = [
        node
        for node in graph_def.node
        if node.op in ("Shape", "Size", "Rank") and g.split(node.input[0])[0] in by_value
    ]
    if not asked:
        return graph_def
    fixed = g.copied(graph_def)
    for node in fixed.node:
        if node.name in feeds:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(feeds[node.name].shape).as_proto())
    graph = g.imported(g.lift_large(fixed)[0])
    constants = {}
    for node in asked:
        name, port = g.split(node.input[0])
        inferred = graph.get_operation_by_name(name).outputs[port].shape
        if not inferred.is_fully_defined():
            continue
        sizes = np.array(inferred.as_list(), np.int64)
        value = {"Shape": sizes, "Size": sizes.prod(), "Rank": np.int64(len(sizes))}[node.op]
        stated = node.attr["out_type"].type if node.attr["out_type"].type else tf.int32.as_datatype_enum
        constants[node.name] = g.constant(node.name, np.asarray(value, tf.as_dtype(stated).as_numpy_dtype))
    return g.replaced(graph_def, constants)
