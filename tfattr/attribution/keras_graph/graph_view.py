"""A frozen graph as the conversion reads it: made plain, batch norm folded, the steps of the epsilon rule known."""

from __future__ import annotations

import functools

import numpy as np

from tfattr.attribution.flow import Flow
from tfattr.attribution.steps import Step, find_steps
from tfattr.errors import GraphError
from tfattr.trunk import fold, simplify
from tfattr.trunk import graph as g

_VERIFY_SEED = 20190612


class GraphView(Flow):
    """The graph between ``input`` and ``output``; what does not depend on the image is a constant of its own.

    Raises:
        GraphError: a tensor is missing, a second placeholder is open, or the input has no size.
    """

    def __init__(self, graph_def: g.GraphDef, input: str, output: str) -> None:
        given = Flow(graph_def, input, output)
        for node in given.nodes.values():
            if node.op.startswith("Placeholder") and node.name != g.split(input)[0] and not node.input:
                raise GraphError(
                    f"the graph also needs the placeholder {node.name!r}; freeze it to a constant first."
                )
        self._given, shape = given, given.shape(given.input)
        name = g.split(output)[0]
        plain = simplify.bypass_identities(given.graph_def, name)
        plain = simplify.fold_constants(plain, name, "graph")
        plain = simplify.fix_shapes(plain, name, shape, "graph")
        plain = simplify.fold_constants(plain, name, "graph")
        super().__init__(fold.folded(plain, name), input, output)

    @functools.cached_property
    def steps(self) -> dict[str, Step]:
        return find_steps(self)

    def trial(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Two random images with values between ``low`` and ``high``, and what the graph as given makes of them."""
        rng = np.random.default_rng(_VERIFY_SEED)
        x = rng.uniform(low, high, (2, *self.shape(self.input))).astype(np.float32)
        given = self._given
        return x, np.concatenate(
            [g.run(given.graph_def, [given.output], {given.input: im[None]})[0] for im in x]
        )
