"""Function calls and functional branches, as TF 2 writes them into graphs, become plain nodes.

Done before variables get their values: a functional branch takes variables by their handles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfattr.compat.internals import function_def_to_graph_def
from tfattr.errors import GraphError
from tfattr.safety.trust import reached
from tfattr.trunk import graph as g
from tfattr.trunk import sizes

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_BRANCHES = ("If", "StatelessIf")
_CASES = ("Case", "StatelessCase")


def inline_functions(graph_def: g.GraphDef, output: str, shape: Sequence[int], where: str) -> g.GraphDef:
    """Every call is replaced by the body of its function, every ``If`` and ``Case`` by the branch that is taken.

    ``shape`` is that of an image as fed: a branch may be chosen by it.

    Raises:
        GraphError: a branch is chosen by the data, or the output itself is a call.
    """
    g.check_sizes(graph_def, where)  # a branch on a constant is decided by running it
    functions = {function.signature.name: function for function in graph_def.library.function}
    while True:
        calls = [node for node in graph_def.node if node.op in _CALLS or node.op in functions]
        branches = [node for node in graph_def.node if node.op in _BRANCHES or node.op in _CASES]
        if not calls and not branches:
            return _without_unused_functions(graph_def)
        if output in {node.name for node in (*calls, *branches)}:
            raise GraphError(
                f"{where}: the output {output!r} is a function call; choose a tensor before or behind it."
            )
        chosen = {node.name: (_called(node), list(node.input)) for node in calls}
        if not calls:
            decided = _decided(graph_def, branches, shape, where)
            chosen = {name: (function, list(node.input[1:])) for name, (function, node) in decided.items()}
        for node, (name, _) in chosen.items():
            if name not in functions:
                raise GraphError(
                    f"{where}: node {node!r} calls the function {name!r}, which the graph does not hold."
                )
        bodies = {node: (functions[name], inputs) for node, (name, inputs) in chosen.items()}
        graph_def = g.prune(_inlined(graph_def, bodies), [output])


def inline_calls(graph_def: g.GraphDef, where: str) -> g.GraphDef:
    """Every plain call is replaced by its function's body, control edges are dropped; branches and loops stay.

    Raises:
        GraphError: a function calls itself or the whole would be too large.
    """
    functions = {function.signature.name: function for function in graph_def.library.function}
    for _ in reached(graph_def.node, graph_def.library, where):
        pass  # raises before anything is written out
    graph_def = g.prune(graph_def, [node.name for node in graph_def.node])
    while True:
        calls = [node for node in graph_def.node if node.op in _CALLS or node.op in functions]
        if not calls:
            return graph_def
        graph_def = _inlined(
            graph_def, {node.name: (functions[_called(node)], list(node.input)) for node in calls}
        )


def _without_unused_functions(graph_def: g.GraphDef) -> g.GraphDef:
    """A training graph's library also holds the gradients of its branches, which need not even import."""
    if any(attribute.HasField("func") for node in graph_def.node for attribute in node.attr.values()):
        return graph_def
    bare = g.GraphDef(versions=graph_def.versions)
    bare.node.extend(graph_def.node)
    return bare


def _inlined(graph_def: g.GraphDef, bodies: dict[str, tuple[Any, list[str]]]) -> g.GraphDef:
    """The graph with the named nodes replaced by their functions' bodies, called ``node/inner`` as TensorFlow does."""
    taken = {node.name for node in graph_def.node}
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    result.node.extend(node for node in graph_def.node if node.name not in bodies)
    results: dict[str, str] = {}
    for call, (function, inputs) in bodies.items():
        body, flat_names = function_def_to_graph_def(function)
        formal = {argument.name: actual for argument, actual in zip(function.signature.input_arg, inputs)}
        names = {node.name: g.free_name(f"{call}/{node.name}", taken) for node in body.node}

        def outer(ref: str, formal=formal, names=names) -> str:
            name, port = g.split(ref)
            return g.join(*g.split(formal[name])) if name in formal else g.join(names[name], port)

        for port, argument in enumerate(function.signature.output_arg):
            results[g.join(call, port)] = outer(flat_names[function.ret[argument.name]])
        for node in body.node:
            if node.name not in formal:
                copy = result.node.add()
                copy.CopyFrom(node)
                copy.name = names[node.name]
                copy.input[:] = [outer(ref) for ref in node.input if not ref.startswith("^")]
    return g.redirected(result, results)


def _called(call: g.NodeDef) -> str:
    return call.attr["f"].func.name if call.op in _CALLS else call.op


def _decided(
    graph_def: g.GraphDef, branches: list[g.NodeDef], shape: Sequence[int], where: str
) -> dict[str, tuple[str, g.NodeDef]]:
    """Branches that are chosen by constants or by the input's size: node name to function and node."""
    blocked = {node.name for node in branches}
    decided = {}
    for node in branches:
        needed = g.prune(graph_def, [g.split(node.input[0])[0]])
        if any(inner.name in blocked for inner in needed.node):
            continue  # behind another branch
        value = sizes.from_sizes(needed, node.input[0], shape)
        if value is None:
            raise GraphError(
                f"{where}: the branch {node.name!r} is chosen by the data; a trunk computes the same for every image: "
                "choose an output before it."
            )
        if node.op in _CASES:
            functions = node.attr["branches"].list.func
            index = int(value)
            decided[node.name] = functions[index if 0 <= index < len(functions) else -1].name, node
        else:
            decided[node.name] = node.attr["then_branch" if value else "else_branch"].func.name, node
    if not decided:
        raise GraphError(f"{where}: the branches {', '.join(sorted(blocked)[:3])} depend on each other.")
    return decided
