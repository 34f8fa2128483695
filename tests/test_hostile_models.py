"""Hostile model files: refused in one sentence that names them, or loaded unharmed; nothing of theirs is run."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfattr.compat.keras import keras
from tfattr.errors import GraphError, ModelFileError, SettingsError, TfattrError
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.finite import first_non_finite
from tfattr.zoo.file import read_zoo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

FRAME = Preprocessing((8, 8))
v1 = tf.compat.v1


def frozen(path, build):
    """A graph from a placeholder ``x`` to ``y`` as a .pb file."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        tf.identity(build(x), name="y")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def convolution(x, scale=1.0):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32) * scale
    return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))


def load(path, **kwargs):
    return Trunk.from_frozen_graph(path, input="x:0", output="y:0", preprocessing=FRAME, **kwargs)


def touching(kind, path):
    def build(x):
        content = {
            "ReadFile": lambda: tf.io.read_file(str(path)),
            "MatchingFiles": lambda: tf.io.matching_files(str(path))[0],
            "PyFunc": lambda: v1.py_func(lambda: b"3", [], tf.string),
        }[kind]()
        return convolution(x) + tf.cast(tf.strings.length(content), tf.float32)

    return build


@pytest.mark.parametrize("kind", ["ReadFile", "MatchingFiles", "PyFunc"])
def test_graphs_that_reach_out_are_refused_by_operation(tmp_path, kind):
    (tmp_path / "secret").write_text("secret")
    path = frozen(tmp_path / "net.pb", touching(kind, tmp_path / "secret"))
    with pytest.raises(ModelFileError, match=rf"net\.pb.*{kind}") as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert "--trust" in str(refused.value)


def test_trust_lets_a_reading_graph_through_and_what_is_cut_away_never_counts(tmp_path):
    (tmp_path / "secret").write_text("secret")
    trusted = load(frozen(tmp_path / "net.pb", touching("ReadFile", tmp_path / "secret")), trust=True)
    plain = load(frozen(tmp_path / "plain.pb", convolution))
    x = np.random.default_rng(1).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(trusted(x)), np.asarray(plain(x)) + len("secret"), rtol=1e-5)

    def beside(x):
        tf.io.write_file(str(tmp_path / "written"), "x")
        return convolution(x)

    load(frozen(tmp_path / "beside.pb", beside))
    assert not (tmp_path / "written").exists()


def test_a_call_to_a_function_hides_nothing(tmp_path):
    @tf.function
    def read(x):
        return x + tf.cast(tf.strings.length(tf.io.read_file(str(tmp_path / "secret"))), tf.float32)

    path = frozen(tmp_path / "net.pb", lambda x: read(convolution(x)))
    with pytest.raises(ModelFileError, match="ReadFile"):
        load(path)


def test_lambda_layers_are_not_run(tmp_path):
    mark = tmp_path / "mark"
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Lambda(lambda x: x * 2)]
    )
    model.save(str(tmp_path / "net.h5"), save_format="h5")
    with pytest.raises(ModelFileError, match=r"net\.h5.*Lambda"):
        Trunk.from_keras(tmp_path / "net.h5", preprocessing=FRAME)
    assert not mark.exists()


def test_pickles_are_never_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "mark",))

    from tfattr.safety import safe_pickle

    (tmp_path / "weights.pkl").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(TfattrError, match=r"weights\.pkl"):
        safe_pickle.load(tmp_path / "weights.pkl")
    np.save(tmp_path / "weights.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    from tfattr.affinity import load_authors_layout

    with pytest.raises(TfattrError):
        load_authors_layout(tmp_path / "weights.npy")
    assert not (tmp_path / "mark").exists()


def test_a_builder_of_other_code_needs_trust(tmp_path):
    (tmp_path / "zoo.toml").write_text(
        '[[model]]\nname = "m"\nsource = "checkpoint"\npath = "x"\nbuilder = "pathlib:Path"\nsize = [8, 8]\n'
    )
    (spec,) = read_zoo(tmp_path / "zoo.toml")
    with pytest.raises(SettingsError, match="--trust"):
        spec.load()
    (tmp_path / "zoo.toml").write_text((tmp_path / "zoo.toml").read_text() + "trust = true\n")
    (spec,) = read_zoo(tmp_path / "zoo.toml")
    with pytest.raises(SettingsError, match="--trust"):
        spec.load()


def test_loops_and_sizes_that_lie(tmp_path):
    graph_def = v1.GraphDef.FromString(frozen(tmp_path / "net.pb", convolution).read_bytes())
    relu = next(node for node in graph_def.node if node.op == "Relu")
    convolved = next(node for node in graph_def.node if node.op == "Conv2D")
    convolved.input[0] = relu.name
    (tmp_path / "loop.pb").write_bytes(graph_def.SerializeToString())
    with pytest.raises(GraphError, match="loop"):
        load(tmp_path / "loop.pb")
    graph_def = v1.GraphDef.FromString((tmp_path / "net.pb").read_bytes())
    kernel = next(
        node for node in graph_def.node if node.op == "Const" and node.attr["value"].tensor.tensor_shape.dim
    )
    kernel.attr["value"].tensor.tensor_shape.dim[0].size = 1 << 40
    (tmp_path / "huge.pb").write_bytes(graph_def.SerializeToString())
    with pytest.raises(GraphError, match="damaged"):
        load(tmp_path / "huge.pb")


@pytest.mark.parametrize("scale, what", [(np.nan, "NaN|not finite"), (3e38, "not finite")])
def test_weights_that_are_not_finite_are_named(tmp_path, scale, what):
    with pytest.raises(GraphError, match=what) as refused:
        load(frozen(tmp_path / "net.pb", lambda x: convolution(x, np.float32(scale))))
    assert "Conv2D" in str(refused.value) or "conv" in str(refused.value).lower()


def test_first_tensor_that_is_not_finite():
    layers = [keras.layers.Conv2D(2, 3, kernel_initializer="ones", name=name) for name in ("early", "late")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    trunk = Trunk.from_keras(model, preprocessing=FRAME)
    found = first_non_finite(trunk, np.full((1, 8, 8, 3), 1e36, np.float32))
    assert "late" in found.tensor  # 27 * 1e36 fits float32, 18 times that does not
    assert found.infinite > 0
    assert "early" in first_non_finite(trunk, np.full((1, 8, 8, 3), 1e38, np.float32)).tensor
    assert first_non_finite(trunk, np.zeros((1, 8, 8, 3), np.float32)) is None


def outcome(door):
    """What the door says when it refuses; nothing when it opens."""
    try:
        door()
    except TfattrError as error:
        return str(error)
    return ""


def test_a_saved_trunk_with_a_weight_that_nothing_takes(tmp_path):
    import hashlib
    import json

    load(frozen(tmp_path / "net.pb", convolution)).save(tmp_path / "trunk")
    graph, card = tmp_path / "trunk" / "trunk.pb", tmp_path / "trunk" / "trunk.json"
    graph_def = v1.GraphDef.FromString(graph.read_bytes())
    kernel = next(
        node
        for node in graph_def.node
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_shape.dim) == 4
    )
    graph_def.node.add().CopyFrom(kernel)
    graph_def.node[-1].name = "spare"
    graph.write_bytes(graph_def.SerializeToString(deterministic=True))
    said = json.loads(card.read_text())
    said["provenance"]["graph_sha256"] = hashlib.sha256(graph.read_bytes()).hexdigest()
    card.write_text(json.dumps(said))
    x = np.random.default_rng(1).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(Trunk.load(tmp_path / "trunk")(x), load(tmp_path / "net.pb")(x))


def test_damaged_files_give_one_sentence_or_a_trunk(tmp_path):
    """A quick, fixed part of benchmarks/fuzz_models.py: truncated and bit-flipped frozen graphs and checkpoints."""
    random = np.random.default_rng(0)
    whole = frozen(tmp_path / "net.pb", convolution).read_bytes()
    prefix = tmp_path / "net.ckpt"
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.get_variable("w", initializer=np.ones((3, 3, 3, 4), np.float32))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix))

    def build(x):
        return tf.nn.conv2d(x, v1.get_variable("w", (3, 3, 3, 4)), 1, "SAME"), {}

    doors = [("net.pb", whole, lambda: load(tmp_path / "net.pb"))]
    for suffix in (".index", ".data-00000-of-00001"):
        name = f"net.ckpt{suffix}"
        content = (tmp_path / name).read_bytes()
        doors.append((name, content, lambda: Trunk.from_checkpoint(prefix, build=build, preprocessing=FRAME)))
    outcomes = {"loaded": 0, "refused": 0}
    for name, content, door in doors:
        for trial in range(14):
            damaged = bytearray(content)
            if trial % 2:
                damaged = damaged[: random.integers(0, len(damaged))]
            else:
                for at in random.integers(0, len(damaged), 3):
                    damaged[at] ^= 1 << random.integers(0, 8)
            (tmp_path / name).write_bytes(bytes(damaged))
            said = outcome(door)
            outcomes["refused" if said else "loaded"] += 1
            assert "\n" not in said
            assert not said or "net." in said
        (tmp_path / name).write_bytes(content)
    assert outcomes["refused"] > 20
