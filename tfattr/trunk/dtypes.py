"""Everything that an image flows through becomes float32: mixed precision, float64, integer images.

The maps are gradients with respect to the fed pixels, so that nothing on the way may be rounded to whole numbers: an
integer image is fed as float32, and the cast behind it does nothing.
"""

from __future__ import annotations

import warnings

import numpy as np
import tensorflow as tf

from tfattr.compat.internals import op_def_registry
from tfattr.errors import GraphError
from tfattr.trunk import graph as g
from tfattr.trunk import sizes

_FLOAT = tf.float32.as_datatype_enum
_HALVES = {dtype.as_datatype_enum: dtype.name for dtype in (tf.float16, tf.bfloat16)}
_WIDE = {tf.float64.as_datatype_enum: "float64"}
_INTEGERS = {
    dtype.as_datatype_enum
    for dtype in (
        tf.uint8, tf.int8, tf.uint16, tf.int16, tf.int32, tf.int64, tf.uint32, tf.uint64,
    )
}  # fmt: skip
# Moves values without computing: as good on floats.
_MOVES = (
    "Identity", "IdentityN", "Reshape", "ExpandDims", "Squeeze", "Transpose", "Pad", "PadV2", "MirrorPad", "StridedSlice",
    "Slice", "Concat", "ConcatV2", "Split", "SplitV", "Pack", "Unpack", "ReverseV2", "Tile", "GatherV2", "BroadcastTo",
    "ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea", "CropAndResize", "Shape", "ShapeN", "Size",
    "Rank", "Snapshot", "PlaceholderWithDefault", "EnsureShape", "Switch", "Merge", "SpaceToDepth", "DepthToSpace",
    "StopGradient", "PreventGradient", "ZerosLike", "OnesLike",
)  # fmt: skip


def tensor_types(node: g.NodeDef) -> tuple[list[tuple[int, str | None]], list[tuple[int, str | None]]]:
    """For every input and output of a node: its type and the attribute that states it (None if the type is fixed)."""
    known = op_def_registry.get(node.op)
    if known is None:
        return [], []

    def expanded(arguments: object) -> list[tuple[int, str | None]]:
        found: list[tuple[int, str | None]] = []
        for argument in arguments:
            if argument.type_list_attr:
                found += [
                    (kind, argument.type_list_attr) for kind in node.attr[argument.type_list_attr].list.type
                ]
                continue
            count = node.attr[argument.number_attr].i if argument.number_attr else 1
            stated = argument.type_attr or None
            found += [(node.attr[stated].type if stated else argument.type, stated)] * count
        return found

    defaults = {one.name: one.default_value for one in known.attr if one.HasField("default_value")}
    for name, value in defaults.items():
        if name not in node.attr:
            node.attr[name].CopyFrom(value)
    return expanded(known.input_arg), expanded(known.output_arg)


def is_floating(kind: int) -> bool:
    """Whether a type (an entry of DataType) is a floating point or complex one."""
    return tf.as_dtype(kind).is_floating or tf.as_dtype(kind).is_complex


def output_type(node: g.NodeDef, port: int) -> int:
    """The type of one of a node's outputs; float32 where it cannot be told."""
    _, outputs = tensor_types(node)
    return outputs[port][0] if port < len(outputs) else _FLOAT


def as_given(input: str) -> str:
    """Name of the node that casts what is fed to the type of the file's input."""
    return f"{input}/as_given"


def as_float32(graph_def: g.GraphDef, input: str, given: int, where: str) -> g.GraphDef:
    """All floating point numbers that depend on the fed image, and an integer image itself, as float32.

    ``input`` is the placeholder, float32 already; ``given`` the type that the tensor had in the file.

    Raises:
        GraphError: a whole-number image is computed with before it is cast to floating point.
    """
    graph_def, found = _without_halves(graph_def)
    order = g.ordered(graph_def, where)
    varying, _ = sizes.by_value_and_by_size(order)
    floating: set[str] = set()  # tensors that were of another type in the file
    given = _FLOAT if given in _HALVES else given
    found |= {_WIDE[given]} if given in _WIDE else set()
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in order:
        copy = result.node.add()
        copy.CopyFrom(node)
        refs = [g.join(*g.split(ref)) for ref in node.input]
        if node.name == input or not (node.name in varying or floating.intersection(refs)):
            continue
        inputs, outputs = tensor_types(node)
        came = [number for number, ref in enumerate(refs) if ref in floating]
        if node.name == as_given(input) and given != _FLOAT:  # see set_input
            _become_identity(copy)
            floating.add(node.name)
            continue
        if node.op == "Cast":
            source, target = node.attr["SrcT"].type, node.attr["DstT"].type
            source = _FLOAT if came or source in _WIDE else source
            if target in _WIDE:
                found.add(_WIDE[target])
            becomes = _FLOAT if target in _WIDE else target
            if source == becomes == _FLOAT:
                _become_identity(copy)
            else:
                copy.attr["SrcT"].type, copy.attr["DstT"].type = source, becomes
            if becomes != target:
                floating.add(node.name)
            continue
        stated = {attribute for number in came for _, attribute in inputs[number : number + 1] if attribute}
        if (
            given in _INTEGERS
            and any(node.attr[name].type in _INTEGERS for name in stated)
            and node.op not in _MOVES
        ):
            raise GraphError(
                f"{where}: the input {input!r} takes whole numbers ({tf.as_dtype(given).name}), and {node.name!r} ({node.op}) "
                "computes with them before they become floating point; choose an input tensor behind it."
            )
        for name, value in node.attr.items():
            wide = {kind for kind in (value.type, *value.list.type) if kind in _WIDE}
            if wide and not name.startswith("_"):
                stated.add(name)
                found |= {_WIDE[kind] for kind in wide}
        for name in stated:
            _widen(copy.attr[name])
        for number, (kind, attribute) in enumerate(inputs[: len(refs)]):
            if (
                attribute in stated
                and kind != _FLOAT
                and refs[number] not in floating
                and kind in (*_WIDE, *_INTEGERS)
            ):
                name = f"{node.name}/input_{number}_as_float32"
                result.node.append(g.make_node(name, "Cast", [refs[number]], SrcT=kind, DstT=_FLOAT))
                copy.input[number] = name
        floating.update(
            g.join(node.name, port)
            for port, (kind, attribute) in enumerate(outputs)
            if attribute in stated and kind != _FLOAT
        )
    if found:
        warnings.warn(f"{where}: computes in {', '.join(sorted(found))}; loaded in float32.", stacklevel=2)
    return result


def _without_halves(graph_def: g.GraphDef) -> tuple[g.GraphDef, set[str]]:
    """float16 and bfloat16 as float32 everywhere, weights that are cast to them included; and which there were."""
    found: set[str] = set()
    new = {}
    for node in graph_def.node:
        kinds = {
            kind for value in node.attr.values() for kind in (value.type, *value.list.type) if kind in _HALVES
        }
        if not kinds:
            continue
        found |= {_HALVES[kind] for kind in kinds}
        if node.op == "Const":
            new[node.name] = g.constant(node.name, g.value(node).astype(np.float32))
            continue
        copy = new[node.name] = g.NodeDef()
        copy.CopyFrom(node)
        for value in copy.attr.values():
            if value.type in _HALVES:
                value.type = _FLOAT
            for number, kind in enumerate(value.list.type):
                value.list.type[number] = _FLOAT if kind in _HALVES else kind
        if node.op == "Cast" and copy.attr["SrcT"].type == copy.attr["DstT"].type:
            _become_identity(copy)
    return (g.replaced(graph_def, new) if new else graph_def), found


def _become_identity(node: g.NodeDef) -> None:
    node.op = "Identity"
    node.attr.clear()
    node.attr["T"].type = _FLOAT


def _widen(attribute: object) -> None:
    which = attribute.WhichOneof("value")
    if which == "type" and attribute.type in (*_WIDE, *_INTEGERS):
        attribute.type = _FLOAT
    elif which == "list":
        attribute.list.type[:] = [
            _FLOAT if kind in _WIDE or kind in _INTEGERS else kind for kind in attribute.list.type
        ]


def image_behind(graph_def: g.GraphDef, input: str, output: str, channels: int, where: str) -> str:
    """The first tensor behind an input of another kind (strings) that holds images as numbers.

    It has four dimensions, ``channels`` of them at the end, and all that the output takes from the input passes it.

    Raises:
        GraphError: there is none; the sentence names candidates.
    """
    order = g.ordered(acyclic(graph_def), where)
    behind = g.dependents(order, [input])
    tensors = imported_tensors(graph_def)
    candidates = [
        name
        for name in (f"{node.name}:0" for node in order if node.name in behind)
        if name in tensors
        and tensors[name].dtype in (tf.float32, tf.float16, tf.bfloat16, tf.float64, tf.uint8)
        and tensors[name].shape.rank in (4, None)
        and (tensors[name].shape.rank is None or tensors[name].shape[-1] in (None, channels))
    ]
    for name in candidates:
        node = g.split(name)[0]
        left = {one.name for one in g.prune(graph_def, [output], stop=[node]).node}
        if input not in left and node in left and tensors[name].shape.rank == 4:
            return name
    raise GraphError(
        f"{where}: the input {input!r} takes no numbers; choose the tensor in which images first are float32 [N, H, W, C]"
        f"{': perhaps ' + ', '.join(candidates[:5]) if candidates else ''}."
    )


def acyclic(graph_def: g.GraphDef) -> g.GraphDef:
    """The graph without what closes a loop: decoding many files is one."""
    result = g.copied(graph_def)
    for node in result.node:
        if node.op in ("Merge", "RefMerge"):
            node.input[:] = [ref for ref in node.input if "NextIteration" not in ref]
    return result


def imported_tensors(graph_def: g.GraphDef) -> dict[str, tf.Tensor]:
    """The tensors of an imported graph by name, with what TensorFlow infers of their types and shapes."""
    operations = g.imported(graph_def).get_operations()
    return {tensor.name: tensor for operation in operations for tensor in operation.outputs}
