"""Recognises functions with one slope above zero and one below (PReLU, leaky ReLU) however they are spelled.

``relu(x) + a * (x - |x|) * 0.5``, ``relu(x) - a * relu(-x)``, ``max(x, a * x)``, ``b * x + c * |x|`` and
their like are sums, maxima and multiples of one tensor ``x``. Each is positively homogeneous, so its
values at ``x = 1`` and ``x = -1`` say everything: f(x) = f(1) x for x > 0 and -f(-1) x for x < 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfattr.attribution.flow import Flow
from tfattr.trunk.graph import split

_UNARY = {
    "Relu": lambda v: np.maximum(v, 0),
    "Abs": np.abs,
    "Neg": np.negative,
    "Identity": lambda v: v,
}
_BINARY = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
}


class Slopes(NamedTuple):
    """``tensor`` is ``at_plus_one * x`` where x > 0 and ``-at_minus_one * x`` where x < 0; x is ``root``."""

    root: str
    at_plus_one: np.ndarray
    at_minus_one: np.ndarray
    joins: int  # how many times two paths from the root met on the way


class SlopeFinder:
    """Answers for each tensor of a graph whether it is such a function of one earlier tensor."""

    def __init__(self, view: Flow) -> None:
        self._view = view
        self._known: dict[str, Slopes] = {}

    def joined(self, name: str) -> Slopes | None:
        """The slopes of a node where paths from one tensor meet; None if the node is not of that kind."""
        if self._view.nodes[name].op not in _BINARY:
            return None
        found = self._slopes(name)
        return found if found.joins else None

    def group(self, name: str, root: str) -> set[str]:
        """The nodes between ``root`` and the node that joins its paths, which is one of them."""
        found, stack = set(), [name]
        while stack:
            tensor = stack.pop()
            if tensor != root and split(tensor)[0] not in found:
                found.add(split(tensor)[0])
                stack.extend(self._sources(tensor))
        return found

    def _slopes(self, tensor: str) -> Slopes:
        """Walks back from a tensor without recursion (deep nets) and combines on the way forth."""
        stack = [tensor]
        while stack:
            current = stack[-1]
            if current in self._known:
                stack.pop()
                continue
            pending = [t for t in self._sources(current) if t not in self._known]
            if pending:
                stack.extend(pending)
                continue
            self._known[current] = self._combine(current)
            stack.pop()
        return self._known[tensor]

    def _sources(self, tensor: str) -> list[str]:
        op = self._view.nodes[split(tensor)[0]].op
        if op in _UNARY or op in _BINARY or op in ("Mul", "RealDiv"):
            return self._view.data_inputs(split(tensor)[0])
        return []

    def _combine(self, tensor: str) -> Slopes:
        view, name = self._view, split(tensor)[0]
        op, inputs = view.nodes[name].op, view.inputs(name)
        fresh = Slopes(tensor, np.float32(1), np.float32(-1), 0)
        sources = self._sources(tensor)
        if op in _UNARY and sources:
            inner, function = self._known[sources[0]], _UNARY[op]
            return inner._replace(
                at_plus_one=function(inner.at_plus_one), at_minus_one=function(inner.at_minus_one)
            )
        if op in ("Mul", "RealDiv") and len(sources) == 1 and (op == "Mul" or sources[0] == inputs[0]):
            constant = view.constant(inputs[0] if sources[0] == inputs[1] else inputs[1])
            if constant is None:
                return fresh
            factor = constant if op == "Mul" else 1 / constant
            inner = self._known[sources[0]]
            return inner._replace(
                at_plus_one=inner.at_plus_one * factor, at_minus_one=inner.at_minus_one * factor
            )
        if op in _BINARY and len(sources) == 2:
            a, b = (self._known[source] for source in sources)
            if a.root == b.root:
                return self._join(op, a, b, 1 + a.joins + b.joins)
        if op in ("Maximum", "Minimum") and len(sources) == 1:
            constant = view.constant(inputs[0] if sources[0] == inputs[1] else inputs[1])
            if constant is not None and not np.any(constant):
                a = self._known[sources[0]]
                zero = Slopes(a.root, np.float32(0), np.float32(0), 0)
                return self._join(op, a, zero, 1 + a.joins)
        return fresh

    @staticmethod
    def _join(op: str, a: Slopes, b: Slopes, joins: int) -> Slopes:
        function = _BINARY[op]
        return Slopes(
            a.root, function(a.at_plus_one, b.at_plus_one), function(a.at_minus_one, b.at_minus_one), joins
        )
