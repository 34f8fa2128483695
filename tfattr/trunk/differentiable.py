"""Whether a gradient comes from the representation to the pixels."""

from __future__ import annotations

from tfattr.compat.internals import gradient_registry
from tfattr.errors import GraphError
from tfattr.trunk import dtypes
from tfattr.trunk import graph as g

# TensorFlow gives these a gradient that is nothing or zero.
_FLAT = ("Floor", "Ceil", "Round", "Rint", "Sign", "FloorDiv", "ZerosLike", "OnesLike", "StopGradient")


def refuse_without_gradient(graph_def: g.GraphDef, input: str, output: str, where: str) -> None:
    """Raises GraphError where no gradient reaches the input, or an operation on its way has none in TensorFlow."""
    nodes = g.nodes_by_name(graph_def)
    varying = g.dependents(g.ordered(graph_def, where), [input])
    seen, stack, ends = set(), [output], []
    while stack:
        name = stack.pop()
        if name in seen or name not in varying or name == input:
            seen.add(name)
            continue
        seen.add(name)
        node = nodes[name]
        try:
            gradient = gradient_registry.lookup(node.op)
        except LookupError:
            raise GraphError(
                f"{where}: the operation {name!r} ({node.op}) has no gradient in TensorFlow; choose an input tensor behind it "
                "or an output before it, or give the model before it was quantised."
            ) from None
        if gradient is None or node.op in _FLAT:
            ends.append(f"{name!r} ({node.op})")
            continue
        types, _ = dtypes.tensor_types(node)
        for number, ref in enumerate(node.input):
            if number >= len(types) or dtypes.is_floating(types[number][0]):
                stack.append(g.split(ref)[0])
            elif g.split(ref)[0] in varying:
                ends.append(f"{name!r} ({node.op})")
    if input not in seen:
        raise GraphError(
            f"{where}: the output {output!r} does not change smoothly with the pixels: no gradient passes "
            f"{', '.join(sorted(set(ends))[:3])}; choose an output before that."
        )
