"""GraphDefs as data: tensor names, pruning, ordering, running. Pure but for :func:`run` and what it remembers."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk.kept import Kept

GraphDef = tf.compat.v1.GraphDef
NodeDef = tf.compat.v1.NodeDef


def split(ref: str) -> tuple[str, int]:
    """Node name and port of a tensor name or a NodeDef input: ``"a:1"`` and ``"^a"`` (port -1) included."""
    if ref.startswith("^"):
        return ref[1:], -1
    name, _, port = ref.rpartition(":")
    if name and port.isdigit():
        return name, int(port)
    return ref, 0


def join(name: str, port: int) -> str:
    """The form that NodeDef inputs use: port 0 is left out."""
    return name if port == 0 else f"{name}:{port}"


def nodes_by_name(graph_def: GraphDef) -> dict[str, NodeDef]:
    return {node.name: node for node in graph_def.node}


def find_tensor(graph_def: GraphDef, ref: str, role: str, where: str) -> tuple[str, int]:
    """Node and port of a tensor that must be in the graph.

    Raises:
        GraphError: there is no such node; the sentence lists the nearest names.
    """
    name, port = split(ref)
    names = [node.name for node in graph_def.node]
    if name in set(names):
        return name, port
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.4)
    leaf = name.rsplit("/", 1)[-1].lower()
    near += [other for other in names if leaf and leaf in other.lower() and other not in near][
        : 5 - len(near)
    ]
    hint = f"the nearest names are {', '.join(f'{other}:0' for other in near)}" if near else "no name is near"
    raise GraphError(
        f"{where}: no tensor {ref!r} for the {role}; {hint}. `tfattr inspect` lists what the graph holds."
    )


def prune(graph_def: GraphDef, outputs: Iterable[str], stop: Iterable[str] = ()) -> GraphDef:
    """The nodes that ``outputs`` (node names) are computed from, control edges dropped.

    Nothing behind a node named in ``stop`` is kept. Inference has no use for control edges: they order
    assignments, updates of moving averages and assertions.
    """
    nodes, stop = nodes_by_name(graph_def), set(stop)
    wanted, stack = set(), list(outputs)
    while stack:
        name = stack.pop()
        if name in wanted or name not in nodes:
            continue
        wanted.add(name)
        if name not in stop:
            stack.extend(split(ref)[0] for ref in nodes[name].input if not ref.startswith("^"))
    kept = GraphDef(versions=graph_def.versions, library=graph_def.library)
    kept.node.extend(node for node in graph_def.node if node.name in wanted)
    for node in kept.node:
        node.input[:] = [ref for ref in node.input if not ref.startswith("^")]
    return kept


def ordered(graph_def: GraphDef, where: str = "graph") -> list[NodeDef]:
    """Nodes so that each stands behind its inputs.

    Raises:
        GraphError: the graph has a loop (``tf.while_loop``).
    """
    nodes = nodes_by_name(graph_def)
    order: list[NodeDef] = []
    state: dict[str, int] = {}
    for root in nodes:
        stack = [(root, False)]
        while stack:
            name, done = stack.pop()
            if done:
                state[name] = 2
                order.append(nodes[name])
                continue
            if state.get(name):
                continue
            state[name] = 1
            stack.append((name, True))
            for ref in nodes[name].input:
                source = split(ref)[0]
                if source not in nodes:
                    raise GraphError(f"{where}: node {name!r} takes {ref!r}, which the graph does not hold.")
                if state.get(source) == 1:
                    raise GraphError(
                        f"{where}: the graph loops through {source!r} (tf.while_loop); "
                        "a trunk is a graph without loops: choose an output before it."
                    )
                if not state.get(source):
                    stack.append((source, False))
    return order


def dependents(order: Sequence[NodeDef], roots: Iterable[str]) -> set[str]:
    """Names of the nodes that are computed from one of ``roots`` (those included)."""
    found = set(roots)
    for node in order:
        if any(split(ref)[0] in found for ref in node.input):
            found.add(node.name)
    return found


def consumers(graph_def: GraphDef) -> dict[str, list[str]]:
    """Node name to the names of the nodes that take any of its outputs."""
    found: dict[str, list[str]] = {node.name: [] for node in graph_def.node}
    for node in graph_def.node:
        for ref in node.input:
            found[split(ref)[0]].append(node.name)
    return found


def is_nhwc(node: NodeDef) -> bool:
    """Whether a node works on channels-last data (the default where it does not say)."""
    # Looking an attribute up in a protobuf map creates it, hence the test.
    return "data_format" not in node.attr or node.attr["data_format"].s in (b"", b"NHWC")


def make_node(
    name: str, op: str, inputs: Iterable[str] = (), **attributes: tf.DType | tf.TensorShape | bytes
) -> NodeDef:
    """A node; its attributes are types, shapes or bytes."""
    node = NodeDef(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        if isinstance(value, tf.TensorShape):
            node.attr[key].shape.CopyFrom(value.as_proto())
        elif isinstance(value, bytes):
            node.attr[key].s = value
        else:
            node.attr[key].type = tf.as_dtype(value).as_datatype_enum
    return node


def constant(name: str, value: np.ndarray) -> NodeDef:
    """A Const node."""
    node = make_node(name, "Const", dtype=value.dtype)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def value(node: NodeDef) -> np.ndarray:
    """What a Const node holds."""
    return tf.make_ndarray(node.attr["value"].tensor)


def free_name(name: str, taken: set[str]) -> str:
    """``name``, or with the first number that is not in ``taken``; it is from then on."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def copied(graph_def: GraphDef) -> GraphDef:
    """A copy."""
    result = GraphDef()
    result.CopyFrom(graph_def)
    return result


def imported(graph_def: GraphDef) -> tf.Graph:
    """A new TensorFlow graph of it."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    return graph


def replaced(graph_def: GraphDef, new: Mapping[str, NodeDef]) -> GraphDef:
    """A copy in which the nodes named in ``new`` are those given."""
    result = GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        result.node.add().CopyFrom(new.get(node.name, node))
    return result


def redirected(graph_def: GraphDef, new: Mapping[str, str]) -> GraphDef:
    """A copy in which whoever took the tensor ``old`` takes ``new[old]`` (both as :func:`join` spells)."""

    def final(ref: str) -> str:
        first, steps = ref, 0
        while ref in new:
            ref, steps = new[ref], steps + 1
            if steps > len(new):
                raise GraphError(f"the graph loops through {first!r}; a trunk is a graph without loops.")
        return ref

    result = copied(graph_def)
    for node in result.node:
        node.input[:] = [final(join(*split(ref))) for ref in node.input]
    return result


LARGEST = 1 << 28  # values of one tensor, for one image: 1 GiB of float32; the originals stay below 2**25


def check_sizes(graph_def: GraphDef, where: str) -> None:
    """Constants hold what they state, and none states more than fits a protocol buffer.

    A few bytes can state a constant of any size, all of one value.

    Raises:
        GraphError: a constant states a size that is negative, too large, or not that of its content.
    """
    for node in graph_def.node:
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        sides = [dimension.size for dimension in tensor.tensor_shape.dim]
        count = math.prod(sides)
        try:
            dtype = tf.as_dtype(tensor.dtype)
        except TypeError:
            dtype = None
        content = len(tensor.tensor_content)
        if (
            tensor.tensor_shape.unknown_rank
            or any(side < 0 for side in sides)
            or count > 2 * LARGEST
            or dtype is None
            or (content and content != count * dtype.size)
        ):
            raise GraphError(
                f"{where}: the constant {node.name!r} states the shape {sides} and holds {content} bytes; the file is "
                "damaged: fetch or freeze it again."
            )


def check_shapes(graph: tf.Graph) -> tf.Graph:
    """The graph, no tensor of which is known to have more than ``LARGEST`` values for one image.

    Raises:
        GraphError: one is.
    """
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            count = (
                math.prod(1 if side is None else side for side in tensor.shape)
                if tensor.shape.rank is not None
                else 0
            )
            if count > LARGEST:
                raise GraphError(
                    f"the tensor {tensor.name!r} would have the shape {tensor.shape}, {count:,} values; expected at most "
                    f"{LARGEST:,} for one image: feed smaller images, or choose an output before it."
                )
    return graph


LARGE = 16 << 20  # bytes: the fully connected layers of VGG and FCN, no convolution of the other originals


def lift_large(graph_def: GraphDef, weights: bool = False) -> tuple[GraphDef, dict[str, np.ndarray]]:
    """The graph with constants of more than ``LARGE`` bytes as placeholders, and their values by node name.

    TensorFlow keeps a dozen copies of what is written into a graph; what is fed to it is kept once. ``weights``: float32
    constants that are no scalars are lifted whatever their size, which leaves the same graph of all models of a kind.
    """
    large = {
        node.name: value(node)
        for node in graph_def.node
        if node.op == "Const"
        and (
            node.attr["value"].tensor.ByteSize() > LARGE
            or (
                weights
                and node.attr["dtype"].type == tf.float32.as_datatype_enum
                and node.attr["value"].tensor.tensor_shape.dim
            )
        )
    }
    if not large:
        return graph_def, {}
    placeholders = {
        name: make_node(name, "Placeholder", dtype=array.dtype, shape=tf.TensorShape(array.shape))
        for name, array in large.items()
    }
    return replaced(graph_def, placeholders), large


# By graphs without weights: of one architecture, while it is loaded, about ten.
_sessions: Kept[tf.compat.v1.Session] = Kept(24)
_written: Kept[GraphDef] = Kept(24)


def run(graph_def: GraphDef, tensors: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Values of ``tensors``, computed on the CPU. Graphs that differ in their weights alone share a session."""
    light, large = lift_large(graph_def, weights=True)
    fed = {_port(ref): array for ref, array in {**large, **feeds}.items()}
    session = _sessions.get(
        _digest(light), lambda: _session(light)
    )  # closed when the last that uses it lets it go
    return session.run([_port(ref) for ref in tensors], fed)


def _session(light: GraphDef) -> tf.compat.v1.Session:
    return tf.compat.v1.Session(graph=check_shapes(imported(light)), config=unoptimised())


def written(graph_def: GraphDef) -> GraphDef:
    """The graph as the installed TensorFlow writes it, its shapes checked; what it raises are TensorFlow's errors."""
    light, large = lift_large(graph_def, weights=True)
    found = _written.get(_digest(light), lambda: check_shapes(imported(light)).as_graph_def())
    return replaced(found, {name: constant(name, array) for name, array in large.items()})


def forget() -> None:
    """Drops what :func:`run` and :func:`written` remember."""
    _sessions.clear()
    _written.clear()


def _digest(light: GraphDef) -> bytes:
    return hashlib.sha256(light.SerializeToString(deterministic=True)).digest()


def unoptimised() -> tf.compat.v1.ConfigProto:
    """Of a session: a graph that runs a few times is not worth optimising, nor a card's memory and its arithmetic (TF32)."""
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    return config


def _port(ref: str) -> str:
    name, port = split(ref)
    return f"{name}:{port}"


def reason(error: BaseException) -> str:
    """The one line of a TensorFlow error that says what went wrong, without its stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line, following in zip(lines, lines[1:]):
        if following.startswith("[[{{node"):
            return line[:240]
    said = [
        line for line in lines if not re.match(r"Graph execution error|Detected at node|Node:|File ", line)
    ]
    return (said or lines or [type(error).__name__])[0][:240]
