"""A trunk's graph apart from its weights, and functions compiled once for all trunks of one architecture.

Weights are arguments of compiled functions, so models that differ in their weights alone (the 20 Taskonomy encoders
have three graphs, the rooms two) share one trace. To add a pass over a trunk, give it a function that builds it::

    def passes(forward, x, direction):           # symbolic tensors of the graph that is being built
        y = forward(x)                           # the trunk's nodes are copied here, its weights are fed
        return y, tf.gradients(y, x, grad_ys=direction)[0]

    call = trunk.compiled(("directional",), passes, tf.TensorSpec([None, *trunk.output_shape], tf.float32))
    y, slope = call(x, direction)

``passes`` may call ``tf.gradients`` as often as it likes: K further backward passes share the one forward pass. It is
kept by the architecture and the first argument alone, hence must hold no weight of a trunk, and whatever changes what
it builds (a target, an epsilon, K) stands in that key. Under ``tf.Graph.gradient_override_map`` around ``forward(x)``
the operations get another backward pass (see :mod:`tfattr.attribution.deepexplain`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g
from tfattr.trunk.kept import Kept

Passes = Callable[..., Any]


def lift(graph_def: g.GraphDef) -> tuple[g.GraphDef, dict[str, np.ndarray]]:
    """The graph with zeros for its weights (float32 constants that are no scalars), and the weights by node name."""
    weights: dict[str, np.ndarray] = {}
    light = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum:
            array = g.value(node)
            if array.ndim:
                weights[node.name] = array
                light.node.append(_zeros(node.name, array.shape))
                continue
        light.node.add().CopyFrom(node)
    return light, weights


def lower(light: g.GraphDef, weights: Mapping[str, np.ndarray]) -> g.GraphDef:
    """The graph with its weights as constants: what :func:`lift` took apart."""
    return g.replaced(light, {name: g.constant(name, array) for name, array in weights.items()})


def _zeros(name: str, shape: Sequence[int]) -> g.NodeDef:
    node = g.make_node(name, "Const", dtype=tf.float32)
    tensor = node.attr["value"].tensor
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    tensor.float_val.append(0.0)  # one value stands for all
    return node


@dataclasses.dataclass(frozen=True, eq=False)
class Architecture:
    """A graph whose weights are fed.

    Attributes:
        graph_def: without the nodes of the weights; nodes are named by the place of their names among all, so that
            scopes do not matter.
        input, output: node names.
        input_shape: height, width and channels of the fed tensor.
        weights: names of the missing nodes and their shapes, in the order in which weights are given.
        key: sha256 of all that.
    """

    graph_def: g.GraphDef
    input: str
    output: str
    input_shape: tuple[int, int, int]
    weights: tuple[tuple[str, tuple[int, ...]], ...]
    key: str

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """The representation of ``x`` in the graph that is being built."""
        fed = {f"{name}:0": value for (name, _), value in zip(self.weights, weights)}
        inner = g.GraphDef(versions=self.graph_def.versions)
        inner.node.extend(node for node in self.graph_def.node if node.name != self.input)  # XLA knows none
        (y,) = tf.import_graph_def(inner, {f"{self.input}:0": x, **fed}, [f"{self.output}:0"])
        return y


def architecture(
    light: g.GraphDef, weights: Mapping[str, np.ndarray], input: str, output: str, shape: Sequence[int]
) -> tuple[Architecture, tuple[str, ...]]:
    """The architecture of a lifted graph, and the names of its weights in the order in which it takes them.

    ``input``, ``output``: node names; ``shape``: height, width and channels.
    """
    ops = {node.name: node.op for node in light.node}
    # TensorFlow's optimiser adds in the order of names and nodes: both stay as they are, or sums round otherwise.
    names = {name: f"n{place:06d}_{ops[name]}" for place, name in enumerate(sorted(ops))}
    bare = g.GraphDef(versions=light.versions)
    taken = []
    for node in light.node:
        if node.name in weights:
            taken.append(node.name)
            continue
        copy = bare.node.add()
        copy.CopyFrom(node)
        copy.name = names[node.name]
        copy.input[:] = [g.join(names[source], port) for source, port in map(g.split, node.input)]
    fed = tuple((names[name], tuple(weights[name].shape)) for name in taken)
    said = (bare.SerializeToString(deterministic=True), names[input], names[output], tuple(shape), fed)
    key = hashlib.sha256(repr(said).encode()).hexdigest()
    return Architecture(bare, names[input], names[output], tuple(shape), fed, key), tuple(taken)


def changed(net: Architecture, change: Callable[[g.GraphDef], tuple[g.GraphDef, str]]) -> Architecture:
    """The architecture with another graph between input and weights.

    ``change`` takes the graph with zeros for its weights, and returns such a graph and the node that takes the place of
    the output.
    """
    fed = {name for name, _ in net.weights}
    whole = g.GraphDef(versions=net.graph_def.versions)
    whole.node.extend(net.graph_def.node)
    whole.node.extend(_zeros(name, shape) for name, shape in net.weights)
    graph_def, output = change(whole)
    bare = g.GraphDef(versions=net.graph_def.versions)
    bare.node.extend(node for node in graph_def.node if node.name not in fed)
    said = (net.key, bare.SerializeToString(deterministic=True), output)
    key = hashlib.sha256(repr(said).encode()).hexdigest()
    return dataclasses.replace(net, graph_def=bare, output=output, key=key)


def visible(y: tf.Tensor) -> tf.Tensor:
    """A representation with the NaNs that its last activation takes: fused with what is before it, a Relu gives 0 for them.

    ``y``: what ``forward`` gave, in the graph that is being built.
    """
    if y.op.type not in ("Relu", "Relu6"):
        return y
    before = y.op.inputs[0]
    return tf.where(tf.math.is_nan(before), before, y)


_functions: Kept[Callable] = Kept(32)  # of the process


def compiled(
    net: Architecture,
    key: Hashable,
    passes: Passes,
    specs: Sequence[tf.TensorSpec] = (),
    xla: bool = False,
) -> Callable:
    """``passes`` over an architecture, compiled on first use and kept for the process (see ``_functions``).

    Args:
        net: the architecture.
        key: of ``passes``, unique in the process.
        passes: ``passes(forward, x, *further)`` builds a graph from ``forward(x)``, the representation, and returns
            tensors. ``x`` is float32 ``[N, H, W, C]``.
        specs: of the further arguments.
        xla: compile by XLA.

    Returns:
        A function of ``(x, *further, *weights)``. Threads may call it at the same time.
    """
    return _functions.get((net.key, key, xla), lambda: _compile(net, passes, list(specs), xla))


def _compile(net: Architecture, passes: Passes, specs: list[tf.TensorSpec], xla: bool) -> Callable:
    def built(x: tf.Tensor, *rest: tf.Tensor) -> Any:
        # Or the tape of a caller would have the weights' gradients computed beside that of x.
        further, weights = rest[: len(specs)], [tf.stop_gradient(fed) for fed in rest[len(specs) :]]
        return passes(lambda images: net(images, weights), x, *further)

    signature = [tf.TensorSpec([None, *net.input_shape], tf.float32), *specs]
    signature += [tf.TensorSpec(shape, tf.float32) for _, shape in net.weights]
    # Not a tf.function, whose concrete form takes 3 to 5 times as long to be called with hundreds of arguments.
    inner = tf.function(built, autograph=False, jit_compile=True) if xla else built
    with tf.init_scope():
        return tf.compat.v1.wrap_function(inner, signature)
