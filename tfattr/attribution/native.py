"""Epsilon-LRP on the trunk's own graph: iNNvestigate's rule as a changed backward pass, for any operation.

With ``m = R / a`` travelling backwards in place of the relevance R of a value a, a weighted sum ``z = W a + b`` passes
``W^T (m z / (z + e sign z))`` on: its ordinary gradient, fed with a damped m. A function f of single values passes
``m f(a) / a``; what only moves values keeps its ordinary gradient; a gate gets nothing. So a few identities are put into
the graph behind sums, behind functions and before gates, whose gradients do that (which node gets which:
:mod:`tfattr.attribution.steps`). The forward pass stays bit for bit the same.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfattr.attribution import gradients, rules
from tfattr.attribution.flow import Flow, attribute
from tfattr.attribution.notices import Remembered
from tfattr.attribution.steps import Step, find_steps
from tfattr.compat.internals import gradient_registry
from tfattr.trunk import architecture
from tfattr.trunk import graph as g

if TYPE_CHECKING:
    from tfattr.attribution.finish import Finish
    from tfattr.trunk.trunk import Trunk

_FLOAT = tf.float32.as_datatype_enum
_HOMOGENEOUS = ("Relu", "LeakyRelu", "Abs")  # f(a) / a is the ordinary derivative
_TINY = 1e-20  # stands for a zero input of a function: f(0) / 0 would be infinite

_nets: Remembered[architecture.Architecture] = Remembered()

# None while an ordinary backward pass is built, else epsilon.
_epsilon: contextvars.ContextVar[float | None] = contextvars.ContextVar("tfattr_native_epsilon", default=None)


@contextlib.contextmanager
def epsilon_rule(epsilon: float) -> Iterator[None]:
    """Backward passes that are built in this block follow the epsilon rule."""
    token = _epsilon.set(epsilon)
    try:
        yield
    finally:
        _epsilon.reset(token)


# -- the changed gradients -------------------------------------------------------------------------------


def _stabilised(z: tf.Tensor, epsilon: float) -> tf.Tensor:
    return z + tf.where(z >= 0.0, tf.constant(epsilon, z.dtype), tf.constant(-epsilon, z.dtype))


def _share(z: tf.Tensor, epsilon: float) -> tf.Tensor:
    """z / (|z| + epsilon) in two passes over memory, which is what this engine's time goes into."""
    return tf.nn.softsign(z * (1.0 / epsilon))


@tf.RegisterGradient("TfattrDamped")
def _damped(op: tf.Operation, m: tf.Tensor) -> tf.Tensor:
    epsilon, z = _epsilon.get(), op.inputs[0]
    if epsilon is None:
        return m
    return m * tf.abs(_share(z, epsilon))


@tf.RegisterGradient("TfattrGate")
def _gate(op: tf.Operation, m: tf.Tensor) -> tf.Tensor | None:
    return m if _epsilon.get() is None else None


@tf.RegisterGradient("TfattrHalf")
def _half(op: tf.Operation, m: tf.Tensor) -> tf.Tensor:
    return m if _epsilon.get() is None else 0.5 * m


@tf.RegisterGradient("TfattrDampedRelu")
def _damped_relu(op: tf.Operation, m: tf.Tensor) -> tf.Tensor:
    epsilon, y = _epsilon.get(), op.outputs[0]
    if epsilon is None:
        return tf.raw_ops.ReluGrad(gradients=m, features=y)
    return m * _share(y, epsilon)  # z is y where it is positive


@tf.RegisterGradient("TfattrCurve")
def _curve(op: tf.Operation, m: tf.Tensor, _: tf.Tensor) -> list[tf.Tensor | None]:
    y, x = op.inputs
    return [m, None] if _epsilon.get() is None else [None, m * (y / _stabilised(x, _TINY))]


@tf.RegisterGradient("TfattrDampedCurve")
def _damped_curve(op: tf.Operation, m: tf.Tensor, _: tf.Tensor) -> list[tf.Tensor | None]:
    epsilon, (y, x) = _epsilon.get(), op.inputs
    return [m, None] if epsilon is None else [None, m * (y / _stabilised(x, epsilon))]


@tf.RegisterGradient("TfattrNormalise")
def _normalise(op: tf.Operation, m: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor | None]:
    """Of ``scale (x - mean) / deviation + offset`` with the deviation as it is."""
    if _epsilon.get() is None:
        return [m, None, None]
    _, x, scale = op.inputs
    first = attribute(op.node_def, "_tfattr_channels_last")
    axes = [i for i in range(x.shape.rank) if i != (x.shape.rank - 1 if first else 1)]
    shape = [1 if i in axes else -1 for i in range(x.shape.rank)]
    variance = tf.math.reduce_variance(x, axes, keepdims=True)
    m = m * tf.reshape(scale, shape) * tf.math.rsqrt(variance + attribute(op.node_def, "_tfattr_epsilon"))
    return [None, m - tf.reduce_mean(m, axes, keepdims=True), None]


@functools.cache
def _registered(rule: Callable[..., Any]) -> str:
    """The name by which TensorFlow knows the backward pass of a registered rule."""
    name = f"TfattrRule{rule.__name__}{id(rule)}"  # the cache holds the rule, hence its id stays its own

    @tf.RegisterGradient(name)
    def gradient(op: tf.Operation, m: tf.Tensor, *others: tf.Tensor) -> Any:
        if _epsilon.get() is None:
            return gradient_registry.lookup(op.type)(op, m, *others)
        return rule(op, m, _epsilon.get())

    return name


# -- the changed graph -----------------------------------------------------------------------------------


def with_rules(
    graph_def: g.GraphDef, input: str, output: str, weights: Mapping[str, np.ndarray] | None = None
) -> tuple[g.GraphDef, str]:
    """The graph with the rules written into it, and the tensor that takes the place of ``output``.

    Backward passes through it are ordinary ones, but inside :func:`epsilon_rule` give m.

    Args:
        graph_def: a plain graph, as a Trunk holds it.
        input, output: tensor names.
        weights: values of constants that the graph gives as zeros.
    """
    flow = Flow(graph_def, input, output, weights)
    return _Writer(flow, find_steps(flow)).write()


class _Writer:
    def __init__(self, flow: Flow, steps: dict[str, Step]) -> None:
        self._flow, self._steps = flow, steps
        self._result = g.GraphDef(versions=flow.graph_def.versions, library=flow.graph_def.library)
        self._instead: dict[str, str] = {}  # tensor to the one that its readers take
        self._names = set(flow.nodes)

    def write(self) -> tuple[g.GraphDef, str]:
        for node in g.ordered(self._flow.graph_def):
            copy = self._result.node.add()
            copy.CopyFrom(node)
            copy.attr.pop("_gradient_op_type", None)  # of a process that is gone (tf.custom_gradient)
            step = self._steps.get(node.name)
            refs = [g.join(*g.split(ref)) for ref in node.input]
            copy.input[:] = [self._instead.get(ref, ref) for ref in refs]
            if step is not None:
                self._write(copy, step)
        return self._result, self._instead.get(self._flow.output, self._flow.output)

    def _write(self, node: g.NodeDef, step: Step) -> None:
        name = node.name
        if step.rule is not None and step.rule.gradient is not None:
            node.attr["_gradient_op_type"].s = _registered(step.rule.gradient).encode()
        if step.rule is rules.DIFFERENCE:
            self._as_square(node)
            return
        if step.rule is rules.CURVE:
            self._curve(node, step.ports[0])
        elif step.rule is rules.NORMALISE:
            added = self._behind(name, "TfattrNormalise", [node.input[0], node.input[1]])
            added.attr["_tfattr_epsilon"].f = attribute(node, "epsilon", 1e-4)
            added.attr["_tfattr_channels_last"].b = g.is_nhwc(node)
        elif step.shared:
            self._behind(name, "TfattrHalf")
        elif step.signal is not None:
            for port in step.ports:
                if port != step.signal:
                    node.input[port] = self._identity("TfattrGate", [node.input[port]]).name
        if step.damped and not self._taken_by_curve(name):
            self._behind(name, "TfattrDamped")

    def _curve(self, node: g.NodeDef, port: int) -> None:
        damped = self._taken_by_curve(g.split(self._flow.inputs(node.name)[port])[0])
        if damped and node.op == "Relu":
            node.attr["_gradient_op_type"].s = b"TfattrDampedRelu"
        elif damped or node.op not in _HOMOGENEOUS:
            self._behind(node.name, "TfattrDampedCurve" if damped else "TfattrCurve", [node.input[port]])

    def _taken_by_curve(self, name: str) -> bool:
        """Whether a function of single values is the only reader of a damped node: it damps along."""
        step, users = self._steps.get(name), self._flow.users[name]
        if step is None or not step.damped or len(users) != 1 or name == g.split(self._flow.output)[0]:
            return False
        reader = self._steps[users[0]]
        return reader.rule is rules.CURVE and step.rule is not rules.NORMALISE

    def _as_square(self, node: g.NodeDef) -> None:
        """(a - b)^2 as a difference and the function of its values."""
        difference = self._add("Sub", list(node.input))
        damped = self._identity("TfattrDamped", [difference.name])
        node.op, node.input[:] = "Square", [damped.name]
        self._behind(node.name, "TfattrCurve", [damped.name])

    def _behind(self, name: str, gradient: str, operands: Sequence[str] = ()) -> g.NodeDef:
        """An identity that the readers of a node's first output take, and further operands for its gradient."""
        added = self._identity(gradient, [self._instead.get(name, name), *operands])
        self._instead[name] = added.name
        return added

    def _identity(self, gradient: str, operands: Sequence[str]) -> g.NodeDef:
        added = self._add("IdentityN" if len(operands) > 1 else "Identity", operands)
        added.attr["_gradient_op_type"].s = gradient.encode()
        return added

    def _add(self, op: str, operands: Sequence[str]) -> g.NodeDef:
        name = f"{g.split(operands[0])[0]}/{op}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        added = self._result.node.add(name=name, op=op, input=operands)
        if op == "IdentityN":
            added.attr["T"].list.type.extend([_FLOAT] * len(operands))
        else:
            added.attr["T"].type = _FLOAT
        return added


def backward_function(
    trunk: Trunk,
    target: str,
    epsilon: float,
    with_gradient: bool,
    xla: bool = False,
    finish: Finish | None = None,
) -> Callable[[tf.Tensor], tuple[Any, ...]]:
    """One forward and one or two backward passes of a trunk, compiled.

    Args:
        trunk: the model.
        target: ``"sum"`` seeds the backward passes with ones, ``"energy"`` with the activations.
        epsilon: of the rule.
        with_gradient: also give the ordinary gradient.
        xla: compile by XLA.
        finish: what is done with the results before they leave the device.

    Returns:
        A function of float32 ``[N, H, W, C]`` giving ``(y, m)`` or ``(y, m, gradient)``: the representation, then arrays
        of the shape of ``x``; epsilon-LRP is ``m * x``. With ``finish``: what that gives.
    """
    known = tuple(rule.gradient for rule in rules.RULES.values() if rule.gradient is not None)
    net = _nets.get(trunk, known)
    if net is None:
        own = trunk.architecture
        changed = architecture.changed(
            own, lambda graph: with_rules(graph, own.input, own.output, trunk.weights)
        )
        net = _nets.keep(trunk, known, changed)

    key = ("native", target, epsilon, with_gradient, finish)
    passes = gradients.two_chain_rules(lambda: epsilon_rule(epsilon), target, with_gradient, finish)
    return trunk.compiled(key, passes, xla=xla, net=net)
