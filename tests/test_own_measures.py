"""Measures of tfattr's own against least squares in double precision, written out image by image and position by position."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from found import some

from tfattr.baselines import code_grids, predictivity
from tfattr.baselines.predictivity import components
from tfattr.errors import SettingsError
from tfattr.evaluation.sources import mean_rank

IMAGES, SIDE = 11, 4


def codes(seed: int = 0, images: int = IMAGES) -> dict[str, np.ndarray]:
    """Four related codes; ``b`` has a channel that never changes."""
    random = np.random.default_rng(seed)
    base = random.normal(size=(images, SIDE, SIDE, 3))
    made = {
        "a": base,
        "b": np.concatenate(
            [base[..., :1] ** 2 + 0.3 * random.normal(size=base[..., :1].shape), 0 * base[..., :1]], -1
        ),
        "c": np.roll(base, 1, axis=2)[..., :2] * (3, 0.1) + 0.5 * random.normal(size=base[..., :2].shape),
        "d": random.normal(size=(images, SIDE, SIDE, 2)),
    }
    return {model: np.maximum(code, -0.5).astype(np.float32) for model, code in made.items()}


def unit(code):
    flat = code.reshape(-1, code.shape[-1]).astype(float)
    live = flat.std(axis=0) > 0
    return ((code - flat.mean(axis=0))[..., live] / flat.std(axis=0)[live]).astype(float)


def readout(xs, ys, hidden, seed=0):
    """Squared errors and squares of each image: least squares on rows of ``xs`` ``[N, P, f]``, the ridge as further rows."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(xs.shape[-1], hidden)) / np.sqrt(xs.shape[-1])
    shift = random.normal(0, 0.5, hidden)
    rows = [
        np.array([[*x, *np.where(x @ mixing + shift > 0, x @ mixing + shift, 0), 1.0] for x in one])
        for one in xs
    ]
    errors = np.zeros(len(xs))
    for block in np.array_split(np.arange(len(xs)), 5):
        rest = [image for image in range(len(xs)) if image not in block]
        x, y = np.concatenate([rows[n] for n in rest]), np.concatenate([ys[n] for n in rest])
        ridge = np.sqrt((x**2).sum(axis=1).mean()) * np.eye(x.shape[1])[:-1]
        beta = np.linalg.lstsq(
            np.concatenate([x, ridge]), np.concatenate([y, np.zeros((len(ridge), y.shape[1]))]), rcond=None
        )[0]
        for image in block:
            errors[image] = ((ys[image] - rows[image] @ beta) ** 2).sum()
    return errors, (ys**2).sum(axis=(1, 2))


def by_windows(source, target, window, hidden):
    source, target, half = unit(source), unit(target), window // 2
    height, width = target.shape[1:3]
    xs = [
        [
            np.concatenate(
                [
                    image[min(max(i + di, 0), height - 1), min(max(j + dj, 0), width - 1)]
                    for di in range(-half, half + 1)
                    for dj in range(-half, half + 1)
                ]
            )
            for i in range(height)
            for j in range(width)
        ]
        for image in source
    ]
    return readout(np.array(xs), target.reshape(len(target), -1, target.shape[-1]), hidden)


class TestPredictivity:
    @pytest.mark.parametrize(("window", "hidden"), [(1, 0), (3, 0), (3, 8)])
    def test_equals_least_squares_in_double_precision(self, window, hidden):
        data = codes()
        prepared = predictivity(data, window=window, hidden=hidden)
        found = prepared.affinity()
        for t, target in some(enumerate(data)):
            assert found[t, t] == 1
            for s, source in some(enumerate(data)):
                if s != t:
                    errors, squares = by_windows(data[source], data[target], window, hidden)
                    assert found[t, s] == pytest.approx(1 - errors.sum() / squares.sum(), abs=2e-5)
                    np.testing.assert_allclose(prepared.errors[t, s], errors, rtol=1e-3)

    @pytest.mark.slow
    def test_a_draw_counts_its_images_as_often_as_they_were_drawn(self):
        prepared = predictivity(codes())
        rows = np.array([0, 0, 2, 3, 3, 3, 5, 6, 6, 8, 10])
        errors, squares = by_windows(codes()["c"], codes()["a"], 3, 256)
        expected = 1 - errors[rows].sum() / squares[rows].sum()
        assert prepared.affinity(rows)[0, 2] == pytest.approx(expected, abs=2e-4)
        both = prepared.affinities(np.stack([np.ones(IMAGES), np.bincount(rows, minlength=IMAGES)]))
        np.testing.assert_allclose(both, [prepared.affinity(), prepared.affinity(rows)], atol=1e-12)

    def test_a_vector_and_a_map_are_read_out_by_whole_images(self):
        random = np.random.default_rng(1)
        data = {"a": codes()["a"], "v": random.normal(size=(IMAGES, 6)).astype(np.float32)}
        prepared = predictivity(data, hidden=8)

        def whole(code):
            return unit(unit(code).reshape(IMAGES, -1))[:, None]

        def directions(
            code,
        ):  # principal directions at a mean square of 1, if there are more units than images
            points = whole(code)[:, 0]
            if points.shape[1] <= IMAGES:
                return points[:, None]
            left, singular, _ = np.linalg.svd(points, full_matrices=False)
            return (left * singular / np.sqrt(((left * singular) ** 2).mean()))[:, None]

        errors, squares = readout(directions(data["v"]), directions(data["a"]), 8)
        assert prepared.affinity()[0, 1] == pytest.approx(1 - errors.sum() / squares.sum(), abs=1e-4)
        errors, squares = readout(whole(data["a"]), directions(data["v"]), 8)
        assert prepared.affinity()[1, 0] == pytest.approx(1 - errors.sum() / squares.sum(), abs=1e-4)

    def test_a_relu_of_the_source_is_found_by_the_hidden_layer_only(self):
        source = np.random.default_rng(0).normal(size=(40, 6, 6, 2)).astype(np.float32)
        data = {"source": source, "target": np.abs(source)}
        assert predictivity(data, window=1, hidden=0).affinity()[1, 0] < 0.05
        assert predictivity(data, window=1).affinity()[1, 0] > 0.95

    def test_knows_the_direction(self):
        random = np.random.default_rng(0)
        rich = random.normal(size=(40, 6, 6, 4)).astype(np.float32)
        poor = rich[..., :2] @ random.normal(size=(2, 2)).astype(np.float32)
        found = predictivity({"rich": rich, "poor": poor}, window=1, hidden=0).affinity()
        assert found[1, 0] > 0.99  # the poor code is a function of the rich one
        assert found[0, 1] == pytest.approx(0.5, abs=0.02)  # two of four channels are lost

    def test_a_window_sees_a_neighbour_and_one_position_does_not(self):
        code = np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32)
        data = {"still": code, "moved": np.roll(code, 1, axis=1)}
        assert abs(predictivity(data, window=1).affinity()[0, 1]) < 0.05
        # At one position in eight the neighbour is at the other edge: a correlation of 7/8.
        assert predictivity(data, window=3).affinity()[0, 1] == pytest.approx((7 / 8) ** 2, abs=0.05)

    def test_many_channels_become_principal_components(self):
        random = np.random.default_rng(0)
        code = random.normal(size=(30, 3, 3, 5)) @ random.normal(size=(5, 100))
        found = components(code, 3).reshape(-1, 3).astype(float)
        points = unit(code).reshape(-1, 100)
        singular = np.linalg.svd(points, compute_uv=False)
        assert (found**2).mean() == pytest.approx(1)
        variances = (found**2).sum(axis=0)
        np.testing.assert_allclose(variances / variances[0], (singular[:3] / singular[0]) ** 2, rtol=1e-4)

    def test_sources_are_brought_to_the_grid_of_the_target(self):
        data = codes()
        fine = np.random.default_rng(3).normal(size=(IMAGES, 8, 8, 2)).astype(np.float32)
        fine = unit(fine).astype(np.float32)
        coarse = fine.reshape(IMAGES, 4, 2, 4, 2, 2).mean(axis=(2, 4))
        found = predictivity({"a": data["a"], "x": fine}, hidden=0)
        errors, squares = by_windows(coarse * 1.0, data["a"], 3, 0)
        assert abs(found.affinity()[0, 1] - (1 - errors.sum() / squares.sum())) < 0.05
        assert found.squares[1, 0].sum() == pytest.approx(fine.size, rel=1e-3)  # asked at the fine grid

    def test_a_constant_target_is_undefined(self):
        found = predictivity(
            {"a": codes()["a"], "still": np.ones((IMAGES, SIDE, SIDE, 2), np.float32)}
        ).affinity()
        assert np.isnan(found[1]).all()
        assert found[0, 0] == 1
        assert abs(found[0, 1]) < 0.3

    def test_errors_say_what_was_expected(self):
        with pytest.raises(SettingsError, match="odd"):
            predictivity(codes(), window=2)
        with pytest.raises(SettingsError, match="expected 11"):
            predictivity({**codes(), "e": codes(images=6)["a"]})


class TestCodeGrids:
    def test_a_flattened_map_is_told_from_a_pooled_vector_of_the_same_length(self):
        random = np.random.default_rng(0)
        smooth = np.repeat(np.repeat(random.normal(size=(50, 4, 4, 2)), 2, axis=1), 2, axis=2)
        found = code_grids(
            {
                "map": random.normal(size=(50, 8, 8, 2)),
                "flattened": smooth.reshape(50, -1),
                "pooled": random.normal(size=(50, 128)),
                "common": random.normal(size=(50, 1)) + 0.1 * random.normal(size=(50, 128)),
                "short": random.normal(size=(50, 32)),
            }
        )
        assert found == {"flattened": (8, 8)}

    def test_without_maps_nothing_is_known(self):
        assert code_grids({"v": np.eye(8), "w": np.ones((8, 8))}) == {}


def test_mean_rank_shares_ties_and_keeps_what_is_unknown():
    first = np.array([[9, 0.3, 0.3, 0.1], [0, 9, 1, 2], [1, 0, 9, 2], [np.nan, 1, 2, 9]])
    second = np.array([[9, 1, 2, 3], [0, 9, 1, 2], [2, 1, 9, 0], [0, 1, 2, 9.0]])
    expected = np.array(
        [[4, (2.5 + 1) / 2, (2.5 + 2) / 2, 2], [1, 4, 2, 3], [2.5, 1.5, 4, 2], [np.nan, 1.5, 2.5, 4]]
    )
    np.testing.assert_allclose(mean_rank([first, second]), expected / 4)
    np.testing.assert_allclose(mean_rank(np.stack([[first] * 2, [second] * 2]))[1], expected / 4)


@pytest.mark.slow
def test_needs_no_tensorflow():
    code = "import sys, tfattr.baselines; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
