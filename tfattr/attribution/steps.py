"""What the table of rules means for each node of a graph: where the stabiliser stands, which factor is the signal."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfattr.attribution import rules
from tfattr.attribution.flow import Flow, attribute
from tfattr.attribution.rules import GATES, RULES, Rule
from tfattr.attribution.slopes import SlopeFinder
from tfattr.errors import GraphError
from tfattr.trunk import graph as g

_RELOCATE = ("Reshape", "Squeeze", "ExpandDims", "BatchToSpaceND", "Identity")
_MADE_OF = (
    rules.MOVE,
    rules.SUM,
    rules.AVERAGE,
    rules.PRODUCT,
    rules.SELECT,
)  # a gate stays one through these
_QUOTIENTS = ("RealDiv", "DivNoNan", "Xdivy")


@dataclasses.dataclass(frozen=True)
class Step:
    """How relevance goes back through one node.

    Attributes:
        rule: from the table; None for what is not in it (the ordinary gradient).
        ports: positions of the operands that carry data.
        signal: of a product, the operand that takes all; None where two take half each, and elsewhere.
        damped: the stabiliser stands behind this node.
    """

    rule: Rule | None
    ports: tuple[int, ...]
    signal: int | None = None
    damped: bool = False

    @property
    def shared(self) -> bool:
        """Two signals take half each."""
        product = self.rule in (rules.PRODUCT, rules.MATRIX)
        return product and len(self.ports) > 1 and self.signal is None


def find_steps(flow: Flow) -> dict[str, Step]:
    """The step of each node that carries data, by node name; the input has none."""
    return _Reader(flow).steps()


class _Reader:
    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._gateness: dict[str, int] = {}
        self._slopes = SlopeFinder(flow)

    def steps(self) -> dict[str, Step]:
        flow, found = self._flow, {}
        for name in flow.order:
            ports = tuple(i for i, ref in enumerate(flow.inputs(name)) if flow.carries_data(ref))
            rule = self._rule(name, ports)
            self._gateness[name] = self._gateness_of(name, rule, ports)
            signal = self._signal(name, rule, ports)
            found[name] = Step(rule, ports, signal)
        inner = self._inner()
        for name, step in found.items():
            damped = name not in inner and self._is_sum(name, step) and not self._goes_on(name, found)
            found[name] = dataclasses.replace(step, damped=damped)
        return found

    def _rule(self, name: str, ports: tuple[int, ...]) -> Rule | None:
        node = self._flow.nodes[name]
        rule = RULES.get(node.op)
        if node.op in _QUOTIENTS and ports == (1,):
            return rules.CURVE  # a constant divided by data
        if rule is rules.SELECT:
            return rules.CURVE if len(ports) == 1 else rules.MOVE
        if rule is rules.NORMALISE and not attribute(node, "is_training", True):
            return rules.SUM if ports == (0,) else rules.NORMALISE
        return rule

    # -- gates ---------------------------------------------------------------------------------------

    def _gateness_of(self, name: str, rule: Rule | None, ports: tuple[int, ...]) -> int:
        node, flow = self._flow.nodes[name], self._flow
        if node.op == "Pow" and ports == (0,):
            exponent = flow.constant(flow.inputs(name)[1])
            return 3 if exponent is not None and np.all(exponent < 0) else 0
        if node.op in _QUOTIENTS:
            return self._gateness.get(g.split(flow.inputs(name)[0])[0], 0) if 0 in ports else 3
        if node.op in ("Maximum", "Minimum") and len(ports) == 1 and self._clips(name, ports[0]):
            return GATES["ClipByValue"]
        if node.op in GATES:
            return GATES[node.op]
        if rule not in _MADE_OF and node.op not in ("Maximum", "Minimum", "Relu"):
            return 0
        refs = flow.inputs(name)
        if node.op == "IdentityN":
            refs = refs[:1]
        return min(
            (self._gateness.get(g.split(ref)[0], 0) for ref in refs if flow.carries_data(ref)), default=0
        )

    def _clips(self, name: str, port: int) -> bool:
        """Whether the node and the one before it bound their values from both sides."""
        before = self._flow.nodes[g.split(self._flow.inputs(name)[port])[0]]
        bounds = {"Maximum", "Minimum", "Relu"} - {self._flow.nodes[name].op}
        return before.op in bounds and len(self._flow.data_inputs(before.name)) == 1

    def _signal(self, name: str, rule: Rule | None, ports: tuple[int, ...]) -> int | None:
        """The operand of a product that is less of a gate, else the larger one, else none."""
        if rule not in (rules.PRODUCT, rules.MATRIX) or len(ports) != 2:
            return None
        flow = self._flow
        if flow.nodes[name].op in _QUOTIENTS:
            return 0
        refs = [flow.inputs(name)[port] for port in ports]
        if refs[0] == refs[1]:
            return None
        weights = [self._gateness.get(g.split(ref)[0], 0) for ref in refs]
        if weights[0] != weights[1]:
            return ports[int(weights[0] > weights[1])]
        sizes = [self._size(ref) for ref in refs] if rule is rules.PRODUCT else [0, 0]
        return ports[int(sizes[1] > sizes[0])] if sizes[0] != sizes[1] else None

    def _size(self, ref: str) -> int:
        try:
            return int(np.prod(self._flow.shape(ref)))
        except GraphError:  # it depends on the batch
            return 0

    # -- stabilisers ---------------------------------------------------------------------------------

    def _inner(self) -> set[str]:
        """Nodes of PReLU-like functions that are spelled as sums: as a whole they are functions of single values."""
        inner: set[str] = set()
        for name in reversed(self._flow.order):
            slopes = None if name in inner else self._slopes.joined(name)
            if slopes is None:
                continue
            group = self._slopes.group(name, slopes.root)
            linear = np.array_equal(slopes.at_plus_one, -np.asarray(slopes.at_minus_one))
            inner |= group - {name} if linear else group
        return inner

    def _is_sum(self, name: str, step: Step) -> bool:
        if step.rule is rules.MATRIX:
            return not step.shared
        if step.rule is rules.PRODUCT:
            return len(step.ports) == 1
        return step.rule in (rules.WEIGHTED, rules.SUM, rules.AVERAGE, rules.NORMALISE)

    def _goes_on(self, name: str, steps: dict[str, Step]) -> bool:
        """Whether the one reader of the node continues its weighted sum by constants, and stands for it."""
        step, link = steps[name], self._is_link(name, steps)
        kernel = step.rule in (rules.WEIGHTED, rules.MATRIX, rules.NORMALISE)
        if not link and not (kernel and (step.rule is rules.NORMALISE or len(step.ports) == 1)):
            return False
        reader = self._only_reader(name)
        while reader is not None and self._flow.nodes[reader].op in _RELOCATE:
            reader = self._only_reader(reader)
        if reader is None or not self._is_link(reader, steps):
            return False
        kernel = self._kernel(name, steps)
        return kernel is None or self._is_per_channel(reader, g.is_nhwc(self._flow.nodes[kernel]))

    def _only_reader(self, name: str) -> str | None:
        readers = self._flow.users[name]
        return readers[0] if len(readers) == 1 and name != g.split(self._flow.output)[0] else None

    def _is_link(self, name: str, steps: dict[str, Step]) -> bool:
        """Whether the node is a scale or shift by constants."""
        step = steps[name]
        return step.rule in (rules.SUM, rules.PRODUCT) and len(step.ports) == 1

    def _kernel(self, name: str, steps: dict[str, Step]) -> str | None:
        """The kernel that the chain of scales and shifts up to here begins with."""
        while self._is_link(name, steps):
            before = g.split(self._flow.data_inputs(name)[0])[0]
            while before in steps and self._flow.nodes[before].op in _RELOCATE:
                before = g.split(self._flow.data_inputs(before)[0])[0]
            if before not in steps or self._only_reader(before) is None:
                return None
            name = before
        return name if steps[name].rule in (rules.WEIGHTED, rules.MATRIX, rules.NORMALISE) else None

    def _is_per_channel(self, name: str, channels_last: bool) -> bool:
        node, flow = self._flow.nodes[name], self._flow
        if node.op in ("BiasAdd", "Neg") or node.op.startswith("FusedBatchNorm"):
            return True
        for ref in flow.inputs(name):
            if not flow.carries_data(ref):
                value = flow.constant(ref)
                if value is None:
                    return False
                place = -1 if channels_last else -3
                if any(side > 1 and i != value.ndim + place for i, side in enumerate(value.shape)):
                    return False
        return True
