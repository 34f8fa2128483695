"""Variables become constants, their values read by name from a TF1 checkpoint (V1 or V2)."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.errors import ModelFileError
from tfattr.safety import bundle
from tfattr.trunk import graph as g
from tfattr.trunk.inline import inline_calls

_REFERENCE_VARIABLES = ("Variable", "VariableV2")  # "Variable" is the legacy op of TF 0.x graphs


def open_checkpoint(prefix: str) -> tf.train.CheckpointReader:
    """A reader of a checkpoint given by its prefix (V2) or its single file (V1).

    Names and shapes need the index alone; :func:`restore` asks for the data.

    Raises:
        ModelFileError: no such checkpoint, data without its index, or a damaged file.
    """
    prefix = _without_suffix(prefix)
    index = prefix + ".index"
    data = glob.glob(glob.escape(prefix) + ".data-*")
    if data and not os.path.exists(index):
        raise ModelFileError(
            f"{data[0]}: the data is there but its index {index} is not; put it beside the data."
        )
    if not os.path.isfile(index) and not os.path.isfile(prefix):
        raise ModelFileError(
            f"{prefix}: no checkpoint here; expected {os.path.basename(prefix)}.index with its data (V2) "
            "or one file of that name (V1)."
        )
    bundle.check_checkpoint(prefix)
    try:
        return tf.train.load_checkpoint(prefix)
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        raise ModelFileError(
            f"{prefix}: not a readable TensorFlow checkpoint ({g.reason(error)}); expected a whole V1 or V2 "
            "checkpoint: fetch or copy it again."
        ) from error


def checkpoint_files(prefix: str) -> list[str]:
    """The files that a checkpoint's values lie in, sorted: ``.index`` and data (V2) or the one file (V1)."""
    prefix = _without_suffix(prefix)
    if os.path.exists(prefix + ".index"):
        return [prefix + ".index", *sorted(glob.glob(glob.escape(prefix) + ".data-*"))]
    return [prefix]


def restore(graph_def: g.GraphDef, prefix: str) -> g.GraphDef:
    """The graph with every variable replaced by the checkpoint's tensor of the same name.

    Tensors of the checkpoint that no variable asks for (optimiser slots, moving averages, global_step,
    mean_rgb ...) are ignored.

    Raises:
        ModelFileError: a variable is missing in the file or has another shape; the one sentence lists
            names, shapes expected and shapes found.
    """
    reader = open_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    wanted = {node.name: node for node in graph_def.node if _is_variable(node)}
    missing, wrong = [], []
    for node in wanted.values():
        key, expected = _key(node), _shape(node)
        if key not in shapes:
            missing.append((key, expected))
        elif expected is not None and list(shapes[key]) != expected:
            wrong.append((key, expected, list(shapes[key])))
    if missing or wrong:
        raise ModelFileError(_mismatch(_without_suffix(prefix), missing, wrong, shapes, len(wanted)))

    bare = _without_suffix(prefix)
    if os.path.exists(bare + ".index") and not glob.glob(glob.escape(bare) + ".data-*"):
        raise ModelFileError(
            f"{bare}.index: the index is there but its data file {os.path.basename(bare)}.data-00000-of-00001 is "
            "not; put it beside the index."
        )

    def read(node: g.NodeDef) -> np.ndarray:
        try:
            return np.asarray(reader.get_tensor(_key(node)))
        except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
            raise ModelFileError(
                f"{prefix}: tensor {_key(node)!r} cannot be read ({g.reason(error)}); the data file is "
                "damaged or cut short: fetch or copy it again."
            ) from error

    return freeze(graph_def, read)


def freeze(graph_def: g.GraphDef, read: Callable[[g.NodeDef], np.ndarray]) -> g.GraphDef:
    """The graph with every variable node replaced by a constant of the value that ``read(node)`` gives.

    What reads a variable by its handle (``ReadVariableOp``, ``ResourceGather``, ``VariableShape``) works on the constant.
    """
    handles = {node.name for node in graph_def.node if node.op == "VarHandleOp"}
    for node in g.ordered(graph_def):  # a handle may be handed on
        if node.op == "Identity" and g.split(node.input[0])[0] in handles:
            handles.add(node.name)
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if _is_variable(node):
            result.node.add().CopyFrom(g.constant(node.name, read(node)))
            continue
        copy = result.node.add()
        if not node.input or g.split(node.input[0])[0] not in handles or node.op not in _BY_HANDLE:
            copy.CopyFrom(node)
            if node.name in handles:
                copy.attr["T"].type = _handle_type(node, g.nodes_by_name(graph_def))
            continue
        copy.name, copy.op = node.name, _BY_HANDLE[node.op]
        copy.input.extend(node.input)
        if node.op == "ReadVariableOp":
            copy.attr["T"].type = node.attr["dtype"].type
        elif node.op == "VariableShape":
            copy.attr["T"].type = _handle_type(node, g.nodes_by_name(graph_def))
            copy.attr["out_type"].CopyFrom(node.attr["out_type"])
        else:
            result.node.append(g.constant(f"{node.name}/axis", np.int32(node.attr["batch_dims"].i)))
            copy.input.append(f"{node.name}/axis")
            copy.attr["Tparams"].type = node.attr["dtype"].type
            copy.attr["Taxis"].type = tf.int32.as_datatype_enum
            copy.attr["Tindices"].CopyFrom(node.attr["Tindices"])
            copy.attr["batch_dims"].CopyFrom(node.attr["batch_dims"])
    return result


_BY_HANDLE = {"ReadVariableOp": "Identity", "ResourceGather": "GatherV2", "VariableShape": "Shape"}


def _handle_type(node: g.NodeDef, nodes: dict[str, g.NodeDef]) -> int:
    while node.op != "VarHandleOp":
        node = nodes[g.split(node.input[0])[0]]
    return node.attr["dtype"].type


def captured(function: Any) -> tuple[g.GraphDef, Callable[[g.GraphDef], g.GraphDef]]:
    """The graph of a concrete function of TF 2, and what puts its variables' values in.

    Variables that the function captures become ``VarHandleOp`` nodes and other captured tensors constants; tables and
    other resources stay placeholders, which matter only where the representation needs them.
    """
    graph_def = function.graph.as_graph_def()
    variables = {id(variable.handle): variable for variable in function.graph.variables}
    given = list(function.captured_inputs)
    inside = function.inputs[len(function.inputs) - len(given) :]
    values, new = {}, {}
    for tensor, placeholder in zip(given, inside):
        name = placeholder.op.name
        if id(tensor) in variables:
            variable = values[name] = variables[id(tensor)]
            new[name] = g.make_node(
                name, "VarHandleOp", dtype=variable.dtype.base_dtype, shape=variable.shape
            )
        elif tensor.dtype not in (tf.resource, tf.variant):
            new[name] = g.constant(name, np.asarray(tensor))
    graph_def = inline_calls(g.replaced(graph_def, new), function.name.decode())
    return graph_def, lambda kept: freeze(kept, lambda node: np.asarray(values[node.name]))


def _is_variable(node: g.NodeDef) -> bool:
    return node.op in _REFERENCE_VARIABLES or node.op == "VarHandleOp"


def _key(node: g.NodeDef) -> str:
    return node.attr["shared_name"].s.decode() or node.name if node.op == "VarHandleOp" else node.name


def _shape(node: g.NodeDef) -> list[int] | None:
    shape = node.attr["shape"].shape
    # The legacy op spells "shape not known" as a scalar.
    if shape.unknown_rank or (node.op == "Variable" and not shape.dim):
        return None
    sizes = [dim.size for dim in shape.dim]
    return None if any(size < 0 for size in sizes) else sizes


def _mismatch(prefix: str, missing: list, wrong: list, shapes: dict, wanted: int) -> str:
    parts = []
    if wrong:
        listed = "; ".join(f"{key}: expected {expected}, found {found}" for key, expected, found in wrong[:5])
        parts.append(
            f"{len(wrong)} variables have another shape ({listed}{'; ...' if len(wrong) > 5 else ''})"
        )
    if missing:
        listed = "; ".join(f"{key} {expected}" for key, expected in missing[:5])
        near = difflib.get_close_matches(missing[0][0], shapes, n=3, cutoff=0.3)
        found = f", nearest in the file: {', '.join(near)}" if near else ""
        parts.append(
            f"{len(missing)} of {wanted} variables are not in it ({listed}"
            f"{'; ...' if len(missing) > 5 else ''}{found})"
        )
    return (
        f"{prefix}: not a checkpoint of this network: {' and '.join(parts)}. The file holds {len(shapes)} tensors; "
        "give the checkpoint of the network that the builder makes, or another builder or scope."
    )


def _without_suffix(prefix: str) -> str:
    prefix = os.fspath(prefix)
    for suffix in (".index", ".meta"):
        if prefix.endswith(suffix):
            return prefix[: -len(suffix)]
    return prefix.rsplit(".data-", 1)[0] if ".data-" in os.path.basename(prefix) else prefix
