"""RSA, CKA, DDS and DEPARA against scipy, closed forms and loops over pairs of images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from found import some
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr, zscore

from tfattr.affinity import ImageCosines
from tfattr.baselines import BASELINES, dds, deconfounded_cka, depara, depara_edges, linear_cka, rsa
from tfattr.baselines import prepare as prepare_rival
from tfattr.baselines.comparisons import RankComparison, normalised
from tfattr.errors import SettingsError

IMAGES = 12


@pytest.fixture
def representations() -> dict[str, np.ndarray]:
    """Three models that share something: two maps of different sizes and a vector."""
    random = np.random.default_rng(7)
    common = random.normal(size=(IMAGES, 6))
    mixed = {
        "map": common @ random.normal(size=(6, 60)),
        "small": common @ random.normal(size=(6, 16)),
        "vector": common @ random.normal(size=(6, 9)),
    }
    noisy = {name: array + random.normal(size=array.shape) + 3 for name, array in mixed.items()}
    shapes = {"map": (4, 5, 3), "small": (2, 2, 4), "vector": (9,)}
    return {name: array.reshape(IMAGES, *shapes[name]).astype(np.float32) for name, array in noisy.items()}


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).integers(IMAGES, size=IMAGES)


def flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1).astype(np.float64)


OTHERS = [name for name, one in BASELINES.items() if one.kind == "baseline"]
INPUTS = np.random.default_rng(11).normal(size=(IMAGES, 3, 3, 3))


def prepare(name: str, representations):
    """Every baseline by its name; one of them looks at the images too."""
    nodes = ImageCosines(
        tuple(representations),
        tuple(map(str, range(IMAGES))),
        {"grad_input": np.full((IMAGES, len(representations) * (len(representations) - 1) // 2), 0.5)},
    )
    options = {"deconfounded_cka": {"inputs": INPUTS}, "depara": {"nodes": nodes}}
    return prepare_rival(name, representations, **options.get(name, {}))


def pairwise(values: list[np.ndarray], compare) -> np.ndarray:
    return np.array([[compare(one, other) for other in values] for one in values])


def drawn_pairs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of places in the draw that hold different images, as pairs of images."""
    return [(i, j) for i, j in itertools.combinations(rows, 2) if i != j]


def drawn_values(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.array([matrix[pair] for pair in drawn_pairs(rows)])


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    return spearmanr(one, other).statistic


# RSA


@pytest.mark.parametrize("centred", [True, False])
def test_rsa_is_scipys_correlation_distance_and_spearman(representations, centred):
    tables = [flat(array) for array in representations.values()]
    rdms = [pdist(table - table.mean(axis=0) * centred, "correlation") for table in tables]
    np.testing.assert_allclose(
        rsa(representations, centred=centred).affinity(), pairwise(rdms, spearman), atol=1e-12
    )


def test_rsa_of_a_draw_ranks_its_pairs_and_drops_an_image_with_itself(representations, rows):
    rdms = [squareform(pdist(flat(array), "correlation")) for array in representations.values()]
    expected = pairwise([drawn_values(rdm, rows) for rdm in rdms], spearman)
    prepared = rsa(representations, centred=False)
    np.testing.assert_allclose(prepared.affinity(rows), expected, atol=1e-12)
    assert abs(expected - prepared.affinity()).max() > 0.01


def test_ranks_of_a_draw_share_ties_between_different_pairs(rows):
    random = np.random.default_rng(1)
    tied = [np.round(squareform(pdist(random.normal(size=(IMAGES, 2)))) * 2) for _ in range(3)]
    prepared = RankComparison.from_dissimilarities(zip("abc", tied))
    for draw in (None, rows):
        pairs = np.arange(IMAGES) if draw is None else draw
        expected = pairwise([drawn_values(matrix, pairs) for matrix in tied], spearman)
        np.testing.assert_allclose(prepared.affinity(draw), expected, atol=1e-12)


def test_uncentred_rsa_sees_neither_scale_nor_shift_of_an_image(representations):
    random = np.random.default_rng(2)
    table = flat(representations["map"])
    changed = table * random.uniform(0.5, 2, (IMAGES, 1)) + random.normal(size=(IMAGES, 1))
    assert rsa({"a": table, "b": changed}, centred=False).affinity()[0, 1] == pytest.approx(1, abs=1e-12)
    assert rsa({"a": table, "b": changed}).affinity()[0, 1] < 0.99


def test_a_model_that_tells_no_images_apart_is_undefined(representations):
    constant = {**representations, "constant": np.full((IMAGES, 5), 0.1, np.float32)}
    for name in some(OTHERS):
        affinity = prepare(name, constant).affinity()
        assert np.isnan(affinity[3]).all()
        assert np.isfinite(affinity[:3, :3]).all()


# CKA


def cka_by_features(one: np.ndarray, other: np.ndarray) -> float:
    """Kornblith et al., equation of the linear kernel in feature space."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    return np.linalg.norm(one.T @ other) ** 2 / (
        np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other)
    )


def hsic_unbiased(one: np.ndarray, other: np.ndarray) -> float:
    """Song et al. 2007, equation 5, up to 1 / (n (n - 3))."""
    n = len(one)
    one, other = one * (1 - np.eye(n)), other * (1 - np.eye(n))
    ones = np.ones(n)
    return (
        np.trace(one @ other)
        + (ones @ one @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (ones @ one @ other @ ones)
    )


def cka_unbiased(one: np.ndarray, other: np.ndarray) -> float:
    return hsic_unbiased(one, other) / np.sqrt(hsic_unbiased(one, one) * hsic_unbiased(other, other))


def test_cka_is_the_formula_in_feature_space(representations, rows):
    tables = [flat(array) for array in representations.values()]
    prepared = linear_cka(representations)
    np.testing.assert_allclose(prepared.affinity(), pairwise(tables, cka_by_features), atol=1e-6)
    # The plain estimator of a draw is the formula on the drawn images.
    drawn = pairwise([table[rows] for table in tables], cka_by_features)
    np.testing.assert_allclose(prepared.affinity(rows), drawn, atol=1e-6)


def test_debiased_cka_is_the_unbiased_hsic(representations):
    grams = [flat(array) @ flat(array).T for array in representations.values()]
    found = linear_cka(representations, debiased=True).affinity()
    np.testing.assert_allclose(found, pairwise(grams, cka_unbiased), atol=1e-5)


def test_debiased_cka_of_a_draw_is_what_effects_of_images_leave(representations, rows):
    pairs = drawn_pairs(rows)
    design = np.zeros((len(pairs), IMAGES))
    for line, (i, j) in enumerate(pairs):
        design[line, [i, j]] = 1
    residuals = []
    for array in representations.values():
        table = flat(array) - flat(array).mean(axis=0)
        values = drawn_values(table @ table.T, rows)
        residuals.append(values - design @ np.linalg.lstsq(design, values, rcond=None)[0])
    expected = pairwise(residuals, lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)))
    found = linear_cka(representations, debiased=True).affinity(rows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("debiased", [False, True])
def test_deconfounded_cka_aligns_what_a_regression_on_the_inputs_leaves(representations, debiased):
    inputs = flat(INPUTS) - flat(INPUTS).mean(axis=0)
    pairs = ~np.eye(IMAGES, dtype=bool) if debiased else np.ones((IMAGES, IMAGES), bool)
    design = np.stack([np.ones(pairs.sum()), (inputs @ inputs.T)[pairs]], axis=1)
    left = []
    for array in representations.values():
        table = flat(array) - flat(array).mean(axis=0)
        kernel = table @ table.T
        solution = np.linalg.lstsq(design, kernel[pairs], rcond=None)[0]
        left.append(np.where(pairs, kernel - solution[0] - solution[1] * (inputs @ inputs.T), 0.0))

    def biased(one, other):
        centring = np.eye(IMAGES) - 1 / IMAGES
        first, second = centring @ one @ centring, centring @ other @ centring
        return (first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())

    found = deconfounded_cka(representations, INPUTS, debiased).affinity()
    np.testing.assert_allclose(found, pairwise(left, cka_unbiased if debiased else biased), atol=1e-5)
    plain = linear_cka(representations, debiased).affinity()
    assert np.abs(found - plain).max() > 0.001


def test_two_models_that_only_copy_the_image_are_not_alike_once_deconfounded():
    random = np.random.default_rng(0)
    images = random.normal(size=(40, 30)) * np.linspace(3, 0.1, 30)
    models = {name: images + 0.3 * random.normal(size=images.shape) for name in "ab"}
    assert linear_cka(models, debiased=True).affinity()[0, 1] > 0.9
    assert abs(deconfounded_cka(models, images, debiased=True).affinity()[0, 1]) < 0.3
    with pytest.raises(SettingsError, match="40 images and there are 39 input images"):
        deconfounded_cka(models, images[:39])
    with pytest.raises(SettingsError, match="not finite"):
        deconfounded_cka(models, images * np.nan)


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_sees_neither_rotation_nor_scale_nor_shift(debiased):
    random = np.random.default_rng(5)
    table = random.normal(size=(40, 10))
    rotation = np.linalg.qr(random.normal(size=(10, 10)))[0]
    turned = {"a": table, "rotated": 7 * table @ rotation + 100, "stretched": table * np.arange(1, 11)}
    affinity = linear_cka(turned, debiased=debiased).affinity()
    assert affinity[0, 1] == pytest.approx(1, abs=1e-5)
    assert affinity[0, 2] < 0.95


def test_more_units_than_images_lift_the_plain_estimator_alone():
    random = np.random.default_rng(6)
    independent = {"a": random.normal(size=(50, 2000)), "b": random.normal(size=(50, 2000))}
    assert linear_cka(independent).affinity()[0, 1] > 0.9
    assert abs(linear_cka(independent, debiased=True).affinity()[0, 1]) < 0.1


# DDS


def test_dds_is_cosine_distance_of_z_scores_by_unbiased_centring(representations):
    distances = [
        squareform(pdist(zscore(flat(array), axis=0), "cosine")) for array in representations.values()
    ]
    np.testing.assert_allclose(dds(representations).affinity(), pairwise(distances, cka_unbiased), atol=1e-5)


def test_dds_does_not_see_units_that_never_change_nor_their_scales(representations):
    table = representations["map"].reshape(IMAGES, -1)
    silent = np.concatenate([table * np.arange(1, 61, dtype=np.float32), np.full((IMAGES, 9), 0.1)], axis=1)
    affinity = dds({"a": table, "silent": silent.astype(np.float32)}).affinity()
    assert affinity[0, 1] == pytest.approx(1, abs=1e-5)


# DEPARA


def ordinal_spearman(one: np.ndarray, other: np.ndarray) -> float:
    """The authors' form, for values without ties."""
    difference = one.argsort().argsort() - other.argsort().argsort()
    return 1 - 6 * (difference**2).sum() / (len(one) * (len(one) ** 2 - 1))


def test_depara_edges_are_the_authors_formula(representations, rows):
    tables = [flat(array) for array in representations.values()]
    edges = [pdist(table - table.mean(axis=0), "cosine") for table in tables]
    prepared = depara_edges(representations)
    np.testing.assert_allclose(prepared.affinity(), pairwise(edges, ordinal_spearman), atol=1e-12)
    drawn = pairwise([drawn_values(squareform(edge), rows) for edge in edges], spearman)
    np.testing.assert_allclose(prepared.affinity(rows), drawn, atol=1e-12)


def test_depara_adds_weighted_edges_and_keeps_the_diagonal():
    nodes, edges = np.array([[1, 0.2], [0.2, 1]]), np.array([[1, 0.6], [0.6, 1]])
    np.testing.assert_allclose(depara(nodes, edges)[0], [1, (0.2 + 0.25 * 0.6) / 1.25])
    np.testing.assert_allclose(depara(nodes, edges, weight=0), nodes)
    np.testing.assert_allclose(depara(np.stack([nodes] * 3), np.stack([edges] * 3))[1], depara(nodes, edges))


# All of them


class Loads(dict):
    """A mapping that counts how often each array is asked for."""

    def __init__(self, arrays):
        super().__init__(arrays)
        self.asked = dict.fromkeys(arrays, 0)

    def __getitem__(self, key):
        self.asked[key] += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "svcca"])
def test_each_representation_is_loaded_once_and_not_changed(representations, name):
    before = {model: array.copy() for model, array in representations.items()}
    loads = Loads(representations)
    prepared = prepare(name, loads)
    prepared.affinity([0, 1, 2, 3, 3, 5])
    assert set(loads.asked.values()) == {1}
    for model, array in some(before.items()):
        np.testing.assert_array_equal(array, representations[model])


@pytest.mark.parametrize("name", OTHERS)
def test_every_rival_is_symmetric_with_diagonal_one_and_the_same_for_a_draw_of_all(representations, name):
    prepared = prepare(name, representations)
    affinity = prepared.affinity()
    assert prepared.models == tuple(representations)
    assert prepared.images == IMAGES
    assert affinity.dtype == np.float64
    np.testing.assert_array_equal(affinity, affinity.T)
    np.testing.assert_array_equal(np.diag(affinity), 1)
    np.testing.assert_allclose(prepared.affinity(np.arange(IMAGES)[::-1]), affinity, atol=1e-12)
    repeated = prepared.affinity(np.tile(np.arange(IMAGES), 3))
    # Three times the same images say the same, but for the mean rank and centring of more pairs.
    np.testing.assert_allclose(repeated, affinity, atol=0.05)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda r: {}, "no representation"),
        (lambda r: {**r, "vector": r["vector"][:5]}, "of 5 images, expected 12"),
        (lambda r: {**r, "vector": r["vector"] * np.nan}, "vector holds values that are not finite"),
        (lambda r: {name: array[:3] for name, array in r.items()}, "at least 4 images"),
        (lambda r: {**r, "vector": r["vector"][:, 0]}, r"vector has shape \[12\]"),
    ],
)
@pytest.mark.parametrize("name", OTHERS)
def test_representations_that_do_not_fit_are_named(representations, name, change, words):
    with pytest.raises(SettingsError, match=words):
        prepare(name, change(representations))


def test_unknown_measures_and_images_are_refused(representations):
    with pytest.raises(SettingsError, match="rsa, svcca"):
        prepare_rival("rca", representations)
    prepared = rsa(representations)
    for rows in ([0, IMAGES], [-1, 2], []):
        with pytest.raises(SettingsError, match=r"outside 0 \.\. 11"):
            prepared.affinity(rows)


def test_normalised_gives_cosines():
    vectors = np.array([[3.0, 4.0], [4.0, -3.0], [0.0, 0.0]])
    found = normalised(vectors)
    np.testing.assert_allclose(found[:2, :2], np.eye(2), atol=1e-15)
    assert np.isnan(found[2]).all()
