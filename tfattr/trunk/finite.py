"""Where a network's numbers stop being finite: the first tensor with NaN or infinity."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class NonFinite:
    """A tensor that is not finite while everything it is computed from is, or whose own constants are not.

    Attributes:
        tensor: its name.
        operation: the kind of operation that gives it.
        nan: how many of its values are NaN.
        infinite: how many are plus or minus infinity.
        size: how many values it has.
        constants: names of constants that it takes (weights) and that are not finite, with how many values.
    """

    tensor: str
    operation: str
    nan: int
    infinite: int
    size: int
    constants: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        said = (
            f"{self.tensor} ({self.operation}): {self.nan} of its {self.size} values are NaN, "
            f"{self.infinite} infinite"
        )
        if self.constants:
            held = ", ".join(f"{count} in {name}" for name, count in self.constants)
            said += f"; its weights are not finite ({held})"
        return said


def first_non_finite(trunk: Trunk, x: np.ndarray | tf.Tensor) -> NonFinite | None:
    """The first tensor of a trunk, in the order of computation, with values that are not finite on a batch.

    ``x``: float32 ``[N, H, W, C]`` in the fed frame; its images are gone through one by one. None if all is
    finite. SettingsError where ``x`` has another shape.
    """
    batch = np.asarray(trunk.validate_batch(x))
    for image in batch:
        found = in_graph(trunk.graph_def, g.split(trunk.input)[0], image[None])
        if found is not None:
            return found
    return None


def in_graph(graph_def: g.GraphDef, input: str, x: np.ndarray) -> NonFinite | None:
    """As :func:`first_non_finite`, for a plain graph (no branches, no variables) and its placeholder's name."""
    order = g.ordered(graph_def)
    light, large = g.lift_large(graph_def)
    nodes = g.nodes_by_name(graph_def)
    with g.imported(light).as_default() as graph:
        computed = [
            (node, tensor)
            for node in order
            if node.op != "Const"
            for tensor in graph.get_operation_by_name(node.name).outputs
            if tensor.dtype.is_floating
        ]
        # Counted inside the graph, so that no more than the counts is kept.
        counts = [
            (
                tf.reduce_sum(tf.cast(tf.math.is_nan(tensor), tf.int64)),
                tf.reduce_sum(tf.cast(tf.math.is_inf(tensor), tf.int64)),
                tf.size(tensor, tf.int64),
            )
            for _, tensor in computed
        ]
        fed = {f"{name}:0": array for name, array in {**large, input: x}.items()}
        with tf.compat.v1.Session(graph=graph, config=g.unoptimised()) as session:
            values = session.run(counts, fed)
    for (node, tensor), (nan, infinite, size) in zip(computed, values):
        if nan or infinite:
            return NonFinite(
                tensor.name, node.op, int(nan), int(infinite), int(size), _constants(node, nodes)
            )
    return None


def _constants(node: g.NodeDef, nodes: dict[str, g.NodeDef]) -> tuple[tuple[str, int], ...]:
    found = []
    for ref in node.input:
        source = nodes[g.split(ref)[0]]
        if source.op == "Const":
            array = g.value(source)
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                found.append((source.name, int((~np.isfinite(array)).sum())))
    return tuple(found)
