"""A plain graph looked at as data flow: which tensors carry the image, which are constants, their shapes."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import graph as g

_SHAPE_OPS = ("Shape", "ShapeN", "Size", "Rank")


class Flow:
    """Reads a graph from ``input`` to ``output``, as a Trunk holds it.

    A node *carries data* when the fed tensor reaches it by another way than through an operation that reads only
    shapes. Tensors are named as NodeDef inputs are, port 0 left out.

    Args:
        graph_def: constants and one placeholder.
        input, output: tensor names.
        weights: values of constants that the graph gives as zeros (see :mod:`tfattr.trunk.architecture`).

    Raises:
        GraphError: a tensor is missing, or the output does not depend on the input.
    """

    def __init__(
        self,
        graph_def: g.GraphDef,
        input: str,
        output: str,
        weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        for role, ref in (("input", input), ("output", output)):
            g.find_tensor(graph_def, ref, role, "graph")
        self.input, self.output = g.join(*g.split(input)), g.join(*g.split(output))
        self.graph_def = g.prune(graph_def, [g.split(output)[0]], stop=[g.split(input)[0]])
        self.nodes = g.nodes_by_name(self.graph_def)
        self._weights = weights or {}
        root = g.split(input)[0]
        self._data, order = {root}, g.ordered(self.graph_def)
        for node in order:
            if node.op not in _SHAPE_OPS and any(g.split(ref)[0] in self._data for ref in node.input):
                self._data.add(node.name)
        if g.split(output)[0] not in self._data:
            raise GraphError(f"tensor {output!r} does not depend on the input {input!r}.")
        self.order = [node.name for node in order if node.name in self._data and node.name != root]
        self.users: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name in self.order:
            for ref in self.data_inputs(name):
                self.users[g.split(ref)[0]].append(name)

    def inputs(self, name: str) -> list[str]:
        """A node's input tensors."""
        return [g.join(*g.split(ref)) for ref in self.nodes[name].input]

    def carries_data(self, ref: str) -> bool:
        return g.split(ref)[0] in self._data

    def data_inputs(self, name: str) -> list[str]:
        return [ref for ref in self.inputs(name) if self.carries_data(ref)]

    def constant(self, ref: str) -> np.ndarray | None:
        """The value of a constant; None for what depends on the batch size."""
        name = g.split(ref)[0]
        if name in self._weights:
            return np.asarray(self._weights[name])
        return g.value(self.nodes[name]) if self.nodes[name].op == "Const" else None

    def shape(self, ref: str) -> tuple[int, ...]:
        """Static shape without the batch.

        Raises:
            GraphError: a size is unknown.
        """
        name, port = g.split(ref)
        shape = self._graph.get_tensor_by_name(f"{name}:{port}").shape
        if shape.rank is None or shape.rank == 0 or not shape[1:].is_fully_defined():
            raise GraphError(
                f"the shape of {ref!r} is {shape}; every size but the batch must follow from the input's size."
            )
        return tuple(shape[1:].as_list())

    def rank(self, ref: str) -> int:
        """Rank, the batch included."""
        return len(self.shape(ref)) + 1

    @functools.cached_property
    def _graph(self) -> tf.Graph:
        light, _ = g.lift_large(self.graph_def)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(light, name="")
        return graph


def node_of(ref: str) -> str:
    """The node that gives a tensor."""
    return g.split(ref)[0]


def attribute(node: g.NodeDef, name: str, default=None):
    """A node's attribute as a Python value; ``default`` where the graph does not state it."""
    if name not in node.attr:
        return default
    value = node.attr[name]
    kind = value.WhichOneof("value")
    if kind == "s":
        return value.s.decode()
    if kind == "list":
        return list(value.list.i)
    if kind == "type":
        return value.type
    return getattr(value, kind)
