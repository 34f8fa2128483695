"""Any frozen or variable-holding graph becomes the inference graph of a trunk, checked on a random batch."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfattr.errors import GraphError
from tfattr.safety.trust import refuse_kept
from tfattr.trunk import differentiable, dropout, dtypes, finite, fold, layout, simplify
from tfattr.trunk import graph as g
from tfattr.trunk.architecture import lift, lower
from tfattr.trunk.inline import inline_functions

# Largest differences, of the representation's largest value. Simplifying computes the same numbers by the same
# operations; folding rounds every kernel once more, in a net of a hundred layers up to 1e-5; the kernels of a batch
# sum in another order than those of one image.
TOLERANCE, FOLDED, BATCHED = 1e-6, 1e-4, 1e-4
_CHECK_SEED = 20190925


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """A checked inference graph.

    Attributes:
        light: constants and one float32 placeholder ``[None, H, W, C]``; zeros stand for the weights.
        weights: their values by node name (see :func:`tfattr.trunk.architecture.lift`).
        input: tensor name of the placeholder.
        output: tensor name of the representation.
        deviation: largest difference from the graph as given, relative to the largest value.
        batch_dependent: images influence each other in a batch (statistics of the batch), so each goes alone.
        output_shape: shape of the representation without the batch.
    """

    light: g.GraphDef
    weights: Mapping[str, np.ndarray]
    input: str
    output: str
    deviation: float
    batch_dependent: bool
    output_shape: tuple[int, ...]

    @property
    def graph_def(self) -> g.GraphDef:
        """The graph with its weights as constants, a new copy."""
        return lower(self.light, self.weights)


def assemble(
    graph_def: g.GraphDef,
    input: str,
    output: str,
    shape: tuple[int, int, int],
    bounds: tuple[float, float],
    where: str,
    feed: Mapping[str, object] | None = None,
    restore: Callable[[g.GraphDef], g.GraphDef] | None = None,
    fold_batch_norm: bool = False,
    trust: bool = False,
    channels_first: bool = False,
) -> InferenceGraph:
    """Cut ``graph_def`` between ``input`` and ``output``, freeze, simplify, and check.

    Args:
        graph_def: the graph of the file.
        input: tensor that is fed, e.g. ``"fifo_queue_DequeueMany:0"``.
        output: tensor of the representation.
        shape: height, width and channels of the fed tensor.
        bounds: smallest and largest value of a pixel as fed; the check draws from this range.
        where: the model file, for messages.
        feed: values of further placeholders.
        restore: puts values in place of variables (see :func:`tfattr.trunk.freeze.restore`).
        fold_batch_norm: batch norm given by constants goes into the convolutions. Gradients then differ from the
            model's own by up to 7 % of the peak where rounding flips a ReLU or a maximum.
        trust: operations that read and write files or run code are let through.
        channels_first: the model itself takes ``[N, C, H, W]``; it is fed ``[N, H, W, C]`` all the same.

    Raises:
        GraphError: a tensor is not there, the cut graph cannot run, its representation is not finite, or
            simplifying changed it by more than 1e-6 of its largest value (folding: 1e-4), on the CPU.
        ModelFileError: the cut graph reaches out (see :mod:`tfattr.safety.trust`) and ``trust`` is not given.
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

    inference = simplify.resolve_branches(cut, output_name, shape, where)
    inference = simplify.bypass_identities(inference, output_name)
    inference = dropout.settle_masks(inference, output_name, where)
    switches = [f"{node.name}:0" for node in cut.node if node.op == "PlaceholderWithDefault"]
    inference = simplify.fold_constants(inference, output_name, where, switches)
    inference = dropout.without_ones(inference, output_name)
    inference = layout.channels_last(inference, output_name)  # before anything of it is run
    inference = simplify.fix_shapes(inference, output_name, shape, where)
    inference = simplify.fold_constants(inference, output_name, where)
    inference = simplify.free_batch(inference, batch, shape)
    inference = simplify.normalise(inference, where)
    differentiable.refuse_without_gradient(inference, input_name, output_name, where)

    random = _random_images(bounds, shape)
    # A channels-first pooling that once ran on the CPU makes later poolings of the process wrong (oneDNN, TF 2.14).
    cut = layout.channels_last(cut, output_name)
    alone = _in_batches(inference, output_name, input_name, random, 0, where)
    before = _in_batches(cut, output_name, input_name, random, batch, where)
    after = alone if batch < 2 else _in_batches(inference, output_name, input_name, random, batch, where)
    _refuse_non_finite(inference, input_name, random, before, where)
    advice = "Choose an output before the operation that overflows."
    deviation = _deviation(before, after, TOLERANCE, f"{where}: simplifying the graph", advice)
    light, weights = lift(inference)
    found = InferenceGraph(
        light=light,
        weights=weights,
        input=f"{input_name}:0",
        output=f"{output_name}:0",
        deviation=deviation,
        batch_dependent=not _independent(inference, output_name, input_name, random, alone, where),
        output_shape=tuple(alone[0].shape[1:]),
    )
    return folded(found, shape, bounds, where) if fold_batch_norm else found


def folded(
    inference: InferenceGraph, shape: tuple[int, int, int], bounds: tuple[float, float], where: str
) -> InferenceGraph:
    """The graph with batch norm on constants in the kernels before it; see :func:`assemble` for the arguments.

    Raises:
        GraphError: that changed the representation by more than 1e-4 of its largest value, on the CPU.
    """
    given, input, output = inference.graph_def, g.split(inference.input)[0], g.split(inference.output)[0]
    made = simplify.normalise(fold.folded(given, output), where)
    random = _random_images(bounds, shape)
    before, after = (_in_batches(graph, output, input, random, 0, where) for graph in (given, made))
    deviation = _deviation(
        before, after, FOLDED, f"{where}: folding batch norm", "Leave fold_batch_norm out."
    )
    light, weights = lift(made)
    return dataclasses.replace(
        inference, light=light, weights=weights, deviation=max(deviation, inference.deviation)
    )


def _random_images(bounds: tuple[float, float], shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(_CHECK_SEED).uniform(*bounds, size=(2, *shape)).astype(np.float32)


def _deviation(
    before: list[np.ndarray], after: list[np.ndarray], most: float, what: str, advice: str
) -> float:
    found = max(relative_difference(a, b) for a, b in zip(after, before))
    if not found <= most:
        raise GraphError(
            f"{what} changes the representation by {found:.1e} of its largest value; expected at most {most:.0e}. {advice}"
        )
    return found


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


def check_inference_graph(
    inference: InferenceGraph, shape: tuple[int, int, int], where: str, trust: bool
) -> None:
    """A saved inference graph is still one: constants and one placeholder that give what they gave.

    Raises:
        GraphError, ModelFileError: it is not, or reaches out and ``trust`` is not given.
    """
    graph_def = inference.graph_def
    refuse_kept(graph_def, where, trust)
    g.ordered(graph_def, where)
    g.check_sizes(graph_def, where)
    input, _ = g.find_tensor(graph_def, inference.input, "input", where)
    g.find_tensor(graph_def, inference.output, "output", where)
    fed = [node for node in graph_def.node if node.op.startswith("Placeholder")]
    if [node.name for node in fed] != [input] or graph_def.library.function:
        raise GraphError(
            f"{where}: the graph has {len(fed)} placeholders and {len(graph_def.library.function)} functions; "
            "expected one and none, as Trunk.save writes them."
        )
    found = _run(
        simplify.normalise(graph_def, where),
        g.split(inference.output)[0],
        input,
        np.full((1, *shape), 0.5, np.float32),
        where,
    )
    if tuple(found.shape[1:]) != tuple(inference.output_shape):
        raise GraphError(
            f"{where}: the graph gives a representation of shape {list(found.shape[1:])}; expected "
            f"{list(inference.output_shape)}, as it was saved."
        )


def _refuse_non_finite(
    inference: g.GraphDef, input: str, images: np.ndarray, representations: list[np.ndarray], where: str
) -> None:
    for image, representation in zip(images, representations):
        if np.isfinite(representation).all():
            continue
        count = int((~np.isfinite(representation)).sum())
        first = finite.in_graph(inference, input, image[None])
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


def _in_batches(
    graph_def: g.GraphDef, output: str, input: str, images: np.ndarray, batch: int, where: str
) -> list[np.ndarray]:
    """Each image's representation by the graph in batches of the size that it insists on (0: one alone)."""
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
    return together.shape[0] == 2 and relative_difference(together, np.concatenate(alone)) < BATCHED


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
    result, own = g.copied(graph_def), f"{name}/port_{port}"
    result.node.append(g.make_node(own, "Identity", [g.join(name, port)], T=tf.float32))
    return result, own


def _refuse_variables(graph_def: g.GraphDef, where: str) -> None:
    left = [node.name for node in graph_def.node if node.op in ("Variable", "VariableV2", "VarHandleOp")]
    if left:
        raise GraphError(
            f"{where}: the graph is not frozen: {len(left)} variables ({', '.join(left[:3])}...) have no values; "
            "give the checkpoint beside it (source meta_graph) or a frozen graph."
        )
