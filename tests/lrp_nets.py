"""Small nets for the tests of the iNNvestigate engine, as frozen graphs and as float64 functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

Function = Callable[[tf.Tensor], tf.Tensor]


def weights(seed: int, *shape: int, scale: float | None = None) -> np.ndarray:
    """Normal float32 values, by default scaled to keep the variance of what they multiply."""
    fan_in = max(int(np.prod(shape[:-1])), 1)
    scale = 1.0 / np.sqrt(fan_in) if scale is None else scale
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def const(value: np.ndarray, like: tf.Tensor) -> tf.Tensor:
    return tf.constant(value, like.dtype)


def conv(seed: int, cin: int, cout: int, size: int = 3, bias: float = 0.1, **options) -> Function:
    kernel, shift = weights(seed, size, size, cin, cout), weights(seed + 1, cout, scale=bias)
    options = {"strides": 1, "padding": "SAME", **options}

    def apply(x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.conv2d(x, const(kernel, x), **options)
        return y + const(shift, x) if bias else y

    return apply


def dense(seed: int, cin: int, cout: int, bias: float = 0.1) -> Function:
    kernel, shift = weights(seed, cin, cout), weights(seed + 1, cout, scale=bias)

    def apply(x: tf.Tensor) -> tf.Tensor:
        y = tf.linalg.matmul(x, const(kernel, x))
        return y + const(shift, x) if bias else y

    return apply


def flatten(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])


def chain(*functions: Function) -> Function:
    def apply(x: tf.Tensor) -> tf.Tensor:
        for function in functions:
            x = function(x)
        return x

    return apply


def freeze(function: Function, shape: Sequence[int]) -> tuple[tf.compat.v1.GraphDef, str, str]:
    """A float32 GraphDef of ``function`` on images of ``shape``: graph, input, output."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, *shape], name="x")
        y = tf.identity(function(x), name="y")
        return graph.as_graph_def(), x.name, y.name


def images(n: int, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(np.float32)


def evaluate(graph_def, input: str, output: str, x: np.ndarray) -> np.ndarray:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        return session.run(output, {input: x})


CHANGED = ("Relu", "Elu", "Sigmoid", "Tanh", "Softplus")


def gradient(
    graph_def, input: str, output: str, x: np.ndarray, seed: str = "ones", eps=None, changed=CHANGED
):
    """d sum(y) / dx, or with ``seed="units"`` d (sum(y^2) / 2) / dx.

    With ``eps`` the authors' changed chain rule: each operation in ``changed`` has the slope
    output / (input + eps * sign(input)).
    """
    plainly = (
        tf.compat.v1.ConfigProto()
    )  # optimising a graph with large constants takes longer than running it
    plainly.graph_options.rewrite_options.disable_meta_optimizer = True
    plainly.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(config=plainly) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        fed, y = graph.get_tensor_by_name(input), graph.get_tensor_by_name(output)
        if eps is not None:
            y = _with_constant_slopes(graph, fed, changed, eps)[y.ref()]
        (g,) = tf.gradients(y, fed, grad_ys=tf.ones_like(y) if seed == "ones" else tf.stop_gradient(y))
        return session.run(g, {fed: x})


def _with_constant_slopes(graph: tf.Graph, fed: tf.Tensor, changed: Sequence[str], eps: float) -> dict:
    """A second copy of the graph in which f(a) is a * (f(a) / (a +- eps)), the quotient a constant."""
    twin = {fed.ref(): fed}
    for op in graph.get_operations():
        if not op.inputs:
            twin.update((tensor.ref(), tensor) for tensor in op.outputs)
            continue
        sources = [twin[tensor.ref()] for tensor in op.inputs]
        if op.type in changed:
            a, b = op.inputs[0], op.outputs[0]
            slope = tf.stop_gradient(b / (a + tf.where(a >= 0, tf.constant(eps), tf.constant(-eps))))
            outputs = [sources[0] * slope]
        else:
            attributes = op.node_def.attr
            outputs = graph.create_op(
                op.type, sources, [t.dtype for t in op.outputs], attrs=dict(attributes)
            ).outputs
        twin.update((old.ref(), new) for old, new in zip(op.outputs, outputs))
    return twin


def native(graph_def, input: str, output: str, x: np.ndarray, epsilon: float = 1e-4, target: str = "sum"):
    """Epsilon-LRP by the engine native, on a graph of its own."""
    from tfattr.attribution.native import epsilon_rule, with_rules

    changed, instead = with_rules(graph_def, input, output)
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(changed, name="")
        fed, y = graph.get_tensor_by_name(input), graph.get_tensor_by_name(f"{instead}:0")
        with epsilon_rule(epsilon):
            (m,) = tf.gradients(y, fed, y if target == "energy" else tf.ones_like(y))
        return session.run(m * fed, {fed: x})


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each image's two maps."""
    a, b = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (a, b))
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def family_graph(name: str, size: tuple[int, int], seed: int = 0, **options):
    """A zoo family's graph with random weights and batch norm statistics, frozen: graph, input, output."""
    from tfattr.zoo import family

    model, random = family(name), np.random.default_rng(seed)
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, *size, 3], name="images")
        y = model.build(x, **options)[1][model.output]
        feeds = {}
        for variable in tf.compat.v1.global_variables():
            shape, leaf = variable.shape.as_list(), variable.op.name.rsplit("/", 1)[-1]
            if leaf in ("moving_variance", "gamma"):
                value = random.uniform(0.5, 1.5, shape)
            elif len(shape) < 2:
                value = random.normal(0.0, 0.2, shape)
            else:
                fan_in = np.prod(shape[:2] if leaf == "depthwise_weights" else shape[:-1])
                value = random.normal(0.0, 1.4 / np.sqrt(fan_in), shape)
            feeds[variable.initializer.inputs[1]] = value.astype(np.float32)
        session.run([v.initializer for v in tf.compat.v1.global_variables()], feeds)
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [y.op.name]
        )
    return frozen, x.name, y.name
