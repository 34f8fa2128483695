"""The paper's sheets: the right matrix in the right place, one scale, every name readable with 38 models."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from figure_checks import assert_readable, names, panels, rendered
from found import some
from matplotlib.colors import to_hex

from tfattr.affinity import similarity_tree
from tfattr.errors import SettingsError
from tfattr.figures import (
    affinity_sheet,
    group_colours,
    matrix_and_tree_figure,
    method_name,
    short_names,
    size_curve_figure,
    size_sheet,
    tree_sheet,
)
from tfattr.zoo import originals

ENTRIES = originals.entries("merged")
MODELS = [entry.name for entry in ENTRIES]
GROUPS = {entry.name: entry.group for entry in ENTRIES}
METHODS, PROBES = ("saliency", "grad_input", "elrp"), ("taskonomy", "indoor", "coco")
OFF = ~np.eye(38, dtype=bool)


def affinity(seed, size=38):
    features = np.random.default_rng(seed).normal(0.4, 1, (size, 9))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    A = features @ features.T
    np.fill_diagonal(A, 1)
    return A


def all_matrices(size=38):
    return {
        method: {probe: affinity(10 * i + j, size) for j, probe in enumerate(PROBES)}
        for i, method in enumerate(METHODS)
    }


def drawn(axes):
    return axes.images[0].get_array().data


def legend(figure, group):
    return [text for text in figure.texts if text.get_text() == group]


# --- names ---


def test_short_names_are_short_and_tell_the_38_apart():
    short = short_names(MODELS)
    assert len(set(short)) == 38
    assert max(map(len, short)) < 20
    assert not any("_" in name for name in short)
    want = {"edge2d": "Edge 2D", "segment25d": "Segment 25D", "class_1000": "Class 1000", "vgg_16": "VGG 16"}
    assert {name: short[MODELS.index(name)] for name in want} == want
    assert short_names(["a_b", "a b", "c"]) == ["a_b", "a b", "C"]
    assert (method_name("elrp"), method_name("grad_input, still_life"), method_name("my_own")) == (
        "ε-LRP",
        "gradient × input, still life",
        "my own",
    )


# --- affinity_sheet ---


def test_affinity_sheet_shows_every_matrix_on_one_scale():
    matrices = all_matrices()
    figure = affinity_sheet(matrices, MODELS, "All of them", groups=GROUPS)
    shown = panels(figure)
    assert len(shown) == 9
    everything = np.concatenate([A[OFF] for by_probe in matrices.values() for A in by_probe.values()])
    limit = np.abs(everything).max()  # negative values matter here: the scale is symmetric
    for axes, A in zip(shown, (A for by_probe in matrices.values() for A in by_probe.values())):
        np.testing.assert_array_equal(drawn(axes)[OFF], A[OFF])
        norm = axes.images[0].norm
        assert (norm.vmin, norm.vmax) == (-limit, limit)
    assert len(figure.axes) == 10  # one bar
    short = short_names(MODELS)
    for place, axes in enumerate(shown):
        assert names(axes.get_yticklabels()) == (short if place % 3 == 0 else [])
        assert names(axes.get_xticklabels()) == (short if place >= 6 else [])
    assert_readable(
        figure,
        *(axes.get_yticklabels() for axes in shown[::3]),
        *(axes.get_xticklabels() for axes in shown[6:]),
    )
    colours = group_colours(GROUPS)
    for text, model in zip(shown[0].get_yticklabels(), MODELS):
        assert to_hex(text.get_color()) == colours[GROUPS[model]].lower()
    for group in some(colours):
        assert len(legend(figure, group)) == 1
    heads = [text.get_text() for text in figure.texts]
    assert {"saliency", "gradient × input", "ε-LRP", *PROBES} <= set(heads)


def test_affinity_sheet_stands_where_its_heads_say():
    figure = affinity_sheet(all_matrices(6), MODELS[:6])
    renderer = rendered(figure)
    boxes = [axes.get_window_extent(renderer) for axes in panels(figure)]
    for i, method in enumerate(METHODS):
        (head,) = legend(figure, method_name(method))
        for j, probe in enumerate(PROBES):
            box = boxes[3 * i + j]
            middle = head.get_window_extent(renderer)
            assert box.y0 < (middle.y0 + middle.y1) / 2 < box.y1
            top = legend(figure, probe)[0].get_window_extent(renderer)
            assert box.x0 < (top.x0 + top.x1) / 2 < box.x1


def test_tree_order_is_that_of_the_first_matrix_for_all():
    matrices = all_matrices()
    figure = affinity_sheet(matrices, MODELS, order="tree", linkage="average")
    leaves = similarity_tree(matrices["saliency"]["taskonomy"], MODELS, "average").leaves
    shown = panels(figure)
    assert names(shown[0].get_yticklabels()) == [
        dict(zip(MODELS, short_names(MODELS)))[leaf] for leaf in leaves
    ]
    rows = [MODELS.index(leaf) for leaf in leaves]
    for axes, A in zip(shown, (A for by_probe in matrices.values() for A in by_probe.values())):
        np.testing.assert_array_equal(drawn(axes)[OFF], A[np.ix_(rows, rows)][OFF])


@pytest.mark.slow
def test_a_scale_for_each_method():
    matrices = {"saliency": {"a": 0.9 + 0.1 * abs(affinity(0))}, "elrp": {"a": affinity(1) * 0.1}}
    matrices["saliency"]["b"] = 0.8 + 0.1 * abs(affinity(2))
    figure = affinity_sheet(matrices, MODELS, share_scale=False)
    norms = [axes.images[0].norm for axes in panels(figure)]
    assert len(norms) == 3  # elrp has no b
    low, high = matrices["saliency"]["b"][OFF].min(), matrices["saliency"]["a"][OFF].max()
    assert [(norm.vmin, norm.vmax) for norm in norms[:2]] == [(low, high)] * 2
    assert norms[2].vmax == abs(matrices["elrp"]["a"][OFF]).max()
    assert sum(text.get_text() == "no matrix" for text in figure.findobj(matplotlib.text.Text)) == 1
    assert len(figure.axes) == 4 + 2
    assert_readable(figure)


def test_sheets_with_nothing_or_nonsense():
    for empty in ({}, {"elrp": {}}):
        with pytest.raises(SettingsError, match="at least one matrix"):
            affinity_sheet(empty, MODELS)
        with pytest.raises(SettingsError, match="at least one tree"):
            tree_sheet(empty)
    with pytest.raises(SettingsError, match="expected square with 38 names"):
        affinity_sheet({"elrp": {"coco": np.eye(3)}}, MODELS)
    with pytest.raises(SettingsError, match="expected 'tree'"):
        affinity_sheet(all_matrices(), MODELS, order="size")


# --- tree_sheet ---


def test_tree_sheet_shows_every_tree():
    trees = {
        method: {probe: similarity_tree(A, MODELS) for probe, A in by_probe.items()}
        for method, by_probe in all_matrices().items()
    }
    del trees["elrp"]["indoor"]
    figure = tree_sheet(trees, "Trees", groups=GROUPS, scheme="authors")
    assert len(figure.axes) == 9
    colours = group_colours(GROUPS, "authors")
    short = dict(zip(MODELS, short_names(MODELS)))
    scales = {}
    for place, axes in enumerate(figure.axes):
        tree = trees[METHODS[place // 3]].get(PROBES[place % 3])
        if tree is None:
            assert [text.get_text() for text in axes.texts] == ["no tree"]
            continue
        assert names(axes.get_yticklabels()) == [short[leaf] for leaf in tree.leaves]
        for text, leaf in zip(axes.get_yticklabels(), tree.leaves):
            assert to_hex(text.get_color()) == colours[GROUPS[leaf]].lower()
        (lines,) = axes.collections
        tops = sorted(segment[:, 0].max() for segment in lines.get_segments())
        np.testing.assert_allclose(tops, np.sort(tree.linkage[:, 2]))
        scales.setdefault(place // 3, set()).add(axes.get_xlim())
    assert all(len(limits) == 1 for limits in some(scales.values()))
    for group in some(colours):
        assert len(legend(figure, group)) == 1
    assert_readable(figure, *(axes.get_yticklabels() for axes in figure.axes))


def test_tree_sheet_of_different_models():
    few, more = MODELS[:3], MODELS[:5]
    trees = {"elrp": {"a": similarity_tree(affinity(0, 5), more), "b": similarity_tree(affinity(1, 3), few)}}
    figure = tree_sheet(trees)
    assert names(figure.axes[1].get_yticklabels()) == short_names(trees["elrp"]["b"].leaves)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()  # leaves have one pitch
    assert_readable(figure)


# --- size_sheet and size_curve_figure ---


def test_size_sheet_keeps_one_order_and_one_scale():
    matrices = {2000: affinity(1), 100: affinity(2), 800: affinity(3), 400: affinity(4)}
    figure = size_sheet(matrices, MODELS, groups=GROUPS)
    leaves = similarity_tree(matrices[2000], MODELS).leaves
    rows = [MODELS.index(leaf) for leaf in leaves]
    shown = panels(figure)
    assert len({(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in shown}) == 1
    for axes, size in zip(shown, (100, 400, 800, 2000)):
        np.testing.assert_array_equal(drawn(axes)[OFF], matrices[size][np.ix_(rows, rows)][OFF])
    trees = [
        axes
        for axes in figure.axes
        if axes.collections and axes not in shown and axes.get_yticks().size == 38
    ]
    short = dict(zip(MODELS, short_names(MODELS)))
    for axes, size in zip(trees, (100, 400, 800, 2000)):
        assert names(axes.get_yticklabels()) == [
            short[leaf] for leaf in similarity_tree(matrices[size], MODELS).leaves
        ]
    assert len(trees) == 4
    renderer = rendered(figure)
    for place, words in enumerate(("100 images", "400 images", "800 images", "2,000 images")):
        (text,) = legend(figure, words)
        below, tree = text.get_window_extent(renderer), trees[place].get_window_extent(renderer)
        assert below.y1 < tree.y0
        assert tree.x0 < (below.x0 + below.x1) / 2 < shown[place].get_window_extent(renderer).x1
    assert_readable(figure, shown[0].get_yticklabels(), *(axes.get_yticklabels() for axes in trees))


def test_size_sheet_leaves_undefined_models_out_of_the_tree():
    A = affinity(0, 6)
    A[2] = A[:, 2] = np.nan
    figure = size_sheet({1: A, 10: affinity(0, 6)}, MODELS[:6])
    tree = figure.axes[1]
    assert len(tree.get_yticks()) == 5
    assert sum(patch.get_hatch() == "////" for patch in figure.axes[0].patches) == 11
    assert legend(figure, "1 image")
    assert_readable(figure)
    rendered(size_sheet({1: np.ones((1, 1))}, ["one"]))
    with pytest.raises(SettingsError, match="at least one size"):
        size_sheet({}, MODELS)


def test_size_curves():
    curves = {
        "saliency": {
            "sizes": [10, 20, 200],
            "mean": [0.5, 0.7, 0.9],
            "low": [0.3, 0.6, 0.8],
            "high": [0.6, 0.8, 1.0],
        },
        "elrp": {"sizes": [10, 20, 200], "mean": [0.4, 0.6, 0.8]},
    }
    figure = size_curve_figure(curves, "title")
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [curve["mean"] for curve in curves.values()]
    (band,) = axes.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices.round(6)}
    assert {(10, 0.3), (200, 0.8), (10, 0.6), (200, 1.0)} <= corners
    assert names(axes.get_xticklabels()) == ["10", "20", "200"]
    assert_readable(figure)
    crowded = {"elrp": {"sizes": [100, 1000, 1010, 2000], "mean": [1, 1, 1, 1]}}
    assert names(size_curve_figure(crowded).axes[0].get_xticklabels()) == ["100", "", "1010", "2000"]
    for broken, message in [
        ({}, "at least one curve"),
        ({"elrp": {"sizes": [1, 2], "mean": [1]}}, r"curve of elrp has sizes, mean of \[1, 2\] values"),
        ({"elrp": {"sizes": [1], "mean": [1], "low": [1]}}, "low and high or neither"),
        ({"elrp": {"sizes": [0], "mean": [1]}}, "sizes above 0"),
    ]:
        with pytest.raises(SettingsError, match=message):
            size_curve_figure(broken)


# --- matrix_and_tree_figure ---


def test_rows_of_matrix_and_tree_line_up():
    A = affinity(5)
    figure = matrix_and_tree_figure(A, MODELS, "Merged group", groups=GROUPS)
    matrix, tree = figure.axes[:2]
    want = similarity_tree(A, MODELS)
    assert names(matrix.get_yticklabels()) == short_names(want.leaves)
    np.testing.assert_array_equal(drawn(matrix)[OFF], A[np.ix_(want.order, want.order)][OFF])
    renderer = rendered(figure)
    # Leaves: ends of branches at distance 0. Each has the height of its row of cells, on the page.
    (lines,) = tree.collections
    ends = [point for segment in lines.get_segments() for point in (segment[0], segment[-1]) if point[0] == 0]
    assert len(ends) == 38
    leaves = sorted(tree.transData.transform(end)[1] for end in ends)
    cells = sorted(matrix.transData.transform((0, row))[1] for row in range(38))
    np.testing.assert_allclose(leaves, cells, atol=0.5)
    # The names stand between the two.
    for text in matrix.get_yticklabels():
        box = text.get_window_extent(renderer)
        assert matrix.get_window_extent(renderer).x1 < box.x0
        assert box.x1 < tree.transData.transform((0, 0))[0]
    assert_readable(figure, matrix.get_yticklabels(), matrix.get_xticklabels())


def test_matrix_and_tree_in_another_order():
    figure = matrix_and_tree_figure(affinity(5), MODELS, groups=GROUPS, order=None)
    matrix, tree = figure.axes[:2]
    assert names(matrix.get_yticklabels()) == short_names(MODELS)
    assert names(tree.get_yticklabels()) == short_names(similarity_tree(affinity(5), MODELS).leaves)
    assert_readable(figure, matrix.get_yticklabels(), tree.get_yticklabels())


def test_matrix_and_tree_with_undefined_models():
    A = affinity(5, 6)
    A[1] = A[:, 1] = np.nan
    figure = matrix_and_tree_figure(A, MODELS[:6])
    assert names(figure.axes[0].get_yticklabels())[-1] == short_names(MODELS)[1]
    (lines,) = figure.axes[1].collections
    assert len(lines.get_segments()) == 4
    assert_readable(figure)
    with pytest.raises(SettingsError, match="at least two models"):
        matrix_and_tree_figure(np.full((3, 3), np.nan), MODELS[:3])


def test_long_titles_are_wrapped_not_cut():
    title = " ".join(["A title of very many words that is wider than its matrix, by far,"] * 4)
    figure = size_sheet({10: np.eye(6), 20: np.eye(6)}, list("abcdef"), title=title)
    lines = [text.get_text() for text in figure.texts]
    assert len(lines) > 2
    assert title in " ".join(lines)
    assert_readable(figure, figure.texts)
