"""What a graph from a file may do: compute. It may not touch files, run Python, talk to others, or wait.

Which operations TensorFlow has, and which of them are stateful, is read from TensorFlow itself: an operation with
state is refused unless it is on the short list of those that only compute, so that one that nobody thought of is
refused as well.
"""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Iterable, Iterator

from tfattr.compat.internals import op_def_registry, parse_saved_model
from tfattr.errors import GraphError, ModelFileError
from tfattr.safety.bundle import check_checkpoint
from tfattr.trunk import graph as g

_ADVICE = "it is refused; if you trust whoever made the file, load it with trust=True (--trust on the command line)."

# Reads or writes files, runs code, or talks to other processes: by name, whether TensorFlow says "stateful" or not.
_REACHES_OUT = re.compile(
    r"""
    ReadFile | WriteFile | MatchingFiles | .*PyFunc.* | .*Reader(V2)? | Reader.* | .*Dataset.* | Experimental.*
    | (?!Restored)(Save|Restore)(V2|Slice|Slices)? | DistributedSave | DTensorRestoreV2 | MergeV2Checkpoints
    | InitializeTableFromTextFile(V2)? | LoadAndRemapMatrix | GenerateVocabRemapping | RecordInput | ImportEvent
    | Write.*Summary | .*Summary(File|Db)?Writer | StatsAggregator.*
    | FileSystemSetConfiguration | (Serialize|Initialize|Create)TRTResource.* | TRTEngineOp | GetCalibrationDataOp
    | Debug.* | Copy | CopyHost | Rpc.* | RemoteCall | TryRpc | DataService.* | Collective.* | _?Nccl.*
    | _?(Host)?(Send|Recv) | _?Xla(Send|Recv|Host).* | .*CustomCall.* | XlaCallModule | .*TPU.* | BigQuery.* | Bigtable.*
    | WorkerHeartbeat | FixedUnigramCandidateSampler
    """,
    re.VERBOSE,
)
# A branch of loading a SavedModel needs these; in a trunk they are refused like the others.
_LOADING = re.compile(r"Restore(V2|Slice)?|InitializeTableFromTextFile(V2)?|MakeIterator")
# Waits until another part of a program, which a trunk has not, puts something in. Trust does not help.
_WAITS = re.compile(
    r".*Dequeue.*|Queue.*|.*Queue(V2)?|.*Iterator.*|Barrier.*|(Ordered)?Map.*(Stage|Peek)|.*Unstage.*|Stage(Peek|Size)?|"
    r".*Infeed.*|.*Outfeed.*|MutexLock|.*Accumulator.*|.*Accum"
)
_LOOPS = ("While", "StatelessWhile", "_While", "RiscWhile", "XlaWhile", "For", "MapDefun", "SymbolicGradient")
# Stateful as TensorFlow has it, yet without effect outside the graph.
_COMPUTES = re.compile(
    r"""
    Variable(V2)? | VarHandleOp | Assign(Add|Sub)?VariableOp | RngReadAndSkip | _?ReadVariables?Op | VariableShape | VarIsInitializedOp | ResourceGather(Nd)?
    | .*Random.* | TruncatedNormal | ParameterizedTruncatedNormal | Multinomial | Stateful(Uniform|Standard|Truncated).*
    | CheckNumerics(V2)? | GuaranteeConst | Print | Assert | _?If | Case | StatefulPartitionedCall | Empty | DeepCopy
    | TensorArray.* | Stack.* | (Destroy)?TemporaryVariable | CudnnRNN.* | _Arg | _Retval | DummySeedGenerator
    | IsTensorFloat32Enabled | GraphDefVersion
    """,
    re.VERBOSE,
)
_MOST_NODES = 1_000_000  # after every call is replaced by its function's body; Inception-ResNet-v2 has 10,000


def refuse_kept(graph_def: g.GraphDef, where: str, trust: bool) -> None:
    """The kept part of a graph, functions that it calls included, only computes.

    Raises:
        ModelFileError: it reaches out and ``trust`` is not given.
        GraphError: it waits for what a trunk has not, loops, or calls itself.
    """
    for node in reached(graph_def.node, graph_def.library, where):
        if node.op in _LOOPS:
            raise GraphError(
                f"{where}: the operation {node.name!r} ({node.op}) is a loop or a map; a trunk is a graph without "
                "loops: choose an output before it."
            )
        if _WAITS.fullmatch(node.op):
            raise GraphError(
                f"{where}: the output depends on {node.name!r} ({node.op}), which waits for an input pipeline; choose an "
                "input tensor behind it."
            )
        if not trust and (_reaches_out(node) or (_stateful(node.op) and not _COMPUTES.fullmatch(node.op))):
            raise _refusal(node, where)


def check_saved_model(path: str, trusted: bool) -> None:
    """The variables of a SavedModel are whole, and what loading it runs only computes.

    Raises:
        ModelFileError: they are not, or it reaches out and ``trusted`` is not given.
        OSError: there is no SavedModel.
    """
    saved_model = parse_saved_model(path)
    variables = os.path.join(path, "variables", "variables")
    if os.path.exists(variables + ".index"):
        check_checkpoint(variables)
    if not trusted:
        refuse_at_load(saved_model, path)


def refuse_at_load(saved_model: object, where: str) -> None:
    """What TensorFlow runs while it loads a SavedModel does not reach out.

    That is: functions that make and fill tables and other resources, custom restore functions and, in the format
    of TF 1, the restore operation, the initial operations and whatever a collection names.

    Raises:
        ModelFileError: it does.
    """
    for meta_graph in saved_model.meta_graphs:
        graph_def, objects = meta_graph.graph_def, meta_graph.object_graph_def
        functions = {function.signature.name: function for function in graph_def.library.function}
        roots = {name for name in _loading_functions(objects) if name in functions}
        nodes = [node for name in sorted(roots) for node in functions[name].node_def]
        nodes += _ancestors(graph_def, _loading_nodes(meta_graph))
        for node in reached(nodes, graph_def.library, where):
            if _reaches_out(node) and not _LOADING.fullmatch(node.op):
                raise _refusal(node, where)


def reached(nodes: Iterable[g.NodeDef], library: object, where: str) -> Iterator[g.NodeDef]:
    """The nodes and those of every function that they call, directly or not, each function once.

    Raises:
        GraphError: a function calls itself, or the calls written out would be more than a million nodes.
    """
    nodes = list(nodes)
    functions = {function.signature.name: function for function in library.function}
    calls = {name: _called(function.node_def, functions) for name, function in functions.items()}
    written: dict[str, int] = {}
    stack = [(name, False) for name in _called(nodes, functions)]
    open_: set[str] = set()
    while stack:
        name, done = stack.pop()
        if done:
            open_.discard(name)
            written[name] = len(functions[name].node_def) + sum(
                count * written[callee] for callee, count in calls[name].items()
            )
            continue
        if name in written or name in open_:
            continue
        open_.add(name)
        stack.append((name, True))
        for callee in calls[name]:
            if callee in open_:
                raise GraphError(
                    f"{where}: the function {callee!r} of the graph calls itself; a trunk is a graph without loops."
                )
            if callee not in written:
                stack.append((callee, False))
    total = len(nodes) + sum(count * written[name] for name, count in _called(nodes, functions).items())
    if total > _MOST_NODES:
        raise GraphError(
            f"{where}: the graph with its function calls written out has {total:,} nodes, more than the "
            f"{_MOST_NODES:,} allowed; the file is damaged or made to do harm."
        )
    yield from nodes
    for name in written:
        yield from functions[name].node_def


def _called(nodes: Iterable[g.NodeDef], functions: dict[str, object]) -> collections.Counter[str]:
    """Names of the functions that the nodes call, by attribute or as operation, and how often."""
    names: collections.Counter[str] = collections.Counter()
    for node in nodes:
        if node.op in functions:
            names[node.op] += 1
        for attribute in node.attr.values():
            kind = attribute.WhichOneof("value")
            held = [attribute.func] if kind == "func" else attribute.list.func if kind == "list" else ()
            names.update(called.name for called in held if called.name in functions)
    return names


def _reaches_out(node: g.NodeDef) -> bool:
    if node.op == "PrintV2":
        stream = node.attr["output_stream"].s if "output_stream" in node.attr else b"stderr"
        return stream not in (b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)")
    return _REACHES_OUT.fullmatch(node.op) is not None


def _stateful(op: str) -> bool:
    known = op_def_registry.get(op)
    return known is not None and known.is_stateful and op != "PrintV2"


def _refusal(node: g.NodeDef, where: str) -> ModelFileError:
    return ModelFileError(
        f"{where}: the operation {node.name!r} ({node.op}) of the graph can read or write files, run code or keep a "
        f"state beside the model; {_ADVICE}"
    )


_RUN_AT_LOAD = ("_create_resource", "_initialize", "_destroy_resource")


def _loading_functions(objects: object) -> set[str]:
    """Names of the concrete functions that loading the object graph runs."""
    ids: set[int] = set()
    for node in objects.nodes:
        ids.update(child.node_id for child in node.children if child.local_name in _RUN_AT_LOAD)
        for saveable in node.saveable_objects.values():
            ids.add(saveable.restore_function)
    names: set[str] = set()
    for at in ids:
        if 0 <= at < len(objects.nodes):
            node = objects.nodes[at]
            names.update(node.function.concrete_functions)
            names.add(node.bare_concrete_function.concrete_function_name)
    return names


def _loading_nodes(meta_graph: object) -> set[str]:
    """Names of the nodes of the main graph that loading the format of TF 1 runs."""
    if len(meta_graph.object_graph_def.nodes):
        return set()
    refs = {meta_graph.saver_def.restore_op_name}
    for collection in meta_graph.collection_def.values():
        refs.update(collection.node_list.value)
    for key, signature in meta_graph.signature_def.items():
        if key.startswith("__saved_model"):
            refs.update(output.name for output in signature.outputs.values())
    return {g.split(ref)[0] for ref in refs if ref}


def _ancestors(graph_def: g.GraphDef, names: Iterable[str]) -> list[g.NodeDef]:
    """Nodes that running the named ones runs, control edges included."""
    nodes = g.nodes_by_name(graph_def)
    found: dict[str, g.NodeDef] = {}
    stack = list(names)
    while stack:
        name = stack.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            stack.extend(g.split(ref)[0] for ref in nodes[name].input)
    return list(found.values())
