"""The real MobileNet weights, written back into a genuine slim checkpoint, load by name and classify."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from found import some

from tfattr.probe import read_photo
from tfattr.trunk import Preprocessing, Trunk
from tfattr.zoo import family

tf1 = tf.compat.v1
pytestmark = pytest.mark.slow
NETS = {
    "mobilenet_v1_1.0_224": (1.0, 224),
    "mobilenet_v1_0.25_224": (0.25, 224),
    "mobilenet_v1_0.25_128": (0.25, 128),
}
# What the photographs show, seen with our own eyes.
PHOTOS = {"000000000285.jpg": "brown bear", "000000000471.jpg": "school bus", "000000000785.jpg": "ski"}


def slim_checkpoint(frozen: str, folder: str, version: int = tf1.train.SaverDef.V2) -> str:
    """Write the constants ``*/read`` of a frozen slim graph as variables, with averages and Adam slots beside."""
    graph_def = tf1.GraphDef()
    with open(frozen, "rb") as file:
        graph_def.ParseFromString(file.read())
    nodes = {node.name: node for node in graph_def.node}
    values = {
        node.name[: -len("/read")]: tf.make_ndarray(nodes[node.name[: -len("/read")]].attr["value"].tensor)
        for node in graph_def.node
        if node.name.startswith("MobilenetV1/") and node.name.endswith("/read")
    }
    random = np.random.default_rng(0)
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        for name, value in values.items():
            tf1.get_variable(name, initializer=tf.constant(value))
            for extra in ("ExponentialMovingAverage", "Adam", "Adam_1"):
                noise = random.standard_normal(value.shape).astype(np.float32)
                tf1.get_variable(f"{name}/{extra}", initializer=tf.constant(noise))
        tf1.get_variable("beta1_power", initializer=0.9)
        tf1.train.get_or_create_global_step()
        session.run(tf1.global_variables_initializer())
        assert len(values) == 137
        return tf1.train.Saver(write_version=version).save(session, folder + "/model.ckpt")


@pytest.fixture(scope="module", params=NETS)
def net(request, shared, tmp_path_factory):
    frozen = shared / "real/weights" / request.param / "frozen_graph.pb"
    folder = tmp_path_factory.mktemp("slim")
    multiplier, side = NETS[request.param]
    return request.param, multiplier, side, slim_checkpoint(str(frozen), str(folder)), str(frozen)


def test_real_weights_classify_photographs_and_give_the_frozen_graphs_representation(net, shared):
    classifies_photographs(net, shared)
    representation_equals_the_frozen_graphs(net)


def classifies_photographs(net, shared):
    name, multiplier, side, prefix, _ = net
    known = family("mobilenet_v1")
    trunk = Trunk.from_checkpoint(
        prefix,
        build=lambda x: known.build(x, depth_multiplier=multiplier, num_classes=1001),
        output="Predictions",
        preprocessing=Preprocessing((side, side), known.color, known.range),
    )
    assert trunk.output_shape == (1001,)
    labels = (shared / "real/weights/mobilenet_v1_0.25_128/labels.txt").read_text().splitlines()
    photos = [read_photo(shared / "real/probe/coco" / photo) for photo in PHOTOS]
    best = np.argsort(-np.asarray(trunk(trunk.preprocess(photos))), axis=1)[:, :5]
    for row, (photo, seen) in some(zip(best, PHOTOS.items())):
        top = [labels[index] for index in row]
        assert any(seen in label for label in top), f"{name} on {photo}: {top}"


def representation_equals_the_frozen_graphs(net):
    _, multiplier, side, prefix, frozen = net
    known = family("mobilenet_v1")
    frame = Preprocessing((side, side), known.color, known.range)
    ours = Trunk.from_checkpoint(
        prefix,
        build=lambda x: known.build(x, depth_multiplier=multiplier),
        output=known.output,
        preprocessing=frame,
    )
    x = np.random.default_rng(1).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
    graph_def = tf1.GraphDef()
    with open(frozen, "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        tf1.import_graph_def(graph_def, name="")
        expected = session.run("MobilenetV1/Logits/AvgPool_1a/AvgPool:0", {"input:0": x})
    np.testing.assert_allclose(ours(x), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
