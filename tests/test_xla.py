"""XLA is used where it compiles and gives the plain function's numbers, and left elsewhere with a note."""

from __future__ import annotations

import types

import numpy as np
import pytest
import tensorflow as tf
from found import some

from tfattr.attribution import AttributionSettings, attributions, xla
from tfattr.errors import SettingsError
from tfattr.trunk import Preprocessing, Trunk

X = tf.constant(np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32))


@pytest.fixture
def trunk(request):
    return types.SimpleNamespace(architecture=types.SimpleNamespace(key=request.node.name))


def made(compiled, seen):
    def make(on):
        seen.append(on)
        return compiled if on else (lambda x: (2 * x, tf.zeros_like(x)))

    return make


def test_the_same_numbers_are_taken(trunk):
    seen = []
    make = made(lambda x: (x * 2.0000001, tf.zeros_like(x)), seen)
    with xla.compiling("on"):
        for _ in range(3):
            xla.call(trunk, ("f",), make, X)
    assert seen == [False, True, True, True]
    assert xla.note(trunk) == "used"


def fails(x):
    raise tf.errors.InvalidArgumentError(None, None, "Detected unsupported operations")


@pytest.mark.parametrize(
    ("compiled", "said"),
    [
        (lambda x: (x * x, tf.zeros_like(x)), "differ from the plain function's"),
        (lambda x: (2 * x, tf.ones_like(x)), "differ from the plain function's"),
        (lambda x: (2 * x / tf.zeros_like(x), tf.zeros_like(x)), "differ from the plain function's"),
        (fails, "does not compile (Detected unsupported operations"),
    ],
)
def test_else_the_plain_function_goes_on(trunk, compiled, said):
    seen = []
    with xla.compiling("on"):
        for _ in range(2):
            first, _ = xla.call(trunk, ("f",), made(compiled, seen), X)
            np.testing.assert_array_equal(first, 2 * X)
    assert seen == [False, True, False]
    assert said in xla.note(trunk)


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_it_is_not_tried_on_the_processor_unless_asked_for(trunk, mode, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["card"] if mode == "off" else [])
    seen = []
    with xla.compiling(mode):
        xla.call(trunk, ("f",), made(fails, seen), X)
    assert seen == [False]
    assert xla.note(trunk) is None


def test_another_mode_is_refused():
    with pytest.raises(SettingsError, match="expected one of auto, on, off"), xla.compiling("maybe"):
        pass


def test_maps_of_a_trunk(tmp_path):
    random = np.random.default_rng(2)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 12, 10, 3], name="x")
        weights = random.normal(0, 0.4, (3, 3, 3, 6)).astype(np.float32)
        tf.nn.elu(tf.nn.conv2d(x, weights, 1, "SAME"), name="y")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    trunk = Trunk.from_frozen_graph(
        tmp_path / "net.pb", input="x:0", output="y:0", preprocessing=Preprocessing((12, 10), range="[-1,1]")
    )
    images = random.uniform(-1, 1, (2, 12, 10, 3)).astype(np.float32)
    for methods in (("saliency", "elrp_deepexplain"), ("grad_input",)):
        settings = AttributionSettings(methods)
        plain = attributions(trunk, images, settings)
        with xla.compiling("on"):
            attributions(trunk, images, settings)
            found = attributions(trunk, images, settings)
        for method in some(methods):
            a, b = found[method].astype(np.float64).ravel(), plain[method].astype(np.float64).ravel()
            assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) >= 1 - 1e-6
    assert xla.note(trunk) == "used"


def test_a_run_says_what_was_found(tmp_path):
    """``--xla on`` reaches the models' functions: each model's note stands in run.json, the maps are the same."""
    import json

    from small_zoo import attribute, write_photos, write_zoo

    from tfattr.records import map_directory, read_maps

    zoo, photos = write_zoo(tmp_path, {"one": 1}), write_photos(tmp_path / "photos", 4)
    for mode in ("on", "off"):
        attribute(zoo, photos, tmp_path / mode, xla=mode)
    said = {mode: json.loads((tmp_path / mode / "run.json").read_text()) for mode in ("on", "off")}
    assert '"xla"' not in json.dumps(said["off"])
    assert '"xla": "used"' in json.dumps(said["on"])
    maps = [
        [one.map for one in read_maps(map_directory(tmp_path / mode, "one", "grad_input"))] for mode in said
    ]
    assert len(maps[0]) == 4
    np.testing.assert_allclose(maps[0], maps[1], atol=2e-3 * np.abs(maps[1]).max())
