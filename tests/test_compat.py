"""The same package on the TensorFlow of iNNvestigate's pin and on the newest: imports, Keras 2 and 3, what is missing."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from tfattr.attribution import AttributionSettings
from tfattr.compat import installed
from tfattr.compat.internals import (
    function_def_to_graph_def,
    gradient_registry,
    op_def_registry,
    parse_saved_model,
)
from tfattr.compat.keras import keras_3, saved_metadata
from tfattr.compat.slim import slim
from tfattr.compat.unpickler import PythonUnpickler
from tfattr.errors import MissingExtraError, ModelFileError
from tfattr.trunk import Preprocessing, Trunk

tf1 = tf.compat.v1
FRAME = Preprocessing((12, 12), range="[-1,1]")
with_innvestigate = pytest.mark.skipif(
    not installed.has_innvestigate(), reason="iNNvestigate 2.1 is not installed"
)


def images(count: int = 3, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (count, 12, 12, channels)).astype(np.float32)


def alone(code: str) -> str:
    """What ``code`` prints in a process of its own, without TF_USE_LEGACY_KERAS."""
    lines = ["import os", "os.environ.pop('TF_USE_LEGACY_KERAS', None)", "import sys", code]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- names of other packages -------------------------------------------------------------------------


@pytest.mark.slow
@with_innvestigate
def test_innvestigate_has_a_keras_of_its_own_and_tf_keras_stays_what_it_was():
    code = """
import tensorflow as tf
def state():
    names = ["tensorflow.keras", *(f"tensorflow.keras.{n}" for n in ("backend", "layers", "models", "utils"))]
    return [tf.keras.Model, *(sys.modules.get(name) for name in names), os.environ.get("TF_USE_LEGACY_KERAS")]
before = state()
from tfattr.compat.innvestigate import innvestigate
assert all(a is b for a, b in zip(before, state())), (before, state())
assert "innvestigate" not in sys.modules
from tfattr.compat.analyzer_keras import keras
assert keras.__name__.startswith("tf_keras")
b, layers = innvestigate.backend, innvestigate.layers
classes = {b.types.Layer, b.checks.klayers.Layer, b.checks.keras.layers.Layer, b.graph.klayers.Layer, layers.klayers.Layer}
assert classes == {keras.layers.Layer}, classes
print("well")
"""
    assert alone(code) == "well"


@pytest.mark.slow
@with_innvestigate
@pytest.mark.skipif(keras_3() is not None, reason="iNNvestigate itself does not import on Keras 3")
def test_an_innvestigate_of_the_user_stays_the_users():
    code = """
import tensorflow as tf
import innvestigate as mine
from tfattr.compat.innvestigate import innvestigate
import innvestigate as again
print(again is mine, innvestigate is not mine, mine.backend.types.Layer is tf.keras.layers.Layer)
"""
    assert alone(code) == "True True True"


@pytest.mark.slow
@with_innvestigate
def test_private_parts_of_the_analyzers_keras_and_of_innvestigate():
    """Where a layer's inputs, an analyzer's rules and its built output stand; and Keras's switch of the slow way."""
    from tfattr.compat.analyzer_keras import graph_mode, keras, sources_of
    from tfattr.compat.innvestigate import complete_rules, innvestigate, relevance_of

    layers = keras.layers
    with tf1.Session(graph=tf.Graph()) as session, graph_mode(session):
        fed = layers.Input((4,))
        dense, rectified = layers.Dense(3, use_bias=False), layers.ReLU()
        model = keras.Model(fed, rectified(dense(fed)))
        assert sources_of(rectified) == [dense]
        assert [type(layer) for layer in sources_of(dense)] == [layers.InputLayer]
        kind = innvestigate.analyzer.analyzers["lrp.alpha_1_beta_0"]
        analyzer = kind(
            model, input_layer_rule="Flat", neuron_selection_mode="all", disable_model_checks=True
        )
        before = list(analyzer._rules)
        complete_rules(analyzer, lambda layer: layer is dense)
        assert analyzer._rules[0][0](dense)
        assert not analyzer._rules[0][0](rectified)
        assert len(analyzer._rules) == len(before) + 1
        built = innvestigate.analyzer.analyzers["lrp.z"](
            model, neuron_selection_mode="all", disable_model_checks=True
        )
        relevance = relevance_of(built)
        kernel, x = np.float32([[1, -1, 2], [0, 3, 1], [2, 1, -1], [1, 1, 1]]), np.float32([[1, 2, 3, 4]])
        dense.kernel.load(kernel, session)
        found = session.run(relevance, {model.inputs[0]: x})
    outputs = x @ kernel
    np.testing.assert_allclose(
        found, (x[:, :, None] * kernel * (outputs > 0)[:, None]).sum(axis=2), rtol=1e-5
    )
    from importlib import import_module

    assert import_module("tf_keras.src.engine.base_layer_utils")._UNSAFE_GRAPH_OP_LAYER_CREATION is False


def test_hub_needs_no_pkg_resources():
    code = """
sys.modules["pkg_resources"] = None
from tfattr.compat.hub import hub
assert sys.modules["pkg_resources"] is None
print(callable(hub.load))
"""
    assert alone(code) == "True"


# -- private parts of TensorFlow, Keras and Python ----------------------------------------------------


def test_operations_are_asked_whether_they_keep_a_state():
    assert op_def_registry.get("Relu").is_stateful is False
    assert op_def_registry.get("VarHandleOp").is_stateful is True
    assert [argument.name for argument in op_def_registry.get("Conv2D").input_arg] == ["input", "filter"]
    assert op_def_registry.get("NoSuchOperation") is None


def test_operations_are_asked_for_their_gradient():
    assert callable(gradient_registry.lookup("Relu"))
    assert gradient_registry.lookup("Shape") is None
    with pytest.raises(LookupError):
        gradient_registry.lookup("DecodePng")


def test_a_functions_body_becomes_a_graph():
    function = tf.function(lambda x: tf.nn.relu(x) * 2.0).get_concrete_function(tf.TensorSpec([None, 3]))
    with tf.Graph().as_default() as graph:
        function(tf1.placeholder(tf.float32, [None, 3]))
    (definition,) = graph.as_graph_def().library.function
    body, names = function_def_to_graph_def(definition)
    result = names[next(iter(definition.ret.values()))]
    (fed,) = (node.name for node in body.node if node.op == "Placeholder")
    with tf.Graph().as_default(), tf1.Session() as session:
        (y,) = tf.import_graph_def(body, return_elements=[result], name="")
        np.testing.assert_array_equal(session.run(y, {f"{fed}:0": [[-1.0, 0.5, 2.0]]}), [[0.0, 1.0, 4.0]])


def test_a_saved_model_is_parsed_without_loading_it(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    (meta_graph,) = parse_saved_model(str(tmp_path / "saved")).meta_graphs
    assert "serve" in meta_graph.meta_info_def.tags
    assert any(node.HasField("variable") for node in meta_graph.object_graph_def.nodes)
    with pytest.raises(OSError, match="nothing"):
        parse_saved_model(str(tmp_path / "nothing"))


def test_the_cards_of_a_saved_model_of_keras():
    made = saved_metadata()()
    made.nodes.add(metadata='{"class_name": "Lambda"}')
    (node,) = saved_metadata().FromString(made.SerializeToString()).nodes
    assert node.metadata == '{"class_name": "Lambda"}'


def test_the_unpickler_in_python_is_told_what_a_state_may_be_set_of():
    class Careful(PythonUnpickler):
        dispatch = dict(PythonUnpickler.dispatch)

        def load_build(self):
            raise pickle.UnpicklingError(f"a state for {type(self.stack[-2]).__name__}")

        dispatch[pickle.BUILD[0]] = load_build

    assert Careful(io.BytesIO(pickle.dumps({"a": [1, (2.0, "b")]}))).load() == {"a": [1, (2.0, "b")]}
    with pytest.raises(pickle.UnpicklingError, match="a state for"):
        Careful(io.BytesIO(pickle.dumps(np.zeros(3), protocol=4))).load()


# -- TF-Slim -----------------------------------------------------------------------------------------


def test_slim_layers_take_a_tensor_for_is_training(tmp_path):
    """``is_training`` as a placeholder, as many a training script has it; against numpy."""
    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 4)).astype(np.float32)
    mean, variance = np.array([0.1, -0.2, 0.3, 0.4], np.float32), np.array([0.5, 1.5, 2.0, 0.7], np.float32)

    def build(x):
        training = tf1.placeholder(tf.bool, (), name="training")
        y = slim.conv2d(
            x, 4, 1, activation_fn=None, normalizer_fn=slim.batch_norm, normalizer_params={"is_training": training}
        )  # fmt: skip
        return slim.dropout(y, 0.5, is_training=training), {}

    with tf.Graph().as_default(), tf1.Session() as session:
        build(tf1.placeholder(tf.float32, [None, 12, 12, 3]))
        session.run(tf1.global_variables_initializer())
        values = {
            "Conv/weights": kernel,
            "Conv/BatchNorm/moving_mean": mean,
            "Conv/BatchNorm/moving_variance": variance,
        }
        for variable in tf1.global_variables():
            if variable.op.name in values:
                variable.load(values[variable.op.name], session)
        tf1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    trunk = Trunk.from_checkpoint(tmp_path / "model.ckpt", build=build, output=None, preprocessing=FRAME)
    x = images()
    expected = (x @ kernel[0, 0] - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(trunk(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(keras_3() is not None, reason="has Keras 3")
def test_a_file_of_keras_3_is_refused_where_there_is_none(tmp_path):
    with zipfile.ZipFile(tmp_path / "modern.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.writestr(
            "config.json", json.dumps({"module": "keras", "class_name": "Sequential", "config": {}})
        )
    with pytest.raises(ModelFileError, match=r"modern\.keras: saved by Keras 3\.5\.0.*TensorFlow 2\.16"):
        Trunk.from_keras(tmp_path / "modern.keras", preprocessing=FRAME)


# -- iNNvestigate absent -----------------------------------------------------------------------------


@pytest.fixture(params=[None, "1.0.9"])
def without_innvestigate(request, monkeypatch):
    """Not installed, or in the release for TensorFlow 1 that pip takes on Python 3.12."""
    known = installed.version
    monkeypatch.setattr(
        installed, "version", lambda package: request.param if package == "innvestigate" else known(package)
    )
    return request.param or "none"


def test_the_default_engine_is_then_the_same_rule_on_the_graph_itself(without_innvestigate):
    settings = AttributionSettings()
    assert (settings.engine, settings.automatic) == ("native", True)


def test_no_note_without_need(without_innvestigate, recwarn):
    assert AttributionSettings(("saliency",)).engine == "native"
    assert AttributionSettings(engine="deepexplain").engine == "deepexplain"
    assert not recwarn.list


@pytest.mark.parametrize(
    "asked",
    [
        {"engine": "innvestigate"},
        {"methods": ("saliency", "elrp_innvestigate")},
        {"methods": ("lrp.alpha_2_beta_1",)},
    ],
)
def test_what_needs_it_is_refused_in_one_sentence_that_says_what_to_run(without_innvestigate, asked):
    with pytest.raises(MissingExtraError) as caught:
        AttributionSettings(**asked)
    said = str(caught.value)
    assert f"found {without_innvestigate};" in said
    assert installed.INSTALL_INNVESTIGATE in said
    assert "deepexplain" in said
    assert "\n" not in said


@with_innvestigate
def test_the_default_engine_is_innvestigate_where_it_is_installed(recwarn):
    settings = AttributionSettings()
    assert (settings.engine, settings.automatic) == ("innvestigate", True)
    assert not AttributionSettings(engine="innvestigate").automatic
    assert not recwarn.list


# -- the command line --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_command_that_loads_tensorflow_writes_nothing_but_its_own(tmp_path):
    """TF 2.21 logs to stderr while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says."""
    with tf.Graph().as_default() as graph:
        tf.nn.relu(tf1.placeholder(tf.float32, [None, 4, 4, 3]))
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    done = subprocess.run(
        [sys.executable, "-m", "tfattr.cli.main", "inspect", str(tmp_path / "graph.pb")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_a_failed_import_of_tensorflow_shows_what_was_written(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'the reason')\nraise ImportError('no wheel')"
    )
    code = (
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tfattr.cli.quiet import quiet_import\n"
        "try:\n"
        "    with quiet_import():\n"
        "        import tensorflow\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import os, sys\n" + code], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("no wheel", "the reason")
