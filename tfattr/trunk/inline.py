"""Function calls and functional branches, as TF 2 writes them into v1 graphs, become plain nodes.

Done before variables get their values: a functional branch takes variables by their handles.
"""

from __future__ import annotations

# A function's body as a GraphDef; TensorFlow has no public name for it.
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

from tfattr.errors import GraphError
from tfattr.trunk import graph as g

_CALLS = {"PartitionedCall": "f", "StatefulPartitionedCall": "f"}
_BRANCHES = ("If", "StatelessIf")


def inline_functions(graph_def: g.GraphDef, output: str, where: str) -> g.GraphDef:
    """Every call is replaced by the body of its function, every ``If`` by the branch that is taken.

    Raises:
        GraphError: a branch is chosen by the data, or the output itself is a call.
    """
    g.check_sizes(graph_def, where)  # a branch on a constant is decided by running it
    while True:
        calls = [node for node in graph_def.node if node.op in _CALLS or node.op in _BRANCHES]
        if not calls:
            return _without_unused_functions(graph_def)
        if output in {node.name for node in calls}:
            raise GraphError(
                f"{where}: the output {output!r} is a function call; choose a tensor before or behind it."
            )
        for node in calls:
            graph_def = _inlined(graph_def, node, where)
        graph_def = g.prune(graph_def, [output])


def _without_unused_functions(graph_def: g.GraphDef) -> g.GraphDef:
    """A training graph's library also holds the gradients of its branches, which need not even import."""
    if any(attribute.HasField("func") for node in graph_def.node for attribute in node.attr.values()):
        return graph_def
    bare = g.GraphDef(versions=graph_def.versions)
    bare.node.extend(graph_def.node)
    return bare


def _inlined(graph_def: g.GraphDef, call: g.NodeDef, where: str) -> g.GraphDef:
    # Calls may feed calls: the node is looked up anew, since earlier inlining has redirected its inputs.
    call = g.nodes_by_name(graph_def)[call.name]
    function, arguments = _function(graph_def, call, where), list(call.input)
    if call.op in _BRANCHES:
        arguments = arguments[1:]
    body, flat_names = function_def_to_graph_def(function)
    formal = {argument.name: actual for argument, actual in zip(function.signature.input_arg, arguments)}

    def outer(ref: str) -> str:
        name, port = g.split(ref)
        return (
            g.join(*g.split(formal[name])) if name in formal else g.join(f"{call.name}/inlined/{name}", port)
        )

    results = {
        g.join(call.name, port): outer(flat_names[function.ret[result.name]])
        for port, result in enumerate(function.signature.output_arg)
    }
    merged = g.redirected(graph_def, results)
    kept = g.GraphDef(versions=merged.versions, library=merged.library)
    kept.node.extend(node for node in merged.node if node.name != call.name)
    for node in body.node:
        if node.name in formal:
            continue
        copy = kept.node.add()
        copy.CopyFrom(node)
        copy.name = f"{call.name}/inlined/{node.name}"
        del copy.input[:]
        copy.input.extend(outer(ref) for ref in node.input if not ref.startswith("^"))
    return kept


def _function(graph_def: g.GraphDef, call: g.NodeDef, where: str):
    if call.op in _CALLS:
        name = call.attr[_CALLS[call.op]].func.name
    else:
        name = call.attr["then_branch" if _predicate(graph_def, call, where) else "else_branch"].func.name
    for function in graph_def.library.function:
        if function.signature.name == name:
            return function
    raise GraphError(
        f"{where}: node {call.name!r} calls the function {name!r}, which the graph does not hold."
    )


def _predicate(graph_def: g.GraphDef, call: g.NodeDef, where: str) -> bool:
    ref = call.input[0]
    needed = g.prune(graph_def, [g.split(ref)[0]])
    if any(node.op == "Placeholder" or node.op in _CALLS or node.op in _BRANCHES for node in needed.node):
        raise GraphError(
            f"{where}: the branch {call.name!r} is chosen by the data; a trunk computes the same for every image: "
            "choose an output before it."
        )
    (value,) = g.run(needed, [ref], {})
    return bool(value)
