"""A frozen GraphDef looked at as data flow: which tensors carry data, which are constants, their shapes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import graph as g

_SHAPE_OPS = {"Shape", "ShapeN", "Size", "Rank"}
_VERIFY_SEED = 20190612


def node_of(tensor: str) -> str:
    """``"scope/op:1"`` -> ``"scope/op"``."""
    return tensor.split(":")[0]


def tensor_name(reference: str) -> str:
    """A node's input reference (``"op"`` or ``"op:1"``) as a full tensor name (``"op:0"``)."""
    return reference if ":" in reference else reference + ":0"


class GraphView:
    """Reads one sub-graph, from ``input`` to ``output``, of a frozen GraphDef.

    A node *carries data* when the fed tensor reaches it by another way than through an operation that
    reads only shapes. Every other tensor is a constant of the trunk and is evaluated once, in a session
    of its own; what depends on the batch size has no constant value.
    """

    def __init__(self, graph_def: tf.compat.v1.GraphDef, input: str, output: str) -> None:
        self.input, self.output = tensor_name(input), tensor_name(output)
        names = [node.name for node in graph_def.node]
        known = set(names)
        for tensor in (self.input, self.output):
            if node_of(tensor) not in known:
                near = difflib.get_close_matches(node_of(tensor), names, n=3)
                raise GraphError(f"the graph has no tensor {tensor!r}; the nearest names are {near}.")
        self.nodes = {node.name: node for node in graph_def.node}
        self._order = self._topological()
        if node_of(self.input) not in self._order:
            raise GraphError(f"tensor {self.output!r} does not depend on the input {self.input!r}.")
        self._graph = self._import(graph_def)
        self._session = tf.compat.v1.Session(graph=self._graph, config=g.unoptimised())
        self._data = self._reached(through_shapes=False)
        self._any = self._reached(through_shapes=True)
        self._values: dict[str, np.ndarray | None] = {}
        shape = self._graph.get_tensor_by_name(self.input).shape
        if shape.rank is None or not shape[1:].is_fully_defined():
            raise GraphError(
                f"the input {self.input!r} has shape {shape}; every size but the batch must be known."
            )
        self._evaluate_constants()

    def close(self) -> None:
        self._session.close()

    # -- structure -----------------------------------------------------------------------------------

    def inputs(self, name: str) -> list[str]:
        """Full names of a node's input tensors, control inputs left out."""
        return [tensor_name(i) for i in self.nodes[name].input if not i.startswith("^")]

    def carries_data(self, tensor: str) -> bool:
        return node_of(tensor) in self._data

    def data_inputs(self, name: str) -> list[str]:
        return [tensor for tensor in self.inputs(name) if self.carries_data(tensor)]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Static shape without the batch; GraphError where a size is unknown."""
        shape = self._graph.get_tensor_by_name(tensor).shape
        if shape.rank is None or shape.rank == 0 or not shape[1:].is_fully_defined():
            raise GraphError(
                f"the shape of {tensor!r} is {shape}; every size but the batch must follow from the input's size."
            )
        return tuple(shape[1:].as_list())

    def rank(self, tensor: str) -> int:
        """Rank, the batch included."""
        return len(self.shape(tensor)) + 1

    def _import(self, graph_def: tf.compat.v1.GraphDef) -> tf.Graph:
        """The nodes that the output needs; control inputs do nothing in a frozen graph."""
        part = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
        for name in self._order:
            node = part.node.add()
            node.CopyFrom(self.nodes[name])
            kept = [i for i in node.input if not i.startswith("^")]
            del node.input[:]
            node.input.extend(kept)
        graph = tf.Graph()
        with graph.as_default():
            tf.graph_util.import_graph_def(part, name="")
        return graph

    def _topological(self) -> list[str]:
        order, state = [], {}
        stack = [(node_of(self.output), False)]
        while stack:
            name, done = stack.pop()
            if done:
                order.append(name)
                continue
            if name in state:
                continue
            state[name] = True
            stack.append((name, True))
            stack.extend((node_of(t), False) for t in self.inputs(name) if node_of(t) not in state)
        return order

    def _reached(self, *, through_shapes: bool) -> set[str]:
        reached = {node_of(self.input)}
        for name in self._order:
            if name in reached or (not through_shapes and self.nodes[name].op in _SHAPE_OPS):
                continue
            if any(node_of(t) in reached for t in self.inputs(name)):
                reached.add(name)
        return reached

    # -- values --------------------------------------------------------------------------------------

    def constant(self, tensor: str) -> np.ndarray | None:
        """The value of a tensor that carries no data; None if it depends on the batch size."""
        return self._values[tensor]

    def constants(self, tensors: Iterable[str]) -> list[np.ndarray | None]:
        return [self.constant(tensor) for tensor in tensors]

    def _evaluate_constants(self) -> None:
        wanted = {
            tensor
            for name in self._order
            if name in self._data and name != node_of(self.input)
            for tensor in self.inputs(name)
            if not self.carries_data(tensor)
        }
        fixed = sorted(t for t in wanted if node_of(t) not in self._any)
        stored = [t for t in fixed if self.nodes[node_of(t)].op == "Const"]
        self._values.update((t, tf.make_ndarray(self.nodes[node_of(t)].attr["value"].tensor)) for t in stored)
        computed = [t for t in fixed if t not in self._values]
        self._check_placeholders(computed)
        self._values.update(zip(computed, self._session.run(computed)))
        shaped = sorted(wanted - set(fixed))
        if not shaped:
            return
        # Sizes computed in the graph: constant if a batch of one and a batch of two give the same.
        size = self.shape(self.input)
        once, twice = (
            self._session.run(shaped, {self.input: np.zeros((n, *size), np.float32)}) for n in (1, 2)
        )
        for tensor, a, b in zip(shaped, once, twice):
            self._values[tensor] = a if np.array_equal(a, b) else None

    def _check_placeholders(self, tensors: list[str]) -> None:
        seen, stack = set(), [node_of(t) for t in tensors]
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            if self.nodes[name].op == "Placeholder":
                raise GraphError(
                    f"the graph also needs the placeholder {name!r}; freeze it to a constant first."
                )
            stack.extend(node_of(t) for t in self.inputs(name))

    def trial(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Two random images with values between ``low`` and ``high``, and what the graph makes of them."""
        rng = np.random.default_rng(_VERIFY_SEED)
        x = rng.uniform(low, high, (2, *self.shape(self.input))).astype(np.float32)
        return x, np.concatenate([self._session.run(self.output, {self.input: image[None]}) for image in x])
