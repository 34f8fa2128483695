"""TF1 graphs and SavedModels as people bring them, against a session, a call, or a twin of the usual kind."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfattr
from tfattr.errors import GraphError, ModelFileError, SettingsError
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.inspect import inspect
from tfattr.zoo.file import read_zoo

v1 = tf.compat.v1
FRAME = Preprocessing((16, 16), range="[-1,1]")
BYTES = Preprocessing((16, 16), range="[0,255]")
KERNEL = np.random.default_rng(0).normal(0, 0.3, (3, 3, 3, 6)).astype(np.float32)


def features(x):
    return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, KERNEL, 2, "SAME")), [1, 2])


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)


def frozen(path, build):
    with tf.Graph().as_default() as graph:
        build()
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def load(path, output, input="x:0", frame=FRAME, **options):
    return Trunk.from_frozen_graph(path, input=input, output=output, preprocessing=frame, **options)


def assert_same(trunk, call, x, tolerance=1e-5):
    fed = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(fed)
        expected = call(fed)
        total = tf.reduce_sum(expected)
    product = tape.gradient(total, fed) * x
    assert np.abs(product).max() > 0
    np.testing.assert_allclose(trunk(x), expected, atol=tolerance * np.abs(expected).max())
    found = tfattr.attribute(trunk, x, "grad_input")
    np.testing.assert_allclose(found, product, atol=tolerance * np.abs(product).max())


def old_dropout(y, keep):
    mask = tf.floor(keep + v1.random_uniform(tf.shape(y)))
    return tf.divide(y, keep) * mask


def later_dropout(y, keep):
    rate = 1 - keep
    return y * (1 / (1 - rate)) * tf.cast(v1.random_uniform(tf.shape(y)) >= rate, tf.float32)


@pytest.mark.parametrize("spelling", [old_dropout, later_dropout, lambda y, keep: tf.nn.dropout(y, 1 - keep)])
@pytest.mark.parametrize("kind", ["placeholder", "constant", "default", "fed"])
@pytest.mark.parametrize("door", ["frozen", "meta"])
def test_dropout_that_keeps_everything_is_exact(tmp_path, x, spelling, kind, door):
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        images = v1.placeholder(tf.float32, [None, 16, 16, 3], name="x")
        keep = {
            "placeholder": lambda: v1.placeholder(tf.float32, [], name="keep_prob"),
            "constant": lambda: tf.constant(1.0),
            "default": lambda: v1.placeholder_with_default(1.0, [], name="keep_prob"),
            "fed": lambda: v1.placeholder_with_default(0.5, [], name="p"),
        }[kind]()
        kernel = v1.get_variable("w", initializer=KERNEL)
        y = tf.nn.relu(tf.nn.conv2d(images, kernel, 2, "SAME"))
        tf.reduce_mean(spelling(y, keep), [1, 2], name="y")
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver().save(session, str(tmp_path / "net"))
        constants = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
        (tmp_path / "net.pb").write_bytes(constants.SerializeToString())
    feed = {"p:0": 1.0} if kind == "fed" else None
    if door == "frozen":
        trunk = load(tmp_path / "net.pb", "y:0", feed=feed)
    else:
        trunk = Trunk.from_meta_graph(prefix, input="x:0", output="y:0", preprocessing=FRAME, feed=feed)
    assert_same(trunk, features, x, 1e-6)
    assert not {"Floor", "Mul", "SelectV2", "RandomUniform"} & {node.op for node in trunk.graph_def.node}
    if kind == "fed" and door == "frozen":
        with pytest.raises(GraphError, match=r"random operation.*p:0"):
            load(tmp_path / "net.pb", "y:0")


def test_whole_number_images_are_fed_as_numbers(tmp_path):
    def build():
        image = v1.placeholder(tf.uint8, [None, None, None, 3], name="image")
        scaled = tf.multiply(tf.cast(tf.transpose(image, [0, 2, 1, 3]), tf.float32) - 127.5, 1 / 127.5)
        tf.identity(features(tf.transpose(scaled, [0, 2, 1, 3])), name="y")
        half = tf.bitwise.right_shift(image, tf.constant(1, tf.uint8))
        tf.identity(features(tf.cast(half, tf.float32)), name="shifted")

    path = frozen(tmp_path / "net.pb", build)
    photo = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    trunk = load(path, "y:0", "image:0", BYTES)
    assert_same(trunk, lambda z: features(z / 127.5 - 1), photo, 2e-5)
    with pytest.raises(GraphError, match="takes whole numbers.*RightShift"):
        load(path, "shifted:0", "image:0", BYTES)


def test_encoded_images_are_fed_behind_their_decoding(tmp_path):
    def build():
        content = v1.placeholder(tf.string, [], name="contents")
        image = tf.expand_dims(
            tf.cast(tf.io.decode_jpeg(content, 3, name="decoded"), tf.float32), 0, name="batched"
        )
        resized = v1.image.resize_bilinear(image, [16, 16], name="resized")
        tf.identity(features(resized / 128.0 - 1), name="y")

    path = frozen(tmp_path / "net.pb", build)
    with pytest.warns(UserWarning, match="fed to 'batched:0' behind it"):
        trunk = load(path, "y:0", "contents:0", BYTES)
    photo = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    assert_same(trunk, lambda z: features(z / 128.0 - 1), photo, 2e-5)
    listed = [name for name, *_ in inspect(path).images]
    assert listed[0] == "batched:0"
    assert "resized:0" in listed


def test_channels_first(tmp_path, x):
    scale, shift = np.linspace(0.5, 2, 6, dtype=np.float32), np.linspace(-1, 1, 6, dtype=np.float32)
    second = np.random.default_rng(3).normal(0, 0.3, (3, 3, 6, 4)).astype(np.float32)

    def first(z):
        z = tf.nn.conv2d(z, KERNEL, [1, 1, 2, 2], "SAME", data_format="NCHW")
        z = tf.nn.bias_add(z, shift, data_format="NCHW")
        z, *_ = v1.nn.fused_batch_norm(z, scale, shift, shift, scale, is_training=False, data_format="NCHW")
        z = tf.nn.relu(z) + z * np.reshape(scale, (1, 6, 1, 1))
        z = tf.nn.max_pool2d(tf.concat([z, z], 1)[:, 3:9], 2, 2, "VALID", data_format="NCHW")
        z = tf.pad(z, [[0, 0], [0, 0], [1, 0], [0, 2]])
        z = tf.nn.conv2d(z, second, 1, "VALID", data_format="NCHW")
        return tf.nn.avg_pool2d(z, 2, 2, "SAME", data_format="NCHW")

    def last(z):
        z = tf.nn.bias_add(tf.nn.conv2d(z, KERNEL, 2, "SAME"), shift)
        z = tf.nn.batch_normalization(z, shift, scale, shift, scale, 1e-3)
        z = tf.nn.relu(z) + z * scale
        z = tf.nn.max_pool2d(tf.concat([z, z], 3)[..., 3:9], 2, 2, "VALID")
        z = tf.nn.conv2d(tf.pad(z, [[0, 0], [1, 0], [0, 2], [0, 0]]), second, 1, "VALID")
        return tf.nn.avg_pool2d(z, 2, 2, "SAME")

    def build():
        images = v1.placeholder(tf.float32, [None, 3, 16, 16], name="x")
        tf.identity(first(images), name="y")
        tf.reduce_mean(first(images), [2, 3], name="mean")
        tf.reduce_mean(
            first(tf.transpose(v1.placeholder(tf.float32, [None, 16, 16, 3], name="nhwc"), [0, 3, 1, 2])),
            [2, 3],
            name="inner",
        )

    path = frozen(tmp_path / "net.pb", build)
    with pytest.raises(GraphError, match="layout = 'NCHW'"):
        load(path, "y:0")
    frame = Preprocessing((16, 16), range="[-1,1]", layout="NCHW")
    assert_same(load(path, "y:0", frame=frame), lambda z: tf.transpose(last(z), [0, 3, 1, 2]), x)
    mean = load(path, "mean:0", frame=frame)
    assert_same(mean, lambda z: tf.reduce_mean(last(z), [1, 2]), x)
    assert_same(load(path, "inner:0", "nhwc:0"), lambda z: tf.reduce_mean(last(z), [1, 2]), x)
    kinds = [node.op for node in mean.graph_def.node]
    assert not any(node.attr["data_format"].s == b"NCHW" for node in mean.graph_def.node)
    assert kinds.count("Transpose") <= 4  # around the slice of channels alone


def test_quantised_weights_are_right_and_quantised_signals_refused(tmp_path, x):
    steps = np.random.default_rng(4).integers(-127, 128, (3, 3, 3, 6)).astype(np.int8)

    def build():
        images = v1.placeholder(tf.float32, [None, 16, 16, 3], name="x")
        low, high = np.linspace(-0.5, -1, 6, dtype=np.float32), np.linspace(0.5, 1, 6, dtype=np.float32)
        each = tf.quantization.dequantize(
            tf.constant(steps, tf.qint8), low, high, mode="SCALED", axis=3, narrow_range=True
        )
        whole = tf.quantization.dequantize(
            tf.constant(steps, tf.qint8), -1.0, 1.0, mode="SCALED", narrow_range=True
        )
        for name, kernel in (("each", each), ("whole", whole)):
            tf.nn.relu(tf.nn.conv2d(images, kernel, 2, "SAME"), name=name)
        quantised = tf.quantization.quantize(images, -1.0, 1.0, tf.quint8)
        tf.identity(tf.quantization.dequantize(*quantised), name="signal")

    path = frozen(tmp_path / "net.pb", build)
    scales = np.linspace(0.5, 1, 6, dtype=np.float32)
    for name, step in (("each", scales / 127), ("whole", np.float32(1 / 127))):
        kernel = steps.astype(np.float32) * step
        assert_same(load(path, f"{name}:0"), lambda z, k=kernel: tf.nn.relu(tf.nn.conv2d(z, k, 2, "SAME")), x)
    with pytest.raises(GraphError, match="Dequantize.*no gradient in TensorFlow"):
        load(path, "signal:0")


@pytest.mark.parametrize("op", ["round", "sign", "floor", "argmax", "stop_gradient"])
def test_outputs_without_a_gradient_are_refused(tmp_path, op):
    def build():
        y = tf.nn.conv2d(v1.placeholder(tf.float32, [None, 16, 16, 3], name="x"), KERNEL, 2, "SAME")
        made = tf.argmax(y, -1) if op == "argmax" else getattr(tf, op)(y)
        tf.cast(made, tf.float32, name="y") if op == "argmax" else tf.identity(made, name="y")

    with pytest.raises(GraphError, match="no gradient passes"):
        load(frozen(tmp_path / "net.pb", build), "y:0")


class Module(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.uint8)])
    def whole(self, image):
        return {"code": features(tf.cast(image, tf.float32) / 127.5 - 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encoded(self, contents):
        def one(content):
            return tf.image.resize(tf.cast(tf.io.decode_jpeg(content, 3), tf.float32), [16, 16])

        return {"code": features(tf.map_fn(one, contents, fn_output_signature=tf.float32) / 127.5 - 1)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 16, 16, 3]),
            tf.TensorSpec([], tf.bool),
            tf.TensorSpec([None, 2]),
        ]
    )
    def three(self, image, training, meta):
        code = features(image / 127.5 - 1) * tf.cond(training, lambda: 2.0, lambda: 1.0)
        return {"code": code, "both": tf.concat([code, meta], 1)}


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder, module = tmp_path_factory.mktemp("module"), Module()
    names = ("whole", "encoded", "three")
    tf.saved_model.save(
        module, str(folder / "signed"), signatures={name: getattr(module, name) for name in names}
    )
    tf.saved_model.save(module, str(folder / "bare"))
    return folder


@pytest.mark.filterwarnings("ignore:.*images are fed to")
@pytest.mark.parametrize("kind", ["signed", "bare"])
@pytest.mark.parametrize("signature", ["whole", "encoded", "three"])
def test_signatures_and_functions_of_saved_models(module, kind, signature):
    photo = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    call = lambda z: features(z / 127.5 - 1)  # noqa: E731
    options = {"output": "code"} if signature == "three" else {}
    trunk = Trunk.from_saved_model(module / kind, signature=signature, preprocessing=BYTES, **options)
    assert_same(trunk, call, photo, 2e-5)
    if signature == "three":
        fed = {"meta": [3.0, 4.0]}
        both = Trunk.from_saved_model(
            module / kind, signature=signature, output="both", feed=fed, preprocessing=BYTES
        )
        np.testing.assert_allclose(both(photo)[:, 6:], [[3, 4]] * 2)
        assert not both.batch_dependent


def test_what_a_saved_model_offers_is_said(module):
    with pytest.raises(GraphError, match=r"no signature.*encoded, three, whole"):
        Trunk.from_saved_model(module / "bare", preprocessing=BYTES)
    with pytest.raises(GraphError, match="the model gives both, code; name one"):
        Trunk.from_saved_model(module / "signed", signature="three", preprocessing=BYTES)
    signatures = dict(inspect(module / "signed").signatures)
    assert "code" in signatures["three"]
    assert "meta" in signatures["three"]


def test_tag_sets_of_tf1_modules(tmp_path, x):
    builder = v1.saved_model.Builder(str(tmp_path / "hub"))
    for number, tags in enumerate(([], ["train"])):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            images = v1.placeholder(tf.float32, [None, 16, 16, 3], name="images")
            kernel = v1.get_variable("w", initializer=KERNEL)
            y = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, kernel, 2, "SAME")), [1, 2]) * (number + 1)
            signature = {"default": v1.saved_model.predict_signature_def({"images": images}, {"default": y})}
            session.run(v1.global_variables_initializer())
            if number:
                builder.add_meta_graph(tags, signature_def_map=signature)
            else:
                builder.add_meta_graph_and_variables(session, tags, signature_def_map=signature)
    builder.save()
    for door in (Trunk.from_saved_model, Trunk.from_hub):
        assert_same(door(tmp_path / "hub", preprocessing=FRAME), features, x)
        twice = door(tmp_path / "hub", tags=["train"], preprocessing=FRAME)
        assert_same(twice, lambda z: 2 * features(z), x)
        with pytest.raises(GraphError, match=r"tag sets: \[\], \['train'\]"):
            door(tmp_path / "hub", tags=["serve"], preprocessing=FRAME)


def table(tmp_path, **keys):
    lines = [
        f"{key} = {value}"
        for key, value in {"name": '"m"', "path": '"net"', "size": [16, 16], **keys}.items()
    ]
    (tmp_path / "zoo.toml").write_text("\n".join(["[[model]]", *lines]))
    (spec,) = read_zoo(tmp_path / "zoo.toml")
    return spec


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"source": '"keras"', "signature": '"x"'}, "source 'keras' takes no key 'signature'.*layer, output"),
        ({"source": '"saved_model"', "layer": '"x"'}, "takes no key 'layer'.*it takes output"),
        ({"source": '"hub"', "builder": '"vgg"'}, "takes no key 'builder'"),
        ({"source": '"checkpoint"', "builder": '"vgg"', "tags": "[]"}, "takes no key 'tags'"),
        ({"source": '"keras"', "colour": '"RGB"'}, "no key 'colour'; did you mean 'color'"),
        ({"source": '"keras"', "layer": "3"}, "layer is 3; expected a string"),
        ({"source": '"keras"', "output": "true"}, "output is True; expected a string or a number"),
        ({"source": '"keras"', "std": "[0]"}, "std is .0.0.*expected positive"),
        ({"source": '"keras"', "preset": '"torch"'}, "preset is 'torch'; expected one of imagenet-torch"),
        ({"source": '"keras"', "color": '"raw"'}, "color is 'raw' and bands is 0"),
        ({"source": '"trunk"'}, "carries its own preprocessing"),
        ({"source": '"frozen_graph"', "input": '"x"'}, "needs the key 'output'"),
    ],
)
def test_keys_that_a_source_does_not_take(tmp_path, keys, said):
    with pytest.raises(SettingsError, match=said) as caught:
        table(tmp_path, **keys)
    assert "\n" not in str(caught.value)


def test_keys_of_a_zoo_file_reach_the_door(tmp_path, x):

    spec = table(
        tmp_path,
        source='"keras"',
        path='"net.h5"',
        output='"code"',
        preset='"imagenet-torch"',
        mean="[0.5, 0.5, 0.5]",
        custom_objects='{Own = "os:getcwd"}',
    )
    assert spec.preprocessing.std == (0.229, 0.224, 0.225)
    assert spec.preprocessing.mean == (0.5, 0.5, 0.5)
    assert spec.cut["output"] == "code"
    with pytest.raises(SettingsError, match="custom object 'Own' .*--trust"):
        spec.load()


def test_missing_files_are_said_by_load_model(tmp_path):
    with pytest.raises(ModelFileError, match="no such model file"):
        tfattr.load_model(tmp_path / "absent", preprocessing=FRAME)
    with pytest.raises(SettingsError, match="needs 'input'.*inspect"):
        tfattr.load_model(tmp_path / "net.pb", output="y:0", preprocessing=FRAME)
