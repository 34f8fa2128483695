"""A frozen graph made plain: one placeholder, no branches on constants, constants computed once.

Each pass takes a GraphDef and returns a new one that computes the same representation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import dtypes, layout, sizes
from tfattr.trunk import graph as g

_SWITCH, _MERGE = ("Switch", "RefSwitch"), ("Merge", "RefMerge")
_PASS_THROUGH = ("Identity", "CheckNumerics", "PlaceholderWithDefault", "Snapshot", "EnsureShape")
_RANDOM_PREFIXES = (
    "Random",
    "StatelessRandom",
    "TruncatedNormal",
    "ParameterizedTruncatedNormal",
    "Multinomial",
)


def set_input(
    graph_def: g.GraphDef, ref: str, shape: Sequence[int], given: int, channels_first: bool, where: str
) -> g.GraphDef:
    """The fed tensor becomes a float32 placeholder of the same name and of shape ``[None, *shape]`` ([None, H, W, C]).

    Where the file's tensor is channels-first or of another type (``given``), a transposition and a cast follow it.

    Raises:
        GraphError: another output of the same node is needed too.
    """
    name, port = g.split(ref)
    others = {
        other
        for node in graph_def.node
        for other in node.input
        if g.split(other)[0] == name and g.split(other)[1] != port
    }
    if others:
        raise GraphError(
            f"{where}: the output needs {sorted(others)[0]!r} beside the input {ref!r}; "
            "choose an input tensor behind which the whole representation lies."
        )
    placeholder = g.make_node(name, "Placeholder", dtype=tf.float32, shape=tf.TensorShape([None, *shape]))
    result = g.replaced(graph_def, {name: placeholder})
    behind, added = name, []
    if channels_first:
        order = g.constant(f"{name}/to_channels_first", np.array(layout.TO_FIRST, np.int32))
        added += [order, layout.transposition(f"{name}/channels_first", behind, order.name)]
        behind = added[-1].name
    if given != tf.float32.as_datatype_enum:
        added.append(g.make_node(dtypes.as_given(name), "Cast", [behind], SrcT=tf.float32, DstT=given))
        behind = added[-1].name
    result = g.redirected(result, {g.join(name, port): behind} if behind != g.join(name, port) else {})
    result.node.extend(added)
    return result


def set_placeholders(graph_def: g.GraphDef, keep: str, feed: Mapping[str, object], where: str) -> g.GraphDef:
    """Placeholders other than the input become constants.

    ``feed`` maps their names to values. Left out, a bool is taken as False (``is_training``), a scalar
    whose name says "keep" as 1.0 (dropout's keep probability).

    Raises:
        GraphError: a placeholder has no value.
    """
    given = {g.split(name)[0]: value for name, value in feed.items()}
    new, unknown, added = {}, [], []
    for node in graph_def.node:
        if node.name == keep or node.op not in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
            continue
        if node.op == "PlaceholderWithDefault":
            if node.name in given:
                dtype = tf.as_dtype(node.attr["dtype"].type).as_numpy_dtype
                new[node.name] = g.constant(node.name, np.asarray(given[node.name], dtype))
            continue
        dtype = tf.as_dtype(node.attr["dtype"].type)
        if node.name in given:
            value = given[node.name]
        elif dtype == tf.bool:
            value = False
        elif "keep" in node.name.rsplit("/", 1)[-1].lower() and dtype.is_floating:
            value = 1.0
        else:
            unknown.append(f"{node.name}:0 ({dtype.name})")
            continue
        value = np.asarray(value, dtype.as_numpy_dtype)
        new[node.name] = g.constant(node.name, value)
        rank = _rank_with_batch(node)
        if (
            node.name in given
            and rank
            and value.ndim in (rank - 1, rank)
            and value.shape[: value.ndim - rank + 1] in ((), (1,))
        ):
            value = value.reshape((1, *value.shape[value.ndim - rank + 1 :]))
            new[node.name], extra = _for_every_image(node.name, keep, value)
            added += extra
    if unknown:
        raise GraphError(
            f"{where}: the output also depends on {', '.join(unknown[:5])}; give their values with "
            "feed={'name:0': value}, or choose an input tensor further on."
        )
    result = g.replaced(graph_def, new)
    result.node.extend(added)
    return result


def _rank_with_batch(node: g.NodeDef) -> int:
    """The rank of a placeholder that takes one value an image (its first dimension is open), else 0."""
    shape = node.attr["shape"].shape if "shape" in node.attr else None
    return len(shape.dim) if shape is not None and shape.dim and shape.dim[0].size < 0 else 0


def _for_every_image(name: str, input: str, value: np.ndarray) -> tuple[g.NodeDef, list[g.NodeDef]]:
    """A node ``name`` that repeats ``value``, of shape [1, ...], as often as there are images."""

    def node(key: str, op: str, inputs: str, **types: tf.DType) -> g.NodeDef:
        return g.make_node(f"{name}/{key}", op, [f"{name}/{one}" for one in inputs.split()], **types)

    constants = {"value": value, "rest": np.array(value.shape[1:], np.int32), "axis": np.int32(0)}
    constants.update(zero=np.array([0], np.int32), one=np.array([1], np.int32))
    added = [g.constant(f"{name}/{key}", array) for key, array in constants.items()]
    added += [
        g.make_node(f"{name}/shape", "Shape", [input], T=tf.float32, out_type=tf.int32),
        node("batch", "StridedSlice", "shape zero one one", T=tf.int32, Index=tf.int32),
        node("whole", "ConcatV2", "batch rest axis", T=tf.int32, Tidx=tf.int32),
    ]
    added[-1].attr["N"].i = 2
    repeated = node("repeated", "BroadcastTo", "value whole", T=value.dtype, Tidx=tf.int32)
    repeated.name = name
    return repeated, added


def normalise(graph_def: g.GraphDef, where: str) -> g.GraphDef:
    """The graph as the installed TensorFlow writes it: default attributes filled in, shapes checked.

    Raises:
        GraphError: the graph holds an operation that this TensorFlow does not know, or shapes clash.
    """
    bare = g.copied(graph_def)
    for node in bare.node:
        for hint in ("_output_shapes", "_class", "_gradient_op_type", "_XlaCompile"):
            node.attr.pop(hint, None)
        node.device = ""
    try:
        return g.written(bare)
    except (ValueError, tf.errors.OpError, KeyError) as error:
        raise GraphError(
            f"{where}: the graph cannot be imported with an input of this size ({g.reason(error)}); give the size "
            "that the model was made for, or an output before that operation."
        ) from error


def resolve_branches(graph_def: g.GraphDef, output: str, shape: Sequence[int], where: str) -> g.GraphDef:
    """Switch and Merge nodes whose predicate is a constant (``is_training``) or follows from the input's size are decided."""
    while True:
        order = g.ordered(graph_def, where)
        switches = [node for node in order if node.op in _SWITCH]
        if not switches:
            return graph_def
        values: dict[str, bool] = {}
        for ref in sorted({node.input[1] for node in switches}):
            needed = g.prune(graph_def, [g.split(ref)[0]])
            if any(node.op in (*_SWITCH, *_MERGE) for node in needed.node):
                continue  # decided once the branches before it are
            value = sizes.from_sizes(needed, ref, shape)
            if value is not None:
                values[ref] = bool(value)
        if not values:
            return graph_def  # chosen by the data: both branches stay
        graph_def = _decided(graph_def, order, values, output, where)


def _decided(
    graph_def: g.GraphDef,
    order: Sequence[g.NodeDef],
    values: Mapping[str, bool],
    output: str,
    where: str,
) -> g.GraphDef:
    redirect: dict[str, str] = {}
    dead: set[str] = set()  # tensors that no decided branch computes
    gone: set[str] = set()
    for node in order:
        inputs = [g.join(*g.split(ref)) for ref in node.input]
        if node.op in _SWITCH and node.input[1] in values:
            taken = int(values[node.input[1]])
            redirect[g.join(node.name, taken)] = inputs[0]
            dead.add(g.join(node.name, 1 - taken))
            if inputs[0] in dead:
                dead.add(g.join(node.name, taken))
            gone.add(node.name)
        elif node.op in _MERGE:
            live = [ref for ref in inputs if ref not in dead]
            if len(live) == 1:
                redirect[node.name] = live[0]
                gone.add(node.name)
            elif not live:
                dead.update((node.name, g.join(node.name, 1)))
        elif any(ref in dead for ref in inputs):
            dead.update(g.join(node.name, port) for port in range(8))
    if output in gone:
        raise GraphError(
            f"{where}: the output {output!r} is itself a branch; choose the tensor behind or before it."
        )
    return g.prune(g.redirected(graph_def, redirect), [output])


def bypass_identities(graph_def: g.GraphDef, output: str) -> g.GraphDef:
    """Identity and its kin are taken out; the output keeps its name."""
    redirect = {
        node.name: g.join(*g.split(node.input[0]))
        for node in graph_def.node
        if node.op in _PASS_THROUGH and node.name != output
    }
    return g.prune(g.redirected(graph_def, redirect), [output])


def fold_constants(
    graph_def: g.GraphDef, output: str, where: str, switches: Sequence[str] = ()
) -> g.GraphDef:
    """What does not depend on the input is computed once; ``switches`` are placeholders that messages name.

    Raises:
        GraphError: a random operation feeds the output (a training graph with dropout or noise), or
            the output does not depend on the input.
    """
    order = g.ordered(graph_def, where)
    random = [node.name for node in order if node.op.startswith(_RANDOM_PREFIXES)]
    if random:
        raise GraphError(
            f"{where}: the output depends on the random operation {random[0]!r} (dropout or noise of a training "
            "graph); give the inference graph, or feed= the placeholder that switches training off"
            f"{' (' + ', '.join(switches[:3]) + ')' if switches else ''}."
        )
    varying = g.dependents(order, [node.name for node in order if node.op == "Placeholder"])
    if output not in varying:
        raise GraphError(f"{where}: the output {output!r} does not depend on the input; choose another pair.")
    frontier = sorted(
        {
            g.join(*g.split(ref))
            for node in order
            if node.name in varying
            for ref in node.input
            if g.split(ref)[0] not in varying
        }
    )
    constants = {node.name for node in order if node.op == "Const"}
    computed = [ref for ref in frontier if ref not in constants]
    values = (
        g.run(g.prune(graph_def, [g.split(ref)[0] for ref in computed]), computed, {}) if computed else []
    )
    return _with_constants(graph_def, dict(zip(computed, values)), output)


def fix_shapes(graph_def: g.GraphDef, output: str, shape: Sequence[int], where: str) -> g.GraphDef:
    """Tensors that depend on the input's shape alone become constants, for the one input size of the trunk.

    They are computed for batches of 2 and 3; where the two differ only by the batch size in the target of a
    ``Reshape`` or the output size of a transposed convolution, the batch is left open there; what differs
    otherwise is left as it is.
    """
    order = g.ordered(graph_def, where)
    placeholder = next(node.name for node in order if node.op == "Placeholder")
    by_value, by_shape = sizes.by_value_and_by_size(order)
    uses = sorted(
        {
            (g.join(*g.split(ref)), node.op)
            for node in order
            if node.name in by_value
            for ref in node.input
            if g.split(ref)[0] in by_shape
        }
    )
    if not uses:
        return graph_def
    refs = sorted({ref for ref, _ in uses})
    two, three = (
        g.run(graph_def, refs, {placeholder: np.zeros((batch, *shape), np.float32)}) for batch in (2, 3)
    )
    readers = {ref: {op for used, op in uses if used == ref} for ref in refs}
    values, open_batch = {}, {}
    for ref, a, b in zip(refs, two, three):
        if a.shape == b.shape and np.array_equal(a, b):
            values[ref] = a
        elif a.shape == b.shape and readers[ref] == {"Reshape"} and (a != b).sum() == 1:
            open_batch[ref] = np.where(a != b, -1, a).astype(a.dtype)
        elif readers[ref] == {"Conv2DBackpropInput"} and a.shape == (4,) and np.array_equal(a[1:], b[1:]):
            open_batch[ref] = a[1:3]
    # Others may compute with the very size that is left open for those who take values.
    graph_def = _with_constants(graph_def, open_batch, output, by_value)
    return _with_constants(graph_def, values, output)


def free_batch(graph_def: g.GraphDef, batch: int, shape: Sequence[int]) -> g.GraphDef:
    """Constants that state the batch size of a training graph are made to fit any batch.

    A ``Reshape`` to a leading dimension of exactly ``batch`` takes -1 there instead; the output size of a
    transposed convolution is given by height and width alone.
    """
    nodes = g.nodes_by_name(graph_def)
    placeholder = next(node.name for node in graph_def.node if node.op == "Placeholder")
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        port = {"Reshape": 1, "Conv2DBackpropInput": 0}.get(node.op)
        if port is None or nodes[g.split(node.input[port])[0]].op != "Const":
            continue
        sizes = g.value(nodes[g.split(node.input[port])[0]])
        if node.op == "Conv2DBackpropInput" and sizes.size == 4 and g.is_nhwc(node):
            free = sizes[1:3]
        elif node.op == "Reshape" and batch and sizes.ndim == 1 and sizes.size and sizes[0] == batch:
            if -1 in sizes:  # the other entry that is left open has a value for this input size
                (whole,) = g.run(graph_def, [node.name], {placeholder: np.zeros((batch, *shape), np.float32)})
                sizes = np.array(whole.shape, sizes.dtype)
            free = np.concatenate([[-1], sizes[1:]]).astype(sizes.dtype)
        else:
            continue
        copy.input[port] = f"{node.name}/any_batch"
        result.node.append(g.constant(copy.input[port], free))
    return result


def _with_constants(
    graph_def: g.GraphDef, values: Mapping[str, np.ndarray], output: str, readers: set[str] | None = None
) -> g.GraphDef:
    """Tensors become constants for ``readers``, or for all."""
    if not values:
        return g.prune(graph_def, [output])
    taken = {node.name for node in graph_def.node}
    redirect, added = {}, []
    for ref, array in values.items():
        redirect[ref] = g.free_name(ref.replace(":", "_port") + "/folded", taken)
        added.append(g.constant(redirect[ref], np.asarray(array)))
    result = g.redirected(graph_def, redirect)
    if readers is not None:
        for node, given in zip(result.node, graph_def.node):
            if node.name not in readers:
                node.CopyFrom(given)
    result.node.extend(added)
    return g.prune(result, [output])
