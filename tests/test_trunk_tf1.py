"""Trunks from TF1 files against a session that runs the graph as it was built."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from found import some
from zoo import fake

from tfattr.compat.slim import slim
from tfattr.errors import GraphError, ModelFileError
from tfattr.trunk import Preprocessing, Trunk

tf1 = tf.compat.v1
FRAME = Preprocessing((24, 24), range="[-1,1]")
KERNELS = ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul")


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (count, 24, 24, 3)).astype(np.float32)


def small_net(x: tf.Tensor, is_training: object = False) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Convolutions of every kind with batch norm behind each, a residual sum and a batch norm of its own."""

    def batch_norm(y: tf.Tensor, scope: str = "BatchNorm") -> tf.Tensor:
        # Not slim's for a tensor: it would fuse, and this is the unfused form.
        if is_training is False:
            return slim.batch_norm(y, is_training=False, scale=True, epsilon=1e-3, scope=scope)
        with tf1.variable_scope(scope):
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            gamma, beta, mean, variance = (
                tf1.get_variable(name, y.shape[-1:], trainable=name in names[:2]) for name in names
            )
            mean, variance = tf1.cond(
                is_training,
                lambda: tf.nn.moments(y, list(range(y.shape.rank - 1))),
                lambda: (tf.identity(mean), tf.identity(variance)),
            )
            return tf.nn.batch_normalization(y, mean, variance, beta, gamma, 1e-3)

    with (
        tf1.variable_scope("net"),
        slim.arg_scope(
            [slim.conv2d, slim.separable_conv2d, slim.conv2d_transpose, slim.fully_connected],
            normalizer_fn=batch_norm,
        ),
    ):
        a = slim.conv2d(x, 8, 3, stride=2, scope="a")
        b = slim.separable_conv2d(a, None, 3, depth_multiplier=2, scope="b")
        c = slim.conv2d(b, 8, 1, rate=2, activation_fn=None, scope="c")
        d = tf.nn.relu(batch_norm(a + c, "d"))
        e = slim.conv2d_transpose(d, 6, 4, stride=2, scope="e")
        f = slim.fully_connected(slim.flatten(e), 10, activation_fn=tf.nn.elu, scope="f")
    return f, {"a": a, "d": d, "e": e, "f": f}


def scatter(session: tf1.Session, graph: tf.Graph, seed: int = 0) -> None:
    """Random values, those of batch norm far from its initial ones."""
    random = np.random.default_rng(seed)
    for variable in graph.get_collection(tf1.GraphKeys.GLOBAL_VARIABLES):
        shape = variable.shape.as_list()
        if "variance" in variable.name or "gamma" in variable.name:
            value = random.uniform(0.5, 2.0, shape)
        else:
            value = random.normal(0, 0.3, shape)
        variable.load(value.astype(variable.dtype.as_numpy_dtype), session)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A training graph's checkpoint with its .meta: queue, is_training placeholder, Adam slots, averages."""
    folder = tmp_path_factory.mktemp("ckpt")
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        with tf1.variable_scope("reader"):
            queue = tf1.FIFOQueue(8, [tf.float32], [[24, 24, 3]], name="fifo_queue")
        x = queue.dequeue_many(4, name="batch")
        is_training = tf1.placeholder(tf.bool, [], name="is_training")
        net, end_points = small_net(x, is_training)
        loss = tf.reduce_sum(net**2)
        step = tf1.train.get_or_create_global_step()
        averages = tf.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([tf1.train.AdamOptimizer().minimize(loss, step)]):
            averages.apply(tf1.trainable_variables())
        session.run(tf1.global_variables_initializer())
        scatter(session, graph)
        prefix = tf1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=7)
        old = tf1.train.Saver(write_version=tf1.train.SaverDef.V1).save(session, str(folder / "old.ckpt"))
        expected = session.run(end_points, {x: np.resize(images(), (4, 24, 24, 3)), is_training: False})
        expected["output name"] = net.name
    return {"prefix": prefix, "v1": old, "expected": expected}


def close(found, expected) -> bool:
    return np.abs(np.asarray(found) - expected).max() <= 1e-4 * np.abs(expected).max()


def test_meta_graph_of_a_training_graph(checkpoint):
    trunk = Trunk.from_meta_graph(
        checkpoint["prefix"],
        input="batch:0",
        output=checkpoint["expected"]["output name"],
        preprocessing=FRAME,
        fold_batch_norm=True,
    )
    assert close(trunk(images()), checkpoint["expected"]["f"][:3])
    assert not trunk.batch_dependent
    ops = [node.op for node in trunk.graph_def.node]
    assert ops.count("Placeholder") == 1
    assert not {
        "Switch",
        "Merge",
        "StatelessIf",
        "VariableV2",
        "VarHandleOp",
        "FusedBatchNormV3",
        "If",
    } & set(ops)
    # Only the batch norm behind the sum has no kernel to go into.
    assert ops.count("Mul") == 1


def test_keep_prob_is_taken_as_one_but_dropout_of_a_fixed_rate_is_refused(tmp_path):
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 24, 24, 3], name="x")
        y = slim.conv2d(x, 4, 3, scope="a")
        scale = tf1.placeholder(tf.float32, [], name="keep_prob")
        tf.multiply(y, scale, name="scaled")
        tf.multiply(y, tf1.placeholder(tf.float32, [], name="gain"), name="gained")
        tf1.nn.dropout(y, rate=0.5, name="dropped")
        scatter(session, graph)
        expected = session.run(y, {x: images()})
        prefix = tf1.train.Saver().save(session, str(tmp_path / "m"))
        dropped = "dropped/SelectV2:0"
    load = lambda output, **kw: Trunk.from_meta_graph(  # noqa: E731
        prefix, input="x:0", output=output, preprocessing=FRAME, **kw
    )
    assert close(load("scaled:0")(images()), expected)
    assert close(load("scaled:0", feed={"keep_prob:0": 0.5})(images()), expected / 2)
    assert close(load("gained:0", feed={"gain:0": 3.0})(images()), expected * 3)
    with pytest.raises(GraphError, match=r"also depends on gain:0 \(float32\)"):
        load("gained:0")
    with pytest.raises(GraphError, match="random operation"):
        load(dropped)


@pytest.mark.parametrize("kind", ["prefix", "v1"])
@pytest.mark.parametrize("output", ["d", "e", "f", None])
def test_checkpoint_by_variable_name_ignores_extra_tensors(checkpoint, kind, output):
    trunk = Trunk.from_checkpoint(checkpoint[kind], build=small_net, output=output, preprocessing=FRAME)
    assert close(trunk(images()), checkpoint["expected"][output or "f"][:3])
    assert trunk.provenance["source"] == "checkpoint"
    assert len(trunk.provenance["weights_sha256"]) == 64


def test_folding_leaves_no_batch_norm_and_no_scaling_behind_a_kernel(checkpoint):
    trunk = Trunk.from_checkpoint(
        checkpoint["prefix"], build=small_net, output="a", preprocessing=FRAME, fold_batch_norm=True
    )
    assert [node.op for node in trunk.graph_def.node if node.op not in ("Const", "Placeholder")] == [
        "Conv2D",
        "BiasAdd",
        "Relu",
    ]
    assert trunk.deviation < 1e-4
    plain = Trunk.from_checkpoint(checkpoint["prefix"], build=small_net, output="a", preprocessing=FRAME)
    assert plain.deviation <= 1e-6
    assert any(node.op.startswith("FusedBatchNorm") or node.op == "Rsqrt" for node in plain.graph_def.node)
    assert close(plain(images()), np.asarray(trunk(images())))


def test_gradient_tape_goes_through(checkpoint):
    trunk = Trunk.from_checkpoint(checkpoint["prefix"], build=small_net, output="f", preprocessing=FRAME)
    x = tf.constant(images(1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(trunk(x))
    gradient = tape.gradient(score, x).numpy()
    step = 1e-2 * np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    change = float(tf.reduce_sum(trunk(x + step) - trunk(x - step))) / 2
    assert change == pytest.approx(float((gradient * step).sum()), rel=2e-2)


def test_large_weights_are_not_copied_into_every_graph(checkpoint, monkeypatch):
    """With every constant taken for a large one, the trunk and its gradients are the same."""
    from tfattr.attribution import AttributionSettings, attributions
    from tfattr.trunk import graph

    settings = AttributionSettings(engine="deepexplain")
    load = lambda: Trunk.from_checkpoint(  # noqa: E731
        checkpoint["prefix"], build=small_net, output="d", preprocessing=FRAME
    )
    usual = load()
    expected, maps = np.asarray(usual(images())), attributions(usual, images(), settings)
    monkeypatch.setattr(graph, "LARGE", 100)
    lifted = load()
    light, large = graph.lift_large(lifted.graph_def)
    assert len(large) >= 3
    assert sum(node.op == "Placeholder" for node in light.node) == len(large) + 1
    assert lifted.provenance["graph_sha256"] == usual.provenance["graph_sha256"]
    assert close(lifted(images()), expected)
    for method, found in attributions(lifted, images(), settings).items():
        assert close(found, maps[method]), method


def test_save_and_load(checkpoint, tmp_path):
    trunk = Trunk.from_checkpoint(
        checkpoint["prefix"], build=small_net, output="d", preprocessing=FRAME, name="net"
    )
    trunk.save(tmp_path / "net")
    loaded = Trunk.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded(images()), trunk(images()))
    assert loaded.name == "net"
    assert loaded.preprocessing == FRAME
    assert loaded.provenance == trunk.provenance
    graph = tmp_path / "net" / "trunk.pb"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ModelFileError, match="sha256 differs"):
        Trunk.load(tmp_path / "net")


def test_legacy_variable_op(tmp_path):
    """Graphs of TF 0.x spell variables ``Variable``, whose shape attribute may say nothing."""
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 24, 24, 3], name="x")
        weights = tf1.get_variable("w", [3, 3, 3, 4], use_resource=False)
        tf.nn.relu(tf.nn.conv2d(x, weights, 1, "SAME"), name="y")
        scatter(session, graph)
        expected = session.run("y:0", {x: images()})
        prefix = tf1.train.Saver().save(session, str(tmp_path / "old"))
    meta = tf1.MetaGraphDef()
    meta.ParseFromString((tmp_path / "old.meta").read_bytes())
    (node,) = (node for node in meta.graph_def.node if node.op == "VariableV2")
    node.op = "Variable"
    (tmp_path / "old.meta").write_bytes(meta.SerializeToString())
    trunk = Trunk.from_meta_graph(prefix, input="x:0", output="y:0", preprocessing=FRAME)
    assert close(trunk(images()), expected)


def test_statistics_of_the_batch_make_a_trunk_that_takes_images_singly(tmp_path):
    def build(x):
        return slim.conv2d(
            x, 4, 3, normalizer_fn=slim.batch_norm, normalizer_params={"is_training": True, "scale": True}
        ), {}

    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 24, 24, 3])
        y, _ = build(x)
        scatter(session, graph)
        expected = [session.run(y, {x: image[None]})[0] for image in images()]
        prefix = tf1.train.Saver().save(session, str(tmp_path / "m"))
    trunk = Trunk.from_checkpoint(prefix, build=build, preprocessing=FRAME)
    assert trunk.batch_dependent
    assert close(trunk(images()), np.stack(expected))


@pytest.mark.slow
def test_real_networks_load(real_trunk, real_zoo):
    for name in some(real_zoo):
        trunk = real_trunk(name)
        batch = np.random.default_rng(2).uniform(*trunk.preprocessing.bounds, (2, *trunk.input_shape))
        assert trunk.deviation < 1e-4
        assert np.isfinite(trunk(batch.astype(np.float32)).numpy()).all()


@pytest.mark.slow
def test_real_trunk_equals_a_session_on_the_frozen_graph(real_trunk, real_zoo):
    for name in ("mobilenet_v1_0.25_128", "pose", "hed_document"):
        trunk, spec = real_trunk(name), real_zoo[name]
        graph_def = tf1.GraphDef()
        with open(spec.path, "rb") as file:
            graph_def.ParseFromString(file.read())
        batch = np.random.default_rng(2).uniform(*trunk.preprocessing.bounds, (1, *trunk.input_shape))
        with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
            tf1.import_graph_def(graph_def, name="")
            feeds = {spec.cut["input"]: batch}
            if name == "hed_document":
                feeds["is_training:0"] = False
            expected = session.run(spec.cut["output"], feeds)
        assert close(trunk(batch.astype(np.float32)), expected), name


# Bad input: one sentence that names the file, what was found, what was expected, what to do.


def luma_graph(path):
    """A frozen graph of one colour channel, its stages named as those of the pose net."""
    with tf.Graph().as_default() as graph:
        y = tf1.placeholder(tf.float32, [None, 24, 24, 1], "image")
        for stage in range(1, 8):
            y = tf.nn.relu(y * tf.constant(0.1 * np.arange(1, 5, dtype=np.float32)))
            y = tf.reduce_sum(y, -1, keepdims=True, name=f"Openpose/concat_stage{stage}")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_no_such_tensor_names_the_nearest(tmp_path):
    path = luma_graph(tmp_path / "pose.pb")
    with pytest.raises(GraphError) as caught:
        Trunk.from_frozen_graph(path, input="image:0", output="Openpose/concat_stage8:0", preprocessing=FRAME)
    said = str(caught.value)
    assert "Openpose/concat_stage7:0" in said
    assert str(path) in said
    assert "\n" not in said


def test_missing_and_wrong_variables_are_listed(checkpoint):
    def other(x):
        net, _ = small_net(x)
        with tf1.variable_scope("net"):
            return slim.fully_connected(net, 3, scope="extra"), {}

    def wider(x):
        with tf1.variable_scope("net"):
            return slim.conv2d(x, 9, 3, stride=2, scope="a"), {}

    with pytest.raises(ModelFileError, match=r"net/extra/weights \[10, 3\]"):
        Trunk.from_checkpoint(checkpoint["prefix"], build=other, preprocessing=FRAME)
    with pytest.raises(ModelFileError, match=r"net/a/weights: expected \[3, 3, 3, 9\], found \[3, 3, 3, 8\]"):
        Trunk.from_checkpoint(checkpoint["prefix"], build=wider, preprocessing=FRAME)


def test_wrong_nets_checkpoint_of_the_same_names(tmp_path):
    """Two public folders with the names of inpainting v1 hold v2: other shapes; here only an index, as a cut download."""
    shapes = {"inpaint_net/conv1/kernel": [5, 5, 5, 48], "inpaint_net/conv1/bias": [48]}
    prefix = fake.write(tmp_path / "snap-0", fake.values(shapes))
    (tmp_path / "snap-0.data-00000-of-00001").unlink()

    def first_layer(channels):
        def build(x):
            x = tf.concat([x, x[..., :2]], axis=-1)
            with tf1.variable_scope("inpaint_net"):
                # tf.layers' names; TF >= 2.16 has no tf.layers.
                kernel = tf1.get_variable("conv1/kernel", [5, 5, 5, channels])
                bias = tf1.get_variable("conv1/bias", [channels])
                return tf.nn.conv2d(x, kernel, 1, "SAME") + bias, {}

        return build

    with pytest.raises(ModelFileError) as caught:
        Trunk.from_checkpoint(prefix, build=first_layer(32), preprocessing=FRAME)
    assert "inpaint_net/conv1/kernel: expected [5, 5, 5, 32], found [5, 5, 5, 48]" in str(caught.value)
    assert prefix in str(caught.value)
    with pytest.raises(ModelFileError, match="data file .* is not"):
        Trunk.from_checkpoint(prefix, build=first_layer(48), preprocessing=FRAME)


def test_truncated_and_foreign_files(tmp_path):
    whole = luma_graph(tmp_path / "whole.pb").read_bytes()
    cut = tmp_path / "cut.pb"
    cut.write_bytes(whole[: len(whole) // 2])
    text = tmp_path / "text.pb"
    text.write_text("not a graph")
    empty = tmp_path / "empty.pb"
    empty.write_bytes(b"")
    for path in (cut, text, empty, tmp_path / "absent.pb"):
        with pytest.raises(ModelFileError) as caught:
            Trunk.from_frozen_graph(path, input="x:0", output="y:0", preprocessing=FRAME)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_damaged_checkpoint_data(checkpoint, tmp_path):
    import shutil

    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(checkpoint["prefix"] + suffix, tmp_path / f"model{suffix}")
    data = tmp_path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:2000])
    with pytest.raises(ModelFileError, match="damaged or cut short|not a readable"):
        Trunk.from_checkpoint(tmp_path / "model", build=small_net, output="f", preprocessing=FRAME)
    (tmp_path / "model.index").write_bytes(b"broken")
    with pytest.raises(ModelFileError, match="not a readable TensorFlow checkpoint"):
        Trunk.from_checkpoint(tmp_path / "model", build=small_net, output="f", preprocessing=FRAME)


def test_input_that_the_output_does_not_need(checkpoint):
    with pytest.raises(GraphError, match="not computed from the input"):
        Trunk.from_meta_graph(
            checkpoint["prefix"], input="global_step:0", output="net/a/Relu:0", preprocessing=FRAME
        )


def test_wrong_colour(tmp_path):
    path = luma_graph(tmp_path / "luma.pb")
    with pytest.raises(GraphError, match="size and colour|cannot be imported"):
        Trunk.from_frozen_graph(path, input="image:0", output="Openpose/concat_stage7:0", preprocessing=FRAME)


def test_wrong_batch_shape(checkpoint):
    from tfattr.errors import SettingsError

    trunk = Trunk.from_checkpoint(checkpoint["prefix"], build=small_net, output="a", preprocessing=FRAME)
    with pytest.raises(SettingsError, match=r"expected \[N, 24, 24, 3\]"):
        trunk(np.zeros((2, 23, 24, 3), np.float32))
