"""Maps of parts of a representation: against a Jacobian, finite differences, and hand-made mixtures."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from found import some

from tfattr.affinity import AffinityState
from tfattr.attribution import attribute, attributions_and_representation
from tfattr.attribution.dispatch import attributions_for_storage
from tfattr.attribution.parts import mixtures
from tfattr.attribution.settings import AttributionSettings
from tfattr.errors import SettingsError
from tfattr.trunk import Trunk
from tfattr.trunk.preprocessing import Preprocessing

SIDE = 12


def net(channels, flat=False):
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    x = inputs = layers.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="tanh")(x)
    x = layers.Conv2D(channels, 3, padding="same", activation="softplus")(x)
    return tf.keras.Model(inputs, layers.Flatten()(x) if flat else x)


def trunk_of(model):
    return Trunk.from_keras(model, preprocessing=Preprocessing((SIDE, SIDE), range="[0,1]"), name="net")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((3, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def spatial():
    model = net(5)
    return model, trunk_of(model)


def blocks(maps, grid):
    """Block means ``[N, K, H, W]`` to ``[N, grid, grid, K]``."""
    n, k, side, _ = maps.shape
    cell = side // grid
    return np.moveaxis(maps.reshape(n, k, grid, cell, grid, cell).mean(axis=(3, 5)), 1, -1)


def jacobian(model, images, weights):
    """d score_k / d x by ``tf.GradientTape.jacobian``: ``[N, K, H, W, C]``."""
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
        scores = tf.einsum("np,kp->nk", tf.reshape(y, [len(images), -1]), weights)
    return tape.batch_jacobian(scores, x).numpy()


def over_space(weights, positions):
    """Channel weights ``[K, c]`` for every position of a flattened representation."""
    return np.tile(weights, (1, positions))


@pytest.mark.slow
@pytest.mark.parametrize("target, count", [("channels", 5), ("channels:5", 5), ("channels:3", 3)])
def test_maps_are_those_of_the_jacobian(spatial, images, target, count):
    model, trunk = spatial
    weights = mixtures(5, count)
    slopes = jacobian(model, images, over_space(weights, 36))
    settings = AttributionSettings(target=target, options={"grid": 4})
    found, y = attributions_and_representation(trunk, images, settings)
    assert set(found) == {"grad_input", "gradient_norm"}
    wanted = {
        "grad_input": (slopes * images[:, None]).mean(axis=-1),
        "gradient_norm": np.sqrt((slopes**2).sum(axis=-1)),
    }
    for method, maps in wanted.items():
        assert found[method].shape == (3, 4, 4, count)
        np.testing.assert_allclose(found[method], blocks(maps, 4), atol=1e-6 * abs(maps).max())
    np.testing.assert_allclose(y, model(images), atol=1e-5)


def test_maps_are_those_of_finite_differences(spatial, images):
    model, trunk = spatial
    kernels = [weight.astype(np.float64) for weight in model.get_weights()]

    def scores(x):  # the network by hand in float64
        y = tf.nn.tanh(tf.nn.conv2d(x, kernels[0], 2, "SAME") + kernels[1])
        return tf.reduce_sum(
            tf.nn.softplus(tf.nn.conv2d(y, kernels[2], 1, "SAME") + kernels[3]), axis=(1, 2)
        ).numpy()

    image = images[:1].astype(np.float64)
    found = attribute(trunk, images[:1], "grad_input", target="channels", grid=SIDE)
    for row, column in ((0, 0), (3, 7), (11, 5)):
        slope = np.zeros((3, 5))
        for colour in range(3):
            step = np.zeros_like(image)
            step[0, row, column, colour] = 1e-4
            slope[colour] = (scores(image + step) - scores(image - step))[0] / 2e-4
        wanted = (slope * image[0, row, column][:, None]).mean(axis=0)
        np.testing.assert_allclose(found[0, row, column], wanted, rtol=1e-3, atol=1e-6)


def test_parts_sum_to_the_paper_s_map(spatial, images):
    """All channels together are the sum's map: gradients are linear."""
    _, trunk = spatial
    parts = attribute(trunk, images, "grad_input", target="channels", grid=SIDE).sum(axis=-1)
    whole = attribute(trunk, images, "grad_input").mean(axis=-1)
    np.testing.assert_allclose(parts, whole, atol=1e-5 * abs(whole).max())


def test_a_vector_s_parts_are_mixtures_of_its_units(images):
    model = net(4, flat=True)
    trunk = trunk_of(model)
    weights = mixtures(144, 6, seed=3)
    slopes = jacobian(model, images, weights)
    found = attribute(trunk, images, "gradient_norm", target="channels:6", grid=6, mixture_seed=3)
    wanted = blocks(np.sqrt((slopes**2).sum(axis=-1)), 6)
    np.testing.assert_allclose(found, wanted, atol=1e-6 * wanted.max())
    other = attribute(trunk, images, "gradient_norm", target="channels:6", grid=6, mixture_seed=4)
    assert abs(other - found).max() > 0.01 * wanted.max()


def test_spans_of_all_channels_do_not_depend_on_the_basis(spatial, images):
    """Another basis of the code: its sum has another map, its parts have the same span."""
    model, trunk = spatial
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((5, 5)))[0].astype(np.float32)
    turned = trunk_of(
        tf.keras.Model(model.input, tf.keras.layers.Lambda(lambda y: tf.tensordot(y, turn, 1))(model.output))
    )
    for target, measure, low, high in (
        ("sum", "cosine", -1, 0.9),
        ("channels", "subspace", 0.9999, 1.0001),
        ("channels", "explained", 0.9999, 1.0001),
    ):
        maps = [attribute(one, images, "grad_input", target=target) for one in (trunk, turned)]
        state = AffinityState.empty(("a", "b"), measure=measure)
        for number in range(len(images)):
            state.update([one[number] for one in maps], str(number))
        assert low <= state.compute()[0][0, 1] <= high


def test_mixtures():
    np.testing.assert_array_equal(mixtures(7, 8), np.eye(7))
    eight, four = mixtures(50, 8), mixtures(50, 4)
    assert set(np.unique(eight)) == {-1, 1}
    np.testing.assert_array_equal(eight[:4], four)
    assert np.linalg.matrix_rank(eight) == 8
    assert (mixtures(50, 8, seed=1) != eight).any()


def test_what_is_stored(spatial, images):
    _, trunk = spatial
    settings = AttributionSettings(target="channels:3")
    maps, code = attributions_for_storage(trunk, images, settings)
    for method, found in some(maps.items()):
        side = {"grad_input": 16, "gradient_norm": 8}[method]
        assert found.stored.shape == (3, side, side, 3)
        assert found.stored.dtype == np.float16
        raw = attribute(trunk, images, method, target="channels:3")
        np.testing.assert_allclose(
            found.stored * found.scale[:, None, None, None], raw, atol=1e-3 * abs(raw).max()
        )
    assert code.shape == (3, 6, 6, 5)


def test_gradient_norm_of_the_sum(spatial, images):
    model, trunk = spatial
    slopes = jacobian(model, images, np.ones((1, 180), np.float32))
    found = attribute(trunk, images, "gradient_norm")
    assert found.shape == (3, SIDE, SIDE, 1)
    np.testing.assert_allclose(found[..., 0], np.sqrt((slopes[:, 0] ** 2).sum(axis=-1)), atol=1e-5)


@pytest.mark.parametrize(
    "given, message",
    [
        (
            {"target": "channels:0"},
            "Target 'channels:0' is not known; expected sum or energy or channels or channels:K",
        ),
        ({"target": "sum:3"}, "Target 'sum:3' is not known"),
        ({"target": "channels:x"}, "Target 'channels:x' is not known"),
        (
            {"target": "channels", "methods": ("saliency",)},
            "With target channels:8 the methods are grad_input and",
        ),
        ({"target": "channels", "options": {"grid": 0}}, "grid is 0 and mixture_seed 0; expected a positive"),
        ({"options": {"grid": 8}}, "Option 'grid' belongs to none of the methods"),
    ],
)
def test_settings_that_are_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        AttributionSettings(engine="deepexplain", **given)
