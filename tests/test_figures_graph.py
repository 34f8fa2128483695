"""The transferability graph: scaling against other routes, right edges, no names over one another."""

from __future__ import annotations

import numpy as np
import pytest
from figure_checks import assert_apart, assert_readable, rendered
from found import some
from scipy.optimize import minimize
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist, squareform

from tfattr.errors import SettingsError
from tfattr.figures import group_colours, model_graph_figure, short_names
from tfattr.figures.graph import nearest_edges
from tfattr.figures.labelling import place_labels
from tfattr.figures.scaling import classical_scaling, metric_scaling
from tfattr.zoo import originals

ENTRIES = originals.entries("merged")
MODELS = [entry.name for entry in ENTRIES]
GROUPS = {entry.name: entry.group for entry in ENTRIES}


def affinity(seed, size=38, spread=1.0):
    features = np.random.default_rng(seed).normal(0, spread, (size, 6)) + np.eye(6)[np.arange(size) % 6] * 2
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    A = features @ features.T
    np.fill_diagonal(A, 1)
    return A


def stress(points, distances):
    return np.square(pdist(points) - squareform(distances, checks=False)).sum()


# --- scaling ---


def test_points_of_the_plane_come_back():
    points = np.random.default_rng(0).normal(size=(12, 2)) * [3, 1]
    distances = squareform(pdist(points))
    np.testing.assert_allclose(pdist(classical_scaling(distances)), pdist(points), atol=1e-9)
    found, misfit = metric_scaling(distances)
    assert misfit < 1e-6
    assert procrustes(points, found)[2] < 1e-9
    assert found[:, 0].var() > found[:, 1].var()


@pytest.mark.parametrize("seed", [0, 1])
def test_metric_scaling_ends_in_a_minimum_of_the_stress(seed):
    distances = np.clip(1 - affinity(seed, 14), 0, None)
    np.fill_diagonal(distances, 0)
    start = classical_scaling(distances)
    found, misfit = metric_scaling(distances)
    assert stress(found, distances) < stress(start, distances)
    # scipy's general minimiser, started there, finds nothing that is better by more than a trifle.
    better = minimize(lambda flat: stress(flat.reshape(-1, 2), distances), found.ravel())
    assert better.fun > 0.999 * stress(found, distances)
    np.testing.assert_allclose(misfit, np.sqrt(stress(found, distances) / np.square(pdist(found)).sum()))


def test_scaling_of_equal_or_two_models():
    assert metric_scaling(np.zeros((3, 3)))[1] == 0
    np.testing.assert_allclose(pdist(metric_scaling(np.array([[0, 2.0], [2.0, 0]]))[0]), [2])


# --- edges ---


@pytest.mark.parametrize("neighbours", [1, 2, 50])
def test_edges_join_nearest_neighbours(neighbours):
    A = affinity(3, 11)
    want = set()
    for i in range(11):
        ranked = sorted((j for j in range(11) if j != i), key=lambda j: -A[i, j])
        want |= {tuple(sorted((i, j))) for j in ranked[:neighbours]}
    assert nearest_edges(A, neighbours) == sorted(want)


# --- the figure ---


@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_no_two_names_overlap_with_38_models(spread):
    figure = model_graph_figure(affinity(1, spread=spread), MODELS, "The graph", groups=GROUPS)
    (axes,) = figure.axes
    renderer = rendered(figure)
    assert [text.get_text() for text in axes.texts] == short_names(MODELS)
    assert_apart(axes.texts, renderer)
    assert_readable(figure)
    # Nor does a name hide another model's point.
    dots = axes.collections[-1]
    places = axes.transData.transform(dots.get_offsets())
    for index, text in enumerate(axes.texts):
        box = text.get_window_extent(renderer)
        for other, (x, y) in some(enumerate(places)):
            assert other == index or not (box.x0 < x < box.x1 and box.y0 < y < box.y1)


def test_graph_draws_what_it_is_given():
    A = affinity(2, 9)
    figure = model_graph_figure(A, MODELS[:9], groups=GROUPS, neighbours=2)
    (axes,) = figure.axes
    lines, dots = axes.collections[0], axes.collections[-1]
    places = np.asarray(dots.get_offsets())
    # Distances on the page are those of the scaling, up to one factor.
    distances = np.clip(1 - A, 0, None)
    np.fill_diagonal(distances, 0)
    ratio = pdist(places) / pdist(metric_scaling(distances)[0])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    edges = nearest_edges(A, 2)
    assert len(lines.get_segments()) == len(edges)
    for segment, (one, other) in zip(lines.get_segments(), edges):
        np.testing.assert_allclose(segment, places[[one, other]])
    values = np.array([A[edge] for edge in edges])
    for strength in (np.array(lines.get_linewidths()), np.array(lines.get_colors())[:, 3]):
        assert (np.diff(strength[np.argsort(values)]) >= 0).all()
        assert strength.max() > strength.min()
    assert {text.get_text() for text in figure.texts} >= set(group_colours(GROUPS))
    again = model_graph_figure(A, MODELS[:9], groups=GROUPS, neighbours=2)
    assert [text.get_position() for text in again.axes[0].texts] == [
        text.get_position() for text in axes.texts
    ]


def test_models_without_affinity_are_named():
    A = affinity(2, 5)
    A[3] = A[:, 3] = np.nan
    figure = model_graph_figure(A, MODELS[:5])
    assert len(figure.axes[0].texts) == 4
    assert any(short_names(MODELS)[3] in text.get_text() for text in figure.texts)
    assert_readable(figure)


def test_graphs_at_the_edge():
    for A in (np.ones((3, 3)), np.eye(3), np.array([[1, 0.5], [0.5, 1]])):
        assert_readable(model_graph_figure(A, MODELS[: len(A)]))
    with pytest.raises(SettingsError, match="at least two models"):
        model_graph_figure(np.ones((1, 1)), ["one"])
    with pytest.raises(SettingsError, match="0 neighbours"):
        model_graph_figure(np.eye(3), MODELS[:3], neighbours=0)
    with pytest.raises(SettingsError, match="expected square with 2"):
        model_graph_figure(np.eye(3), MODELS[:2])


def test_labels_of_coincident_points_find_room():
    sizes = np.full((20, 2), (1.0, 0.15))
    centres = place_labels(np.zeros((20, 2)), sizes)
    gaps = np.abs(centres[:, None] - centres[None])
    apart = (gaps >= sizes - 1e-9).any(axis=-1)
    assert apart[~np.eye(20, dtype=bool)].all()
