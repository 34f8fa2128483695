"""Any frozen or variable-holding graph becomes the plain graph of a trunk, checked on a random batch."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import differentiable, dropout, dtypes, finite, fold, layout, simplify
from tfattr.trunk import graph as g
from tfattr.trunk.inline import inline_functions
from tfattr.trunk.trust import refuse_kept

TOLERANCE = 1e-4  # of the representation's largest value, float32
_CHECK_SEED = 20190925


@dataclasses.dataclass(frozen=True)
class Plain:
    """A checked inference graph.

    Attributes:
        graph_def: constants and one float32 placeholder ``[None, H, W, C]``.
        input: tensor name of the placeholder.
        output: tensor name of the representation.
        deviation: largest difference from the graph as given, relative to the largest value.
        single: images influence each other in a batch (statistics of the batch), so each goes alone.
        output_shape: shape of the representation without the batch.
    """

    graph_def: g.GraphDef
    input: str
    output: str
    deviation: float
    single: bool
    output_shape: tuple[int, ...]


def assemble(
    graph_def: g.GraphDef,
    input: str,
    output: str,
    shape: tuple[int, int, int],
    bounds: tuple[float, float],
    where: str,
    feed: Mapping[str, object] | None = None,
    restore: Callable[[g.GraphDef], g.GraphDef] | None = None,
    fold_batch_norm: bool = True,
    trust: bool = False,
    channels_first: bool = False,
) -> Plain:
    """Cut ``graph_def`` between ``input`` and ``output``, freeze, simplify, fold, and check.

    Args:
        graph_def: the graph of the file.
        input: tensor that is fed, e.g. ``"fifo_queue_DequeueMany:0"``.
        output: tensor of the representation.
        shape: height, width and channels of the fed tensor.
        bounds: smallest and largest value of a pixel as fed; the check draws from this range.
        where: the model file, for messages.
        feed: values of further placeholders.
        restore: puts values in place of variables (see :func:`tfattr.trunk.freeze.restore`).
        fold_batch_norm: batch norm given by constants goes into the convolutions.
        trust: operations that read and write files or run code are let through.
        channels_first: the model itself takes ``[N, C, H, W]``; it is fed ``[N, H, W, C]`` all the same.

    Raises:
        GraphError: a tensor is not there, the cut graph cannot run, its representation is not finite, or
            simplifying changed it by more than 1e-4 of its largest value.
        ModelFileError: the cut graph reaches out (see :mod:`tfattr.trunk.trust`) and ``trust`` is not given.
    """
    g.find_tensor(graph_def, input, "input", where)
    output_name, output_port = g.find_tensor(graph_def, output, "output", where)
    input = _numbers_at(graph_def, input, output_name, shape[2], where)
    input_name, input_port = g.split(input)
    fed = g.nodes_by_name(graph_def)[input_name]
    batch, given = _declared_batch(fed, input_port), dtypes.output_type(fed, input_port)
    _refuse_channels_first(fed, input, shape, channels_first, where)
    cut = g.prune(graph_def, [output_name], stop=[input_name])
    if input_name not in {node.name for node in cut.node}:
        raise GraphError(
            f"{where}: the output {output!r} is not computed from the input {input!r}; choose a pair of which "
            "the second depends on the first."
        )
    if output_port:
        cut, output_name = _own_node(cut, output_name, output_port)
    cut = simplify.set_input(cut, g.join(input_name, input_port), shape, given, channels_first, where)
    cut = simplify.set_placeholders(cut, input_name, feed or {}, where)
    refuse_kept(cut, where, trust)
    g.ordered(cut, where)  # loops and missing inputs are said before anything is done with them
    cut = inline_functions(cut, output_name, shape, where)
    if restore is not None:
        cut = restore(cut)
    _refuse_variables(cut, where)
    g.check_sizes(cut, where)
    cut = dtypes.as_float32(cut, input_name, given, where)
    cut = simplify.normalise(cut, where)

    plain = simplify.resolve_branches(cut, output_name, shape, where)
    plain = simplify.bypass_identities(plain, output_name)
    plain = dropout.settle_masks(plain, output_name, where)
    switches = [f"{node.name}:0" for node in cut.node if node.op == "PlaceholderWithDefault"]
    plain = simplify.fold_constants(plain, output_name, where, switches)
    plain = dropout.without_ones(plain, output_name)
    plain = simplify.fix_shapes(plain, output_name, shape, where)
    plain = simplify.fold_constants(plain, output_name, where)
    plain = simplify.free_batch(plain, batch, shape)
    plain = layout.channels_last(plain, output_name)
    if fold_batch_norm:
        plain = fold.split_fused_batch_norm(plain)
        plain = fold.fold_affine(plain, output_name)
    plain = simplify.normalise(plain, where)
    differentiable.refuse_without_gradient(plain, input_name, output_name, where)

    random = np.random.default_rng(_CHECK_SEED).uniform(*bounds, size=(2, *shape)).astype(np.float32)
    # Channels-first pooling is wrong on CPUs (it gives other values from one run to the next).
    cut = layout.channels_last(cut, output_name)
    before = _reference(cut, output_name, input_name, random, batch, where)
    after = [_run(plain, output_name, input_name, image, where) for image in (random[:1], random[1:])]
    _refuse_non_finite(plain, input_name, random, before, where)
    deviation = max(relative_difference(a, b) for a, b in zip(after, before))
    if not deviation < TOLERANCE:
        raise GraphError(
            f"{where}: simplifying the graph changes the representation by {deviation:.1e} of its largest value; "
            f"expected less than {TOLERANCE:.0e}. Try fold_batch_norm=False, or an output before the operation "
            "that overflows."
        )
    return Plain(
        graph_def=plain,
        input=f"{input_name}:0",
        output=f"{output_name}:0",
        deviation=deviation,
        single=not _independent(plain, output_name, input_name, random, after, where),
        output_shape=tuple(after[0].shape[1:]),
    )


def _numbers_at(graph_def: g.GraphDef, input: str, output: str, channels: int, where: str) -> str:
    """The tensor to feed: the one named or, where that takes no numbers (an encoded image), the first behind it that does."""
    name, port = g.find_tensor(graph_def, input, "input", where)
    given = tf.as_dtype(dtypes.output_type(g.nodes_by_name(graph_def)[name], port))
    if given != tf.string:
        return g.join(name, port)
    found = dtypes.image_behind(graph_def, name, output, channels, where)
    warnings.warn(
        f"{where}: {input!r} takes {given.name}; images are fed to {found!r} behind it.", stacklevel=2
    )
    return found


def _refuse_channels_first(
    node: g.NodeDef, input: str, shape: tuple[int, int, int], channels_first: bool, where: str
) -> None:
    """A placeholder whose shape says the other layout is named as such."""
    sizes = [dimension.size for dimension in node.attr["shape"].shape.dim] if "shape" in node.attr else []
    here, there = (1, 3) if channels_first else (3, 1)
    if len(sizes) == 4 and sizes[here] not in (-1, shape[2]) and sizes[there] == shape[2]:
        stated = ", ".join("N" if size < 0 else str(size) for size in sizes)
        raise GraphError(
            f"{where}: the input {input!r} has the shape [{stated}]; its channels stand "
            f"{'last' if channels_first else 'first'}: give layout = {'NHWC' if channels_first else 'NCHW'!r}."
        )


def check_plain(plain: Plain, shape: tuple[int, int, int], where: str, trust: bool) -> None:
    """A graph that was saved as plain is plain: constants and one placeholder that give what they gave.

    Raises:
        GraphError, ModelFileError: it is not, or reaches out and ``trust`` is not given.
    """
    refuse_kept(plain.graph_def, where, trust)
    g.ordered(plain.graph_def, where)
    g.check_sizes(plain.graph_def, where)
    input, _ = g.find_tensor(plain.graph_def, plain.input, "input", where)
    g.find_tensor(plain.graph_def, plain.output, "output", where)
    fed = [node for node in plain.graph_def.node if node.op.startswith("Placeholder")]
    if [node.name for node in fed] != [input] or plain.graph_def.library.function:
        raise GraphError(
            f"{where}: the graph has {len(fed)} placeholders and {len(plain.graph_def.library.function)} functions; "
            "expected one and none, as Trunk.save writes them."
        )
    found = _run(
        simplify.normalise(plain.graph_def, where),
        g.split(plain.output)[0],
        input,
        np.full((1, *shape), 0.5, np.float32),
        where,
    )
    if tuple(found.shape[1:]) != tuple(plain.output_shape):
        raise GraphError(
            f"{where}: the graph gives a representation of shape {list(found.shape[1:])}; expected "
            f"{list(plain.output_shape)}, as it was saved."
        )


def _refuse_non_finite(
    plain: g.GraphDef, input: str, images: np.ndarray, representations: list[np.ndarray], where: str
) -> None:
    for image, representation in zip(images, representations):
        if np.isfinite(representation).all():
            continue
        count = int((~np.isfinite(representation)).sum())
        first = finite.in_graph(plain, input, image[None])
        raise GraphError(
            f"{where}: {count} of the {representation.size} values of the representation are not finite on random "
            f"pixels; the first tensor that is not: {first or 'none, once batch norm is folded'}. The weights are damaged "
            "or overflow float32: fetch them again, or choose an output before it."
        )


def relative_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest absolute difference over the largest absolute value of ``b`` (NaN if either holds one)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    peak = np.abs(b).max(initial=0.0)
    return float(np.abs(a - b).max(initial=0.0) / (peak if peak > 0 else 1.0))


def _run(graph_def: g.GraphDef, output: str, input: str, x: np.ndarray, where: str) -> np.ndarray:
    try:
        (found,) = g.run(graph_def, [output], {input: x})
    except (tf.errors.OpError, ValueError) as error:
        raise GraphError(
            f"{where}: the graph cannot run on a batch of shape {list(x.shape)} ({g.reason(error)}); "
            "give the size and colour that the model was made for."
        ) from error
    if not isinstance(found, np.ndarray) or not np.issubdtype(found.dtype, np.floating) or found.ndim < 2:
        raise GraphError(
            f"{where}: the output {output!r} is no representation of a batch: found {_described(found)}; expected "
            "floating point values of shape [N, ...]."
        )
    return found


def _reference(
    graph_def: g.GraphDef, output: str, input: str, images: np.ndarray, batch: int, where: str
) -> list[np.ndarray]:
    """Each image's representation by the graph as given, which may insist on its own batch size."""
    if batch < 2:
        return [_run(graph_def, output, input, image[None], where) for image in images]
    if batch * images[0].size > g.LARGEST:
        raise GraphError(
            f"{where}: the input tensor states a batch of {batch} images, which no machine holds; the file is damaged: "
            "choose an input tensor behind it, or fetch the file again."
        )
    filled = np.resize(images, (batch, *images.shape[1:]))
    return list(_run(graph_def, output, input, filled, where)[: len(images), None])


def _described(found: object) -> str:
    return (
        f"{found.dtype} of shape {list(found.shape)}" if isinstance(found, np.ndarray) else repr(found)[:40]
    )


def _independent(
    graph_def: g.GraphDef, output: str, input: str, batch: np.ndarray, alone: list[np.ndarray], where: str
) -> bool:
    try:
        together = _run(graph_def, output, input, batch, where)
    except GraphError:
        return False
    return together.shape[0] == 2 and relative_difference(together, np.concatenate(alone)) < TOLERANCE


def _declared_batch(node: g.NodeDef, port: int) -> int:
    """The batch size that a training graph's input tensor states, or 0."""
    for key in ("_output_shapes", "output_shapes"):
        shapes = node.attr[key].list.shape if key in node.attr else ()
        if len(shapes) > port and shapes[port].dim:
            return max(shapes[port].dim[0].size, 0)
    if "shape" in node.attr and node.attr["shape"].shape.dim:
        return max(node.attr["shape"].shape.dim[0].size, 0)
    return 0


def _own_node(graph_def: g.GraphDef, name: str, port: int) -> tuple[g.GraphDef, str]:
    """An Identity that gives the output, a later port of some node, a name of its own."""
    result = g.GraphDef()
    result.CopyFrom(graph_def)
    own = f"{name}/port_{port}"
    node = result.node.add(name=own, op="Identity", input=[g.join(name, port)])
    node.attr["T"].type = tf.float32.as_datatype_enum
    return result, own


def _refuse_variables(graph_def: g.GraphDef, where: str) -> None:
    left = [node.name for node in graph_def.node if node.op in ("Variable", "VariableV2", "VarHandleOp")]
    if left:
        raise GraphError(
            f"{where}: the graph is not frozen: {len(left)} variables ({', '.join(left[:3])}...) have no values; "
            "give the checkpoint beside it (source meta_graph) or a frozen graph."
        )
