"""Any frozen or variable-holding graph becomes the plain graph of a trunk, checked on a random batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.trunk import fold, simplify
from tfattr.trunk import graph as g
from tfattr.trunk.inline import inline_functions

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

    Raises:
        GraphError: a tensor is not there, the cut graph cannot run, or simplifying changed the
            representation by more than 1e-4 of its largest value.
    """
    input_name, input_port = g.find_tensor(graph_def, input, "input", where)
    output_name, output_port = g.find_tensor(graph_def, output, "output", where)
    batch = _declared_batch(g.nodes_by_name(graph_def)[input_name], input_port)
    cut = g.prune(graph_def, [output_name], stop=[input_name])
    if input_name not in {node.name for node in cut.node}:
        raise GraphError(
            f"{where}: the output {output!r} is not computed from the input {input!r}; choose a pair of which "
            "the second depends on the first."
        )
    if output_port:
        cut, output_name = _own_node(cut, output_name, output_port)
    cut = simplify.set_input(cut, g.join(input_name, input_port), [None, *shape], where)
    cut = simplify.set_placeholders(cut, input_name, feed or {}, where)
    cut = inline_functions(cut, output_name, where)
    if restore is not None:
        cut = restore(cut)
    _refuse_variables(cut, where)
    cut = simplify.normalise(cut, where)

    plain = simplify.resolve_branches(cut, output_name, where)
    plain = simplify.bypass_identities(plain, output_name)
    plain = simplify.fold_constants(plain, output_name, where)
    plain = simplify.fix_shapes(plain, output_name, shape, where)
    plain = simplify.fold_constants(plain, output_name, where)
    plain = simplify.free_batch(plain, batch, shape)
    if fold_batch_norm:
        plain = fold.split_fused_batch_norm(plain)
        plain = fold.fold_affine(plain, output_name)
    plain = simplify.normalise(plain, where)

    random = np.random.default_rng(_CHECK_SEED).uniform(*bounds, size=(2, *shape)).astype(np.float32)
    before = _reference(cut, output_name, input_name, random, batch, where)
    after = [_run(plain, output_name, input_name, image, where) for image in (random[:1], random[1:])]
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
