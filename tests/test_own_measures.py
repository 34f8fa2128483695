"""Measures of tfattr's own against plain loops over images, positions and models."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import rankdata

from tfattr.errors import SettingsError
from tfattr.measures import columns_centred, consensus, linear_predictivity, mean_ranks, residual_cosines
from tfattr.measures.predictivity import components
from tfattr.rivals import prepare

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


def maps(seed: int = 1, images: int = IMAGES, side: int = 2 * SIDE) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {model: random.normal(size=(images, side, side)) for model in "abcd"}


def by_loops(source, target, weights, blocks, window):
    """Share of the target predicted, by least squares on rows that are written out one by one.

    ``blocks`` are lists of image numbers, repeats allowed; the ridge enters as further rows.
    """

    def unit(code):
        flat = code.reshape(-1, code.shape[-1]).astype(float)
        live = flat.std(axis=0) > 0
        return ((code - flat.mean(axis=0))[..., live] / flat.std(axis=0)[live]).astype(float)

    source, target, half = unit(source), unit(target), window // 2
    rows = []
    for block in blocks:
        xs, ys, ws = [], [], []
        for image in block:
            for i in range(target.shape[1]):
                for j in range(target.shape[2]):
                    x = []
                    for di in range(-half, half + 1):
                        for dj in range(-half, half + 1):
                            inside = 0 <= i + di < source.shape[1] and 0 <= j + dj < source.shape[2]
                            x += list(source[image, i + di, j + dj] if inside else np.zeros(source.shape[-1]))
                    xs.append([*x, 1.0])
                    ys.append(target[image, i, j])
                    ws.append(weights[image, i, j])
        rows.append((np.array(xs), np.array(ys), np.array(ws)))
    errors = 0.0
    for left_out, (x, y, w) in enumerate(rows):
        rest = [part for at, part in enumerate(rows) if at != left_out]
        xr, yr, wr = (np.concatenate(parts) for parts in zip(*rest))
        ridge = np.sqrt(1e-3 * wr.sum()) * np.eye(xr.shape[1])[:-1]
        design = np.concatenate([xr * np.sqrt(wr)[:, None], ridge])
        answer = np.concatenate([yr * np.sqrt(wr)[:, None], np.zeros((len(ridge), yr.shape[1]))])
        beta = np.linalg.lstsq(design, answer, rcond=None)[0]
        errors = errors + (w[:, None] * (y - x @ beta) ** 2).sum(axis=0)
    y, w = np.concatenate([part[1] for part in rows]), np.concatenate([part[2] for part in rows])
    mean = np.average(y, axis=0, weights=w)
    return (1 - errors / (w[:, None] * (y - mean) ** 2).sum(axis=0)).mean()


def position_weights(array):
    """Block means 2 x 2 of absolute values, mean 1."""
    n, h, w = array.shape
    pooled = np.abs(array).reshape(n, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
    return pooled / pooled.mean()


class TestLinearPredictivity:
    @pytest.mark.parametrize("window", [1, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_least_squares_by_loops(self, window, weighted):
        data, looks = codes(), maps()
        found = linear_predictivity(data, looks if weighted else None, window).affinity()
        blocks = np.array_split(np.arange(IMAGES), 5)
        for t, target in enumerate(data):
            weights = position_weights(looks[target]) if weighted else np.ones((IMAGES, SIDE, SIDE))
            for s, source in enumerate(data):
                expected = 1.0 if s == t else by_loops(data[source], data[target], weights, blocks, window)
                assert found[t, s] == pytest.approx(expected, abs=2e-5)

    def test_a_resample_is_the_images_repeated_in_their_blocks(self):
        data, looks = codes(), maps()
        rows = np.array([0, 0, 2, 3, 3, 3, 5, 6, 6, 8, 10])
        prepared = linear_predictivity(data, looks)
        found = prepared.affinity(np.random.default_rng(0).permutation(rows))
        blocks = [[row for row in rows if row in block] for block in np.array_split(np.arange(IMAGES), 5)]
        expected = by_loops(data["c"], data["a"], position_weights(looks["a"]), blocks, 3)
        assert found[0, 2] == pytest.approx(expected, abs=2e-5)
        weights = np.stack([np.ones(IMAGES), np.bincount(rows, minlength=IMAGES)])
        both = prepared.affinities(weights)
        np.testing.assert_allclose(both[1], found, atol=1e-9)
        np.testing.assert_allclose(both[0], prepared.affinity(), atol=1e-9)

    def test_knows_the_direction(self):
        random = np.random.default_rng(0)
        rich = random.normal(size=(40, 6, 6, 4)).astype(np.float32)
        poor = rich[..., :2] @ random.normal(size=(2, 2)).astype(np.float32)
        found = linear_predictivity({"rich": rich, "poor": poor}, window=1).affinity()
        assert found[1, 0] > 0.99  # the poor code is a function of the rich one
        assert found[0, 1] == pytest.approx(0.5, abs=0.02)  # two of four channels are lost

    def test_a_window_sees_a_neighbour_and_one_position_does_not(self):
        code = np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32)
        moved = np.roll(code, 1, axis=1)
        data = {"still": code, "moved": moved}
        assert abs(linear_predictivity(data, window=1).affinity()[0, 1]) < 0.05
        assert linear_predictivity(data, window=3).affinity()[0, 1] == pytest.approx(7 / 8, abs=0.05)

    def test_what_the_target_does_not_look_at_does_not_count(self):
        random = np.random.default_rng(0)
        target = random.normal(size=(20, 4, 4, 2)).astype(np.float32)
        source = target.copy()
        source[:, 2:] = random.normal(size=(20, 2, 4, 2))
        look = np.zeros((20, 4, 4))
        look[:, :2] = 1
        data = {"target": target, "source": source}
        upper = linear_predictivity(data, {"target": look, "source": look}, window=1).affinity()
        alike = linear_predictivity(data, window=1).affinity()
        assert upper[0, 1] > 0.99 > 0.7 > alike[0, 1]

    def test_an_unusable_map_takes_its_image_out(self):
        data, looks = codes(), maps()
        broken = {model: array.copy() for model, array in looks.items()}
        broken["a"][4] = np.nan
        looks["a"][4] = 0
        with_nan, with_zero = (linear_predictivity(data, one).affinity() for one in (broken, looks))
        np.testing.assert_allclose(with_nan, with_zero, atol=1e-6)
        kept = [list(block[block != 4]) for block in np.array_split(np.arange(IMAGES), 5)]
        expected = by_loops(data["c"], data["a"], position_weights(looks["a"]), kept, 3)
        assert with_zero[0, 2] == pytest.approx(expected, abs=2e-5)

    def test_many_channels_become_principal_components(self):
        random = np.random.default_rng(0)
        code = random.normal(size=(30, 3, 3, 5)) @ random.normal(size=(5, 100))
        scores, shares = components(code)
        points = code.reshape(-1, 100)
        points = (points - points.mean(axis=0)) / points.std(axis=0)
        singular = np.linalg.svd(points, compute_uv=False)
        np.testing.assert_allclose(shares, singular[:5] ** 2 / (singular**2).sum(), rtol=1e-6)
        flat = scores.reshape(-1, 5)
        np.testing.assert_allclose(flat.T @ flat / len(flat), np.eye(5), atol=1e-5)
        left = points - flat @ np.linalg.lstsq(flat, points, rcond=None)[0]
        assert np.abs(left).max() < 1e-4

    def test_different_grids_meet_at_the_smaller(self):
        data = codes()
        fine = np.random.default_rng(3).normal(size=(IMAGES, 8, 8, 2)).astype(np.float32)
        coarse = fine.reshape(IMAGES, 4, 2, 4, 2, 2).mean(axis=(2, 4))
        mixed = linear_predictivity({"a": data["a"], "x": fine}).affinity()
        even = linear_predictivity({"a": data["a"], "x": coarse}).affinity()
        np.testing.assert_allclose(mixed, even, atol=1e-4)
        vectors = {"a": data["a"].reshape(IMAGES, -1), "x": coarse}
        np.testing.assert_allclose(
            linear_predictivity(vectors, grids={"a": (4, 4)}).affinity(), even, atol=1e-5
        )

    def test_a_constant_target_is_undefined(self):
        found = linear_predictivity(
            {"a": codes()["a"], "still": np.ones((IMAGES, SIDE, SIDE, 2), np.float32)}
        ).affinity()
        assert np.isnan(found[1]).all()
        assert found[0, 0] == 1
        assert abs(found[0, 1]) < 0.3

    def test_errors_say_what_was_expected(self):
        data = codes()
        with pytest.raises(SettingsError, match="odd"):
            linear_predictivity(data, window=2)
        with pytest.raises(SettingsError, match="maps of b"):
            linear_predictivity(data, {"a": maps()["a"]})
        with pytest.raises(SettingsError, match=r"expected \[11, H, W\]"):
            linear_predictivity(data, maps(images=3))
        with pytest.raises(SettingsError, match="no positions"):
            linear_predictivity({"a": data["a"], "v": np.eye(IMAGES, dtype=np.float32)})


class TestResidualCosines:
    def test_equals_loops(self):
        looks = maps(side=8)
        found = residual_cosines(looks, grid=4)
        models = list(looks)
        for image in range(IMAGES):
            units = []
            for model in models:
                small = np.array(
                    [
                        [looks[model][image, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(4)]
                        for i in range(4)
                    ]
                )
                units.append(small / np.sqrt((small**2).sum()))
            left = [unit - sum(units) / 4 for unit in units]
            for i in range(4):
                for j in range(4):
                    if i != j:
                        cosine = (left[i] * left[j]).sum() / np.sqrt(
                            (left[i] ** 2).sum() * (left[j] ** 2).sum()
                        )
                        assert found.matrices("residual")[image, i, j] == pytest.approx(cosine, abs=1e-6)

    def test_a_common_pattern_disappears(self):
        random = np.random.default_rng(0)
        common = 10 * random.normal(size=(1, 16, 16))
        kinds = random.normal(size=(2, 30, 16, 16))
        looks = {f"m{n}": common + kinds[n // 2] + 0.1 * random.normal(size=(30, 16, 16)) for n in range(4)}
        found = residual_cosines(looks).mean("residual")
        assert found[0, 1] > 0.9
        assert found[2, 3] > 0.9
        assert found[0, 2] < -0.8

    def test_a_zero_map_is_as_if_it_were_not_there(self):
        looks = maps()
        looks["d"][3] = 0
        found = residual_cosines(looks, grid=None).matrices("residual")
        assert np.isnan(found[3, 3, :3]).all()
        others = residual_cosines({model: looks[model] for model in "abc"}, grid=None).matrices("residual")
        np.testing.assert_allclose(found[3, :3, :3], others[3], atol=1e-6)
        assert not np.allclose(found[2, :3, :3], others[2], atol=1e-3)

    def test_models_that_look_alike_in_everything_are_undefined(self):
        same = maps()["a"]
        assert np.isnan(residual_cosines({"a": same, "b": same, "c": 2 * same}).mean("residual")[0, 1])

    def test_errors_name_the_model(self):
        with pytest.raises(SettingsError, match="maps of b"):
            residual_cosines({"a": np.ones((3, 4, 4)), "b": np.ones((2, 4, 4))})
        with pytest.raises(SettingsError, match="no map"):
            residual_cosines({})


class TestConsensus:
    def test_is_the_mean_rank_of_its_parts(self):
        data, looks = codes(), maps()
        found = consensus(data, looks).affinity()
        residual = residual_cosines(looks).matrices("residual").mean(axis=0)
        matrices = [residual, linear_predictivity(data, looks).affinity(), prepare("svcca", data).affinity()]
        for target in range(4):
            others = [source for source in range(4) if source != target]
            ranks = []
            for number, matrix in enumerate(matrices):
                row = matrix[target].copy()
                if number == 0:
                    row -= [np.mean([matrix[k, s] for k in range(4) if k != s]) for s in range(4)]
                ranks.append(rankdata(row[others]))
            np.testing.assert_allclose(found[target, others], np.mean(ranks, axis=0) / 4)
            assert found[target, target] == 1

    def test_draws_by_rows_and_by_weights_agree(self):
        prepared = consensus(codes(), maps())
        random = np.random.default_rng(0)
        rows = random.integers(IMAGES, size=(3, IMAGES))
        weights = np.stack([np.bincount(row, minlength=IMAGES) for row in rows])
        np.testing.assert_allclose(prepared.affinities(weights), [prepared.affinity(row) for row in rows])
        assert len({matrix.tobytes() for matrix in prepared.affinities(weights)}) > 1

    def test_models_may_come_from_a_lazy_mapping(self):
        from collections.abc import Mapping

        class Lazy(Mapping):
            def __init__(self, arrays):
                self.arrays = arrays

            def __getitem__(self, model):
                return self.arrays[model].copy()

            def __iter__(self):
                return iter(self.arrays)

            def __len__(self):
                return len(self.arrays)

        found = consensus(Lazy(codes()), Lazy(maps()))
        np.testing.assert_array_equal(found.affinity(), consensus(codes(), maps()).affinity())
        assert found.models == tuple("abcd")
        assert found.images == IMAGES

    def test_other_models_are_refused(self):
        with pytest.raises(SettingsError, match="different models"):
            consensus(codes(), dict(reversed(maps().items())))


def test_columns_centred():
    matrix = np.array([[1.0, 0.2, np.nan], [0.4, 1.0, 0.5], [0.8, 0.6, 1.0]])
    expected = [[np.nan, -0.2, np.nan], [-0.2, np.nan, 0.0], [0.2, 0.2, np.nan]]
    np.testing.assert_allclose(columns_centred(matrix), expected, atol=1e-12)


def test_mean_ranks_shares_ties_and_keeps_what_is_unknown():
    first = np.array([[9, 0.3, 0.3, 0.1], [0, 9, 1, 2], [1, 0, 9, 2], [np.nan, 1, 2, 9]])
    second = np.array([[9, 1, 2, 3], [0, 9, 1, 2], [2, 1, 9, 0], [0, 1, 2, 9.0]])
    expected = np.array(
        [[4, (2.5 + 1) / 2, (2.5 + 2) / 2, 2], [1, 4, 2, 3], [2.5, 1.5, 4, 2], [np.nan, 1.5, 2.5, 4]]
    )
    np.testing.assert_allclose(mean_ranks([first, second]), expected / 4)


def test_needs_no_tensorflow():
    code = "import sys, tfattr.measures; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
