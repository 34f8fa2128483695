"""The iNNvestigate engine as a whole: identities, other analyzers, sharing, and what it leaves behind."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from lrp_nets import (
    chain,
    const,
    conv,
    cosines,
    dense,
    evaluate,
    flatten,
    freeze,
    gradient,
    images,
    weights,
)

from tfattr.attribution.keras_graph import GraphView, build_keras_model, load_weights, make_plan
from tfattr.attribution.lrp import analyzers, clear_cache, engine, relevance
from tfattr.attribution.lrp.session import AnalyzerSession
from tfattr.compat.analyzer_keras import graph_mode, keras
from tfattr.compat.innvestigate import innvestigate
from tfattr.errors import GraphError, SettingsError, UnsupportedOpError

SHAPE = (8, 8, 3)


@pytest.fixture(autouse=True)
def _fresh():
    yield
    clear_cache()


def residual(seed, channels, bias=0.1):
    first, second = conv(seed, channels, channels, bias=bias), conv(seed + 2, channels, channels, bias=bias)
    return lambda x: tf.nn.relu(x + 0.3 * second(tf.nn.relu(first(x))))


def relu_net(bias=0.1, seed=1):
    return chain(
        conv(seed, 3, 6, bias=bias),
        tf.nn.relu,
        lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
        residual(seed + 10, 6, bias),
        conv(seed + 20, 6, 4, bias=bias),
        tf.nn.relu,
        flatten,
        dense(seed + 30, 64, 5, bias=bias),
    )


def smooth_net():
    return chain(
        conv(1, 3, 4), tf.nn.elu, conv(3, 4, 4), tf.sigmoid, flatten, dense(5, 256, 5), tf.nn.softplus
    )


# -- identities --------------------------------------------------------------------------------------


def test_tends_to_gradient_times_input_on_relu_nets():
    graph, x = freeze(relu_net(), SHAPE), images(4, SHAPE)
    wanted = x * gradient(*graph, x)
    errors = []
    for epsilon in (1e-2, 1e-4, 1e-6):
        found = relevance(*graph, x, epsilon=epsilon)
        errors.append(np.abs(found - wanted).max() / np.abs(wanted).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-4


def test_energy_tends_to_the_gradient_of_half_the_squared_norm():
    graph, x = freeze(relu_net(), SHAPE), images(4, SHAPE)
    wanted = x * gradient(*graph, x, seed="units")
    found = relevance(*graph, x, epsilon=1e-7, target="energy")
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_relevance_is_conserved_without_biases():
    graph, x = freeze(relu_net(bias=0), SHAPE), images(4, SHAPE)
    found = relevance(*graph, x, epsilon=1e-6).sum((1, 2, 3))
    wanted = evaluate(*graph, x).sum(1)
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(evaluate(*graph, x)).sum(1).max())


def test_tends_to_the_authors_formula_on_smooth_nets_and_not_to_the_gradient():
    graph, x = freeze(smooth_net(), SHAPE), images(4, SHAPE)
    found = relevance(*graph, x, epsilon=1e-7)
    authors = x * gradient(*graph, x, eps=1e-7)
    np.testing.assert_allclose(found, authors, atol=1e-4 * np.abs(authors).max())
    assert cosines(found, x * gradient(*graph, x)).max() < 0.99


def test_a_saturated_relu6_keeps_relevance_here_and_none_in_the_authors_formula():
    graph = freeze(chain(conv(1, 3, 4), lambda x: tf.nn.relu6(x + 8.0), flatten, dense(5, 256, 2)), SHAPE)
    x = images(2, SHAPE)
    assert not np.any(gradient(*graph, x, eps=1e-4))  # every unit is saturated
    found = relevance(*graph, x, epsilon=1e-7)
    passing = x * gradient(*graph, x, eps=1e-7, changed=("Relu6",))
    np.testing.assert_allclose(found, passing, atol=1e-4 * np.abs(passing).max())


# -- other analyzers ---------------------------------------------------------------------------------


def stock(name, x, **options):
    """iNNvestigate itself on a Keras model with fused activations: conv, max-pool, conv, dense."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    L = keras.layers
    with graph_mode(session):
        model = keras.Sequential(
            [
                L.Conv2D(6, 3, padding="same", activation="relu", input_shape=SHAPE),
                L.MaxPooling2D(),
                L.Conv2D(4, 3, padding="same", activation="relu"),
                L.Flatten(),
                L.Dense(5, activation="relu"),
            ]
        )
        arrays = [weights(1, 3, 3, 3, 6), weights(2, 6, scale=0.1), weights(3, 3, 3, 6, 4)]
        arrays += [weights(4, 4, scale=0.1), weights(5, 64, 5), weights(6, 5, scale=0.1)]
        model.set_weights(arrays)
        analyzer = innvestigate.create_analyzer(name, model, neuron_selection_mode="all", **options)
        found = analyzer.analyze(x)
    session.close()
    return found


def same_net(x):
    x = tf.nn.relu(conv(1, 3, 6)(x))
    x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.nn.relu(conv(3, 6, 4)(x))
    return tf.nn.relu(dense(5, 64, 5)(flatten(x)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in analyzers() if n not in ("deconvnet", "guided_backprop")])
def test_equals_innvestigate_where_innvestigate_is_right(name):
    x = images(3, SHAPE)
    options = {"epsilon": 1e-3} if name == "lrp.epsilon" else {}
    wanted = stock(name, x, **options)
    found = relevance(*freeze(same_net, SHAPE), x, analyzer=name, epsilon=1e-3)
    assert np.any(wanted)
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["deconvnet", "guided_backprop"])
def test_guided_analyzers_equal_innvestigate_when_seeded_alike(name):
    """iNNvestigate seeds these two with the units' values, which is the energy target."""
    x = images(3, SHAPE)
    found = relevance(*freeze(same_net, SHAPE), x, analyzer=name, target="energy")
    wanted = stock(name, x)
    np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


def wide_net(x):
    """What the builders hold beside plain convolutions: first padding, depthwise, ReLU6, scaling, Mean."""
    x = tf.nn.relu(conv(1, 3, 4, strides=2, padding="VALID")(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])))
    x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, const(weights(7, 3, 3, 4, 1), x), [1, 1, 1, 1], "SAME"))
    x = tf.nn.relu(const(np.abs(weights(8, 4, scale=1.0)), x) * x + 0.1)
    x = tf.concat([tf.nn.avg_pool2d(x, 3, 1, "SAME"), residual(11, 4)(x)], 3)
    return tf.reduce_mean(tf.nn.depth_to_space(x, 2), [1, 2])


@pytest.mark.slow
@pytest.mark.parametrize("name", analyzers())
def test_every_analyzer_takes_what_the_builders_hold(name):
    graph, x = freeze(wide_net, SHAPE), images(2, SHAPE)
    maps = [relevance(*graph, x, analyzer=name, target=target) for target in ("sum", "energy")]
    for found in maps:
        assert found.shape == x.shape
        assert found.dtype == np.float32
        assert np.all(np.isfinite(found))
        assert np.any(found, axis=(1, 2, 3)).all()
    assert not np.allclose(maps[0], maps[1], atol=1e-3 * np.abs(maps[0]).max())


@pytest.mark.parametrize("target", ["sum", "energy"])
def test_gradient_analyzers_are_the_gradient(target):
    graph, x = freeze(wide_net, SHAPE), images(2, SHAPE)
    wanted = gradient(*graph, x, seed="ones" if target == "sum" else "units")
    found = relevance(*graph, x, analyzer="gradient", target=target)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    found = relevance(*graph, x, analyzer="input_t_gradient", target=target)
    np.testing.assert_allclose(found, x * wanted, atol=1e-5 * np.abs(wanted).max())


def test_flat_preset_reaches_the_first_convolution_behind_padding():
    """The flat rule spreads relevance evenly over each window: it cannot depend on the first kernel."""
    x = images(1, SHAPE)
    found = []
    for seed in (1, 77):
        kernel = np.abs(weights(seed, 3, 3, 3, 1))  # one filter; the relevance it receives is set below

        def function(x, kernel=kernel):
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
            y = tf.nn.conv2d(x, const(kernel, x), 8, "VALID")
            return flatten(y / tf.sqrt(y * y + 1e-12))

        found.append(relevance(*freeze(function, SHAPE), np.abs(x), analyzer="lrp.sequential_preset_a_flat"))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


# -- sharing -----------------------------------------------------------------------------------------


def test_trunks_of_one_structure_share_an_analyzer_and_not_their_weights():
    x = images(2, SHAPE)
    nets = [freeze(relu_net(seed=seed), SHAPE) for seed in (1, 101)]
    alone = []
    for net in nets:
        alone.append(relevance(*net, x))
        clear_cache()
    shared = [relevance(*net, x) for net in (*nets, nets[0])]
    assert len(engine._built) == 1
    np.testing.assert_array_equal(shared[0], alone[0])
    np.testing.assert_array_equal(shared[1], alone[1])
    np.testing.assert_array_equal(shared[2], alone[0])
    assert cosines(alone[0], alone[1]).max() < 0.9


@pytest.mark.parametrize(
    "limit, value, kept", [("KEPT_ANALYZERS", 2, 2), ("KEPT_BYTES", 500, 1), ("KEPT_BYTES", 1, 1)]
)
def test_kept_analyzers_are_bounded(monkeypatch, limit, value, kept):
    monkeypatch.setattr(engine, limit, value)
    x = images(1, SHAPE)
    for channels in (2, 3, 4):  # 224, 336, 448 bytes of weights
        relevance(*freeze(chain(conv(1, 3, channels), tf.nn.relu), SHAPE), x)
    assert len(engine._built) == kept
    assert len(engine._trunks) <= engine.KEPT_TRUNKS


def test_batches_do_not_matter():
    graph, x = freeze(relu_net(), SHAPE), images(5, SHAPE)
    whole = relevance(*graph, x)
    np.testing.assert_allclose(relevance(*graph, x, batch_size=2), whole, atol=1e-6)
    assert relevance(*graph, x[:0]).shape == (0, *SHAPE)


# -- what it leaves behind ---------------------------------------------------------------------------


def small_model():
    inputs = keras.layers.Input((6,))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(hidden))


def train_eagerly(model):
    x = tf.constant(weights(1, 8, 6, scale=1.0))
    before = [w.numpy() for w in model.trainable_weights]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - 1.0))
    gradients = tape.gradient(loss, model.trainable_weights)
    optimiser = keras.optimizers.SGD(0.1)
    optimiser.apply_gradients(zip(gradients, model.trainable_weights))
    return [w.numpy() - b for w, b in zip(model.trainable_weights, before)]


@pytest.mark.slow
def test_an_eager_keras_model_survives_and_a_new_one_can_be_made():
    old = small_model()
    assert any(np.any(step) for step in train_eagerly(old))
    classes = {c: c.__bases__ for c in (keras.layers.Dense, keras.layers.Conv2D, keras.Model)}
    relevance(*freeze(relu_net(), SHAPE), images(1, SHAPE))
    assert {c: c.__bases__ for c in classes} == classes
    assert any(np.any(step) for step in train_eagerly(old))
    new = small_model()
    new.compile("sgd", "mse")
    new.fit(np.ones((8, 6)), np.ones((8, 2)), verbose=0)
    relevance(*freeze(relu_net(), SHAPE), images(1, SHAPE))


def test_the_users_keras_is_not_touched_while_an_analyzer_is_built():
    """Another thread makes and trains a model of ``tf.keras`` in the middle of the building."""

    def bases():
        found, queue = {}, [tf.keras.layers.Layer, tf.keras.Model]
        while queue:
            queue += (layer := queue.pop()).__subclasses__()
            found[layer] = layer.__bases__
        return found

    def user():
        assert tf.executing_eagerly()
        made = tf.keras.Sequential([tf.keras.layers.Input((6,)), tf.keras.layers.Dense(2, use_bias=False)])
        x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(8, 6)
        kernel = made.get_weights()[0]
        made.compile(tf.keras.optimizers.SGD(0.1), "mse")
        made.fit(x, np.zeros((8, 2)), batch_size=8, verbose=0)
        np.testing.assert_allclose(
            made.predict(x, verbose=0), x @ (kernel - 0.1 * x.T @ (x @ kernel) / 8), rtol=1e-4, atol=1e-6
        )
        return True

    before = bases()
    assert len(before) > 50
    with ThreadPoolExecutor(1) as pool, graph_mode(tf.compat.v1.Session(graph=tf.Graph())):
        keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(2)])
        assert any(
            "_v1" in each.__module__ for each in keras.layers.Dense.__mro__
        )  # rewritten, in a Keras of our own
        assert {layer: now for layer, now in bases().items() if layer in before} == before
        assert pool.submit(user).result()


def test_process_state_is_as_before():
    utilities = importlib.import_module("tf_keras.src.engine.base_layer_utils")
    assert tf.executing_eagerly()
    graph, session = tf.compat.v1.get_default_graph(), tf.compat.v1.get_default_session()
    relevance(*freeze(relu_net(), SHAPE), images(1, SHAPE))
    assert tf.executing_eagerly()
    assert tf.compat.v1.get_default_session() is session
    assert tf.compat.v1.get_default_graph() is graph
    assert utilities._UNSAFE_GRAPH_OP_LAYER_CREATION is False
    x = tf.constant([2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.function(lambda v: v * v)(x)
    assert tape.gradient(y, x).numpy() == pytest.approx([4.0])


def test_keras_own_session_is_kept():
    mine = tf.compat.v1.Session(graph=tf.Graph())
    backend = importlib.import_module("tf_keras.api._v1.keras.backend")
    with mine.graph.as_default():
        backend.set_session(mine)
        relevance(*freeze(relu_net(), SHAPE), images(1, SHAPE))
        assert backend.get_session() is mine
    backend.set_session(None)
    mine.close()


def test_state_is_restored_when_building_fails():
    bases = keras.layers.Conv2D.__bases__
    with pytest.raises(UnsupportedOpError, match="deep_taylor is defined for ReLU networks"):
        relevance(*freeze(smooth_net(), SHAPE), images(1, SHAPE), analyzer="deep_taylor")
    assert keras.layers.Conv2D.__bases__ == bases
    assert tf.executing_eagerly()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lrp.epsilon", "lrp.alpha_2_beta_1"])
def test_the_fast_way_of_building_gives_the_numbers_of_the_slow_way(name):
    plan, x = make_plan(GraphView(*freeze(relu_net(), SHAPE))), images(2, SHAPE)
    maps = []
    for fast in (True, False):
        session = AnalyzerSession(plan, name, fast=fast)
        session.load(plan)
        maps.append(session.relevance(x, 1e-4, False))
        session.close()
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-6, atol=1e-6 * np.abs(maps[0]).max())


def test_weights_are_those_of_the_plan():
    plan = make_plan(GraphView(*freeze(relu_net(), SHAPE)))
    with tf.compat.v1.Session(graph=tf.Graph()) as session, graph_mode(session):
        model = build_keras_model(plan)
        load_weights(session, model, plan)
        kernel = session.run(model.get_layer("layer0001_conv").kernel)
    np.testing.assert_array_equal(kernel, weights(1, 3, 3, 3, 6))


# -- refusals ----------------------------------------------------------------------------------------


def test_wrong_settings_are_one_sentence():
    graph, x = freeze(relu_net(), SHAPE), images(1, SHAPE)
    with pytest.raises(SettingsError, match=r"'lrp\.eps'.*lrp\.epsilon"):
        relevance(*graph, x, analyzer="lrp.eps")
    with pytest.raises(SettingsError, match="'max'.*sum, energy"):
        relevance(*graph, x, target="max")
    with pytest.raises(SettingsError, match="positive"):
        relevance(*graph, x, epsilon=0.0)


def test_unknown_operation_is_refused_with_its_name():
    graph = freeze(lambda x: tf.raw_ops.Lgamma(x=x, name="strange"), SHAPE)
    with pytest.raises(UnsupportedOpError, match=r"Lgamma \(node 'strange'\).*deepexplain"):
        relevance(*graph, images(1, SHAPE))


def test_missing_tensor_is_refused():
    graph, source, _ = freeze(relu_net(), SHAPE)
    with pytest.raises(GraphError, match="no tensor"):
        relevance(graph, source, "logits:0", images(1, SHAPE))
