"""Graph nodes that work element by element: sums, scalings, activations, products."""

from __future__ import annotations

import numpy as np

from tfattr.attribution.flow import attribute
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.plan import Draft
from tfattr.attribution.keras_graph.step import (
    Step,
    as_graph_op,
    float_constant,
    require_nhwc,
    unsupported,
)

ACTIVATIONS = ("Relu", "Relu6", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Softmax")


def affine(view: GraphView, node, data: str, kernel=None, bias=None) -> Step:
    """data * kernel + bias with constants that broadcast to the data's own shape."""
    shape = view.shape(data)
    weights = []
    for value in (np.float32(1) if kernel is None else kernel, bias):
        if value is None:
            continue
        value = np.asarray(value, np.float32)
        while value.ndim and value.shape[0] == 1 and value.ndim > 1:
            value = value[0]
        if np.broadcast_shapes(value.shape, shape) != shape:
            raise unsupported(node, f"a constant of shape {value.shape} widens data of shape {shape}")
        weights.append(value)
    return Step([data], [Draft("affine", {"use_bias": bias is not None}, weights)])


def _split(view: GraphView, name: str) -> tuple[list[str], int | None]:
    """A binary node's inputs, and the position of the constant one (None if both carry data)."""
    inputs = view.inputs(name)
    fixed = [i for i, tensor in enumerate(inputs) if not view.carries_data(tensor)]
    return inputs, fixed[0] if fixed else None


def add(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    if node.op == "BiasAdd":
        require_nhwc(node)
    inputs, fixed = _split(view, name)
    if fixed is None:
        return Step(inputs, [Draft("add")])
    return affine(view, node, inputs[1 - fixed], bias=float_constant(view, node, inputs[fixed]))


def add_n(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    data = view.data_inputs(name)
    fixed = [t for t in view.inputs(name) if not view.carries_data(t)]
    step = Step(data, [Draft("add")] if len(data) > 1 else [])
    if fixed:
        bias = sum(float_constant(view, node, t) for t in fixed)
        step.layers += affine(view, node, data[0], bias=bias).layers
    return step


def subtract(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    inputs, fixed = _split(view, name)
    if fixed is None:
        return Step(inputs, [Draft("subtract")])
    constant = float_constant(view, node, inputs[fixed])
    if fixed == 1:
        return affine(view, node, inputs[0], bias=-constant)
    return affine(view, node, inputs[1], kernel=np.float32(-1), bias=constant)


def negative(view: GraphView, name: str) -> Step:
    return affine(view, view.nodes[name], view.inputs(name)[0], kernel=np.float32(-1))


def squared_difference(view: GraphView, name: str) -> Step:
    step = subtract(view, name)
    return Step(step.inputs, [*step.layers, Draft("square")])


def multiply(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    inputs, fixed = _split(view, name)
    if fixed is not None:
        return affine(view, node, inputs[1 - fixed], kernel=float_constant(view, node, inputs[fixed]))
    if inputs[0] == inputs[1]:
        return Step(inputs[:1], [Draft("square")])
    return _gate(inputs, view.steps[name].signal, divide=False)


def divide(view: GraphView, name: str) -> Step:
    node = view.nodes[name]
    inputs, fixed = _split(view, name)
    if fixed == 0:
        raise unsupported(node, "a constant divided by data")
    if fixed == 1:
        return affine(view, node, inputs[0], kernel=1 / float_constant(view, node, inputs[1]))
    return _gate(inputs, 0, divide=True)


def _gate(inputs: list[str], signal: int | None, divide: bool) -> Step:
    ordered = inputs[::-1] if signal == 1 else inputs
    return Step(ordered, [Draft("gate", {"divide": divide, "ambiguous": signal is None})])


def batch_matmul(view: GraphView, name: str) -> Step:
    """A product of two data matrices, as in attention: linear in the values, weighted by the other factor."""
    if len(view.data_inputs(name)) == 1:
        if not view.steps[name].damped:
            raise unsupported(view.nodes[name], "its bias would be a layer of its own")
        return as_graph_op(view, name, "linear")
    signal = view.steps[name].signal
    step = as_graph_op(view, name, "mix")
    step.layers[0].config["ambiguous"] = signal is None
    if signal == 1:
        step.inputs.reverse()
        step.layers[0].config["inputs"].reverse()
    return step


def activation(view: GraphView, name: str) -> Step:
    return Step(view.inputs(name), [Draft("activation", {"function": view.nodes[name].op.lower()})])


def leaky_relu(view: GraphView, name: str) -> Step:
    alpha = attribute(view.nodes[name], "alpha", 0.2)
    return Step(view.inputs(name), [Draft("slopes", {}, [np.float32(1), np.float32(alpha)])])


def curve(view: GraphView, name: str) -> Step:
    """Any other function of single elements (square root, power, clipping against a constant)."""
    node = view.nodes[name]
    if len(view.data_inputs(name)) != 1:
        return Step(view.inputs(name), [Draft("select", {"op": node.op})])
    step = as_graph_op(view, name, "elementwise")
    if view.shape(name) != view.shape(step.inputs[0]):
        raise unsupported(node, "its constant changes the data's shape")
    return step
