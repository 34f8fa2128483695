"""The trunk is the graph as given: its gradients are those of the original's own graph and session, bit for bit.

For every family the network is built with variables in a TF1 session, as its authors ran it, and ``tf.gradients`` is
taken there. Epsilon-LRP is compared with the authors' chain rule, put into a second copy of that graph.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfattr.attribution import AttributionSettings, attribute, attributions
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.assemble import assemble
from tfattr.trunk.freeze import freeze
from tfattr.zoo import families, family

tf1 = tf.compat.v1
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EPSILON = 1e-4
LIGHT = ("mobilenet_v1", "rooms_encoder")  # whose further ways to the same gradient are taken too
SMALL = {
    name: {"depth_multiplier": 0.125}
    for name, known in families().items()
    if "depth_multiplier" in known.options
}
SIDE = {
    **dict.fromkeys(("inception_v3", "inception_resnet_v2"), 75),
    "nazeri": 128,  # smaller ones leave one position, which its instance norm makes constant
    **dict.fromkeys(("vgg_16", "vgg_19"), 224),  # their first dense layer takes no other
}


@tf.RegisterGradient("TfattrTestsDeepExplain")
def _deepexplain(op, grad):
    """DeepExplain's EpsilonLRP.nonlinearity_grad_override, as its authors wrote it."""
    output, input = op.outputs[0], op.inputs[0]
    sign = tf.where(input >= 0, tf.ones_like(input), -1 * tf.ones_like(input))
    return grad * output / (input + EPSILON * sign)


def lively(shape: list[int], name: str, random: np.random.Generator) -> np.ndarray:
    """Weights that keep signals alive through a hundred layers, batch norm statistics that are not 0 and 1."""
    leaf = name.rsplit("/", 1)[-1]
    if leaf in ("moving_variance", "gamma"):
        return random.uniform(0.5, 1.5, shape)
    if len(shape) < 2:
        return random.normal(0.0, 0.2, shape)
    fan_in = np.prod(shape[:2] if leaf == "depthwise_weights" else shape[:-1])
    return random.normal(0.0, 1.4 / np.sqrt(fan_in), shape)


@pytest.mark.parametrize("name", families())
def test_maps_are_those_of_the_originals_own_session(name, tmp_path):
    known, random = family(name), np.random.default_rng(5)
    side = SIDE.get(name, 64)
    channels = Preprocessing((side, side), known.color).channels
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, side, side, channels], name="images")
        y = known.build(x, **SMALL.get(name, {}))[1][known.output]
        (slope,) = tf.gradients(y, x)
        variables = tf1.global_variables()
        with graph.gradient_override_map(
            dict.fromkeys(("Relu", "Elu", "Sigmoid", "Tanh", "Softplus"), "TfattrTestsDeepExplain")
        ):
            needed = tf1.graph_util.extract_sub_graph(graph.as_graph_def(), [y.op.name])
            (twin,) = tf.import_graph_def(needed, {x.name: x}, [y.name], name="changed")
        (multiplier,) = tf.gradients(twin, x)
        values = {v.initializer.inputs[1]: lively(v.shape.as_list(), v.op.name, random) for v in variables}
        session.run([v.initializer for v in variables], values)
        images = random.uniform(-1, 1, (2, side, side, channels)).astype(np.float32)
        expected, changed = session.run((slope * x, multiplier * x), {x: images})
        frozen = {v.op.name: value.astype(np.float32) for v, value in zip(variables, values.values())}
    shape = (side, side, channels)
    plain = assemble(
        graph.as_graph_def(),
        x.name,
        y.name,
        shape,
        (-1.0, 1.0),
        name,
        restore=lambda graph_def: freeze(graph_def, lambda node: frozen[node.name]),
    )
    assert plain.deviation <= 1e-6
    trunk = Trunk(name, plain, Preprocessing(shape[:2], known.color, "[-1,1]"), {})
    maps = attributions(trunk, images, AttributionSettings(("grad_input", "elrp"), engine="deepexplain"))
    assert np.abs(expected).max() > 0
    np.testing.assert_array_equal(maps["grad_input"], expected)
    assert np.abs(maps["elrp"] - changed).max() <= 2e-6 * np.abs(changed).max()
    if name in LIGHT:
        np.testing.assert_array_equal(attribute(trunk, images, "grad_input"), expected)
        tape = trunk_slopes(trunk, images)
        np.testing.assert_array_equal(tape * images, expected)


def trunk_slopes(trunk: Trunk, images: np.ndarray) -> np.ndarray:
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = trunk.function(x)
    return tape.gradient(y, x).numpy()
