"""The trunk is the graph as given: its gradients are those of the original's own graph and session, bit for bit.

For every family the network is built with variables in a TF1 session, as its authors ran it, and ``tf.gradients`` is
taken there. Epsilon-LRP is compared with the authors' chain rule, put into a second copy of that graph.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from zoo import fake

from tfattr.attribution import AttributionSettings, attribute, attributions, deepexplain
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk import graph as g
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
# TensorFlow's graph optimiser fuses and rearranges these by names and shapes, which moves the original's own gradient
# (inpainting: by 5e-5 of the peak) or its epsilon-LRP, where a unit is near zero; compared with the optimiser off.
REARRANGED = ("inpainting", "fcrn", "tinyface")
SIDE = {
    **dict.fromkeys(("inception_v3", "inception_resnet_v2"), 75),
    "nazeri": 256,  # smaller ones leave one position, which its instance norm makes constant
    **dict.fromkeys(("vgg_16", "vgg_19"), 224),  # their first dense layer takes no other
}


@tf.RegisterGradient("TfattrTestsDeepExplain")
def _deepexplain(op, grad):
    """DeepExplain's EpsilonLRP.nonlinearity_grad_override, as its authors wrote it."""
    output, input = op.outputs[0], op.inputs[0]
    sign = tf.where(input >= 0, tf.ones_like(input), -1 * tf.ones_like(input))
    return grad * output / (input + EPSILON * sign)


# One of each builder; the deeper of the same blocks with --exhaustive.
DEEPER = ("resnet_v1_101", "resnet_v1_152", "vgg_19")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.exhaustive] if name in DEEPER else []) for name in families()],
)
def test_maps_are_those_of_the_originals_own_session(name, tmp_path):
    known, random = family(name), np.random.default_rng(5)
    side = SIDE.get(name, 64)
    channels = Preprocessing((side, side), known.color).channels
    config = g.unoptimised() if name in REARRANGED else None
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph, config=config) as session:
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
        frozen = fake.values({v.op.name: v.shape.as_list() for v in variables})
        values = {v.initializer.inputs[1]: frozen[v.op.name] for v in variables}
        session.run([v.initializer for v in variables], values)
        images = random.uniform(-1, 1, (2, side, side, channels)).astype(np.float32)
        expected, changed = session.run((slope * x, multiplier * x), {x: images})
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
    if name in REARRANGED:
        maps = unoptimised_maps(trunk, images)
    else:
        settings = AttributionSettings(("grad_input", "elrp"), engine="deepexplain")
        maps = attributions(trunk, images, settings)
    assert np.abs(expected).max() > 0
    np.testing.assert_array_equal(maps["grad_input"], expected)
    assert np.abs(maps["elrp"] - changed).max() <= 2e-6 * np.abs(changed).max()
    if name in LIGHT:
        np.testing.assert_array_equal(attribute(trunk, images, "grad_input"), expected)
        tape = trunk_slopes(trunk, images)
        np.testing.assert_array_equal(tape * images, expected)


def unoptimised_maps(trunk: Trunk, images: np.ndarray) -> dict[str, np.ndarray]:
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [None, *trunk.input_shape])
        y = deepexplain.changed(
            lambda fed: tf.import_graph_def(trunk.graph_def, {trunk.input: fed}, [trunk.output])[0], x
        )
        (slope,) = tf.gradients(y, x)
        with deepexplain.epsilon_rule(EPSILON):
            (multiplier,) = tf.gradients(y, x)
        with tf1.Session(config=g.unoptimised()) as session:
            found = session.run((slope * x, multiplier * x), {x: images})
    return dict(zip(("grad_input", "elrp"), found))


def trunk_slopes(trunk: Trunk, images: np.ndarray) -> np.ndarray:
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = trunk.function(x)
    return tape.gradient(y, x).numpy()
