"""SVCCA against scipy's principal angles, its invariances and known variances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from tfattr.baselines import svcca
from tfattr.baselines.svcca import leading
from tfattr.errors import SettingsError

IMAGES = 60


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def mean_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Cosines of the principal angles between the centred columns, which the canonical correlations are."""
    return np.cos(subspace_angles(one - one.mean(axis=0), other - other.mean(axis=0))).mean()


def related(random, images: int = IMAGES, grid=(4, 6), channels=(5, 7)) -> tuple[np.ndarray, np.ndarray]:
    """Two maps over the same hidden field, so that they agree in part."""
    hidden = random.normal(size=(images, *grid, 4))
    first, second = (
        (hidden @ random.normal(size=(4, count)) + random.normal(size=(images, *grid, count))).astype(
            np.float32
        )
        for count in channels
    )
    return first, second


def points(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1]).astype(np.float64)


def test_positions_of_maps_are_data_points(random):
    first, second = related(random)
    found = svcca({"a": first, "b": second}, variance=1).affinity()
    assert found[0, 1] == pytest.approx(mean_correlation(points(first), points(second)), abs=1e-5)
    assert 0.3 < found[0, 1] < 0.9


def test_a_draw_repeats_whole_images(random):
    first, second = related(random)
    prepared = svcca({"a": first, "b": second}, variance=1)
    for _ in range(3):
        rows = random.integers(IMAGES, size=IMAGES)
        expected = mean_correlation(points(first[rows]), points(second[rows]))
        assert prepared.affinity(rows)[0, 1] == pytest.approx(expected, abs=1e-5)


def test_invertible_maps_of_the_channels_change_nothing(random):
    first, _ = related(random)
    mixed = first @ random.normal(size=(5, 5)) + 30
    assert svcca({"a": first, "b": mixed}, variance=1).affinity()[0, 1] == pytest.approx(1, abs=1e-5)


def test_directions_below_one_percent_of_the_variance_do_not_count(random):
    """A rotation of the channels is seen through; two models that differ in a faint direction alone are alike."""
    strong = random.normal(size=(IMAGES, 5, 5, 3))
    faint = [
        np.concatenate([strong, 0.05 * random.normal(size=(IMAGES, 5, 5, 1))], axis=-1) for _ in range(2)
    ]
    rotation = np.linalg.qr(random.normal(size=(4, 4)))[0]
    pair = {"a": faint[0], "b": faint[1] @ rotation}
    assert svcca(pair).affinity()[0, 1] == pytest.approx(1, abs=0.01)
    assert svcca(pair, variance=1).affinity()[0, 1] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("shape", [(400, 6), (6, 400)])
def test_as_many_directions_as_hold_the_variance(random, shape):
    """Variances 60, 25, 10, 4, 1 percent, in tall and in wide tables."""
    count = 5
    # Columns at right angles to each other and to the constant, so that centring leaves them.
    left = np.linalg.qr(np.c_[np.ones(shape[0]), random.normal(size=(shape[0], count))])[0][:, 1:]
    right = np.linalg.qr(random.normal(size=(shape[1], count)))[0]
    table = left @ np.diag(np.sqrt([60, 25, 10, 4, 1])) @ right.T + 5
    assert leading(table, 0.59, 9).shape[1] == 1
    assert leading(table, 0.61, 9).shape[1] == 2
    assert leading(table, 0.985, 9).shape[1] == 4
    assert leading(table, 0.995, 9).shape[1] == 5
    assert leading(table, 1, 2).shape[1] == 2
    scores = leading(table, 0.995, 9)
    np.testing.assert_allclose(scores.T @ scores / len(table), np.eye(5), atol=1e-4)


def test_vectors_are_compared_over_images(random):
    first, second = related(random, images=200, grid=(1, 1))
    vectors = {"a": first[:, 0, 0], "b": second[:, 0, 0]}
    found = svcca(vectors, variance=1).affinity()[0, 1]
    assert found == pytest.approx(mean_correlation(*vectors.values()), abs=1e-5)


def test_as_many_directions_as_images_agree_whatever_they_are_unless_limited(random):
    wide = {name: random.normal(size=(IMAGES, 300)) for name in "ab"}
    assert svcca(wide, variance=1, directions=IMAGES).affinity()[0, 1] == pytest.approx(1, abs=1e-5)
    limited = svcca(wide)
    assert {scores.shape[-1] for scores in limited.scores[1, 1].values()} == {IMAGES // 5}
    assert limited.affinity()[0, 1] < 0.5


def test_grids_that_differ_are_averaged_to_the_smaller(random):
    first, second = related(random)
    small = second.reshape(IMAGES, 2, 2, 2, 3, 7).mean(axis=(2, 4))
    averaged = first.reshape(IMAGES, 2, 2, 2, 3, 5).mean(axis=(2, 4))
    found = svcca({"a": first, "b": second, "c": small}, variance=1).affinity()
    assert found[0, 2] == pytest.approx(mean_correlation(points(averaged), points(small)), abs=1e-5)
    assert found[0, 1] == pytest.approx(mean_correlation(points(first), points(second)), abs=1e-5)
    assert found[1, 2] == pytest.approx(1, abs=1e-5)


def test_a_vector_meets_the_mean_of_a_map_where_positions_are_asked_for(random):
    first, second = related(random)
    vector = second.mean(axis=(1, 2))
    found = svcca({"a": first, "b": vector}, variance=1, points="positions").affinity()[0, 1]
    assert found == pytest.approx(mean_correlation(first.mean(axis=(1, 2)).astype(float), vector), abs=1e-5)


def test_vectors_beside_maps_are_compared_over_images(random):
    first, second = related(random, images=300, grid=(2, 2), channels=(3, 5))
    vector = second[:, 0, 0]
    found = svcca({"a": first, "b": vector}, variance=1).affinity()[0, 1]
    assert found == pytest.approx(mean_correlation(first.reshape(300, -1).astype(float), vector), abs=1e-5)


def test_a_flattened_map_can_be_named(random):
    first, second = related(random)
    pair = svcca({"a": first, "b": second})
    named = svcca({"a": first, "b": second.reshape(IMAGES, -1)}, maps={"b": (4, 6)})
    np.testing.assert_array_equal(named.affinity(), pair.affinity())


@pytest.mark.parametrize(
    "options, words",
    [
        ({"variance": 0}, "a share above 0"),
        ({"directions": 0}, "at least 1 direction"),
        ({"points": "pixels"}, "positions or images"),
        ({"maps": {"b": (4, 5)}}, "b has 9 values an image, which is no flattened map of 4 x 5"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(random, options, words):
    pair = {"a": random.normal(size=(20, 4, 5, 3)), "b": random.normal(size=(20, 9))}
    with pytest.raises(SettingsError, match=words):
        svcca(pair, **options)


def test_a_representation_without_a_grid_is_refused(random):
    with pytest.raises(SettingsError, match=r"\[N, h, w, c\] or \[N, c\]"):
        svcca({"a": random.normal(size=(20, 4, 5))})
