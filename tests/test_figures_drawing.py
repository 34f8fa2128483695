"""Figures: what is drawn is what was given, every label can be read, and pyplot is left alone."""

from __future__ import annotations

import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from figure_checks import assert_readable, names, rendered
from found import some
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from tfattr.affinity import similarity_tree
from tfattr.errors import SettingsError
from tfattr.figures import affinity_figure, group_colours, maps_figure, save_figure, tree_figure
from tfattr.figures.mosaic import TILE

LONG = [f"a_long_model_name_v1_{index}_224" for index in range(38)]


def affinity(size, seed=0, low=0.0):
    features = np.random.default_rng(seed).uniform(low, 1, (size, 12))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    A = features @ features.T
    np.fill_diagonal(A, 1)
    return A


# --- affinity ---


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 9, 38])
def test_affinity_figure_can_be_read(size):
    figure = affinity_figure(affinity(size), LONG[:size], "a title", groups={LONG[0]: "one"})
    axes = figure.axes[0]
    assert names(axes.get_xticklabels()) == names(axes.get_yticklabels()) == LONG[:size]
    assert_readable(figure, axes.get_xticklabels(), axes.get_yticklabels())


def test_affinity_figure_draws_the_matrix():
    A = affinity(5)
    figure = affinity_figure(A, list("abcde"))
    (mesh,) = figure.axes[0].images
    drawn = mesh.get_array()
    np.testing.assert_array_equal(drawn.mask, np.eye(5, dtype=bool))
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(drawn.data[off], A[off])
    assert (mesh.norm.vmin, mesh.norm.vmax) == (A[off].min(), A[off].max())
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == [f"{value:.2f}" for value in A[off]]


def test_negative_affinities_diverge_around_zero():
    A = np.array([[1, 0.5, -0.8], [0.5, 1, 0.1], [-0.8, 0.1, 1]])
    mesh = affinity_figure(A, list("abc")).axes[0].images[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-0.8, 0.8)
    assert mesh.get_cmap().name == "RdBu_r"


def test_order_of_the_affinity_figure():
    A, models = affinity(9), list("abcdefghi")
    leaves = similarity_tree(A, models, "average").leaves
    figure = affinity_figure(A, models, order="tree", linkage="average")
    assert names(figure.axes[0].get_yticklabels()) == leaves
    rows = [models.index(leaf) for leaf in leaves]
    off = ~np.eye(9, dtype=bool)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array().data[off], A[np.ix_(rows, rows)][off])
    given = affinity_figure(A, models, order=models[::-1])
    assert names(given.axes[0].get_yticklabels()) == models[::-1]
    for order, message in [("size", "expected 'tree'"), (["a"], "look at b, c"), (["a"] * 9, "look at b")]:
        with pytest.raises(SettingsError, match=message):
            affinity_figure(A, models, order=order)


def test_undefined_affinities_are_hatched():
    A = affinity(4)
    A[1] = A[:, 1] = np.nan
    figure = affinity_figure(A, list("abcd"), order="tree")
    assert names(figure.axes[0].get_yticklabels())[-1] == "b"
    assert sum(patch.get_hatch() == "////" for patch in figure.axes[0].patches) == 7
    rendered(figure)
    rendered(affinity_figure(np.full((2, 2), np.nan), ["a", "b"], order="tree"))


def test_matrices_that_cannot_be_drawn():
    with pytest.raises(SettingsError, match="expected square with 2"):
        affinity_figure(np.eye(3), ["a", "b"])
    with pytest.raises(SettingsError, match="expected square with 0"):
        affinity_figure(np.zeros((0, 0)), [])


# --- colours ---


def test_group_colours():
    groups = {"a": "semantic", "b": "2D", "c": "mine", "d": "3D", "e": "geometric", "f": "yours", "g": "mine"}
    safe = group_colours(groups)
    assert list(safe) == ["semantic", "2D", "mine", "3D", "geometric", "yours"]
    assert len(set(safe.values())) == 6
    authors = group_colours(groups, "authors")
    for group, red, green, blue in [("semantic", 1, 0, 1), ("geometric", 1, 0, 0), ("2D", 0, 0, 1)]:
        assert to_rgb(authors[group]) == (red, green, blue)
    assert to_rgb(authors["3D"])[0] == to_rgb(authors["3D"])[2] == 0 < to_rgb(authors["3D"])[1]
    assert group_colours(None) == {}
    with pytest.raises(SettingsError, match="colour scheme is 'loud'"):
        group_colours(groups, "loud")


def relative_luminance(colour):
    """WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_usual_groups_can_be_read_on_white():
    for colour in some(group_colours({"a": "semantic", "b": "2D", "c": "3D", "d": "geometric"}).values()):
        assert 1.05 / (relative_luminance(colour) + 0.05) >= 2.8


# --- tree ---


def segments(figure):
    (lines,) = figure.axes[0].collections
    return lines.get_segments(), [to_hex(colour) for colour in lines.get_colors()]


@pytest.mark.parametrize("size", [2, 9, 38])
def test_tree_figure_can_be_read(size):
    tree = similarity_tree(affinity(size), LONG[:size])
    groups = {name: f"group {index % 4}" for index, name in enumerate(LONG)}
    figure = tree_figure(tree, "a title", groups=groups)
    assert names(figure.axes[0].get_yticklabels()) == tree.leaves
    assert_readable(figure, figure.axes[0].get_yticklabels())
    colours = group_colours({name: groups[name] for name in LONG})
    for text in figure.axes[0].get_yticklabels():
        assert to_hex(text.get_color()) == colours[groups[text.get_text()]].lower()


def test_tree_figure_draws_the_tree():
    # Heights by hand: a-b at 1, c-d at 2, both at 9 (points on a line, single linkage).
    tree = similarity_tree(np.array([[0.0], [1.0], [10.0], [12.0]]), list("abcd"))
    lines, colours = segments(tree_figure(tree, groups={"a": "x", "b": "x", "c": "x", "d": "y"}))
    row = {leaf: place for place, leaf in enumerate(tree.leaves)}
    want = [(1, {"a", "b"}), (2, {"c", "d"})]
    for line, (height, leaves) in some(zip(lines, want)):
        assert {tuple(point) for point in line} == {(x, row[leaf]) for leaf in leaves for x in (0, height)}
    (start, _, corner, end) = lines[2]
    assert (start[0], corner[0], end[0]) in [(1, 9, 2), (2, 9, 1)]
    assert {start[1], end[1]} == {(row["a"] + row["b"]) / 2, (row["c"] + row["d"]) / 2}
    assert colours[0] == group_colours({"a": "x"})["x"].lower()
    assert colours[1] == colours[2] == "#333333"  # mixed below
    plain = segments(tree_figure(tree))[1]
    assert plain[2] == "#333333"  # above 0.7 of the last merge
    assert len({plain[0], plain[1], "#333333"}) == 3


def test_tree_of_equal_models():
    rendered(tree_figure(similarity_tree(np.ones((3, 3)), list("abc"))))


# --- maps ---


def flat_photo(value=128, side=40):
    return np.full((side, side, 3), value, np.uint8)


def mosaic(figure):
    return figure.axes[0].images[0].get_array()


def tile_of(figure, models, methods, image, model, method):
    """A tile's pixels, found from the axis ticks alone."""
    axes = figure.axes[0]
    x = axes.get_xticks()[image * len(methods) + methods.index(method)]
    y = axes.get_yticks()[models.index(model)]
    half = TILE // 2
    return mosaic(figure)[int(y) - half : int(y) + half, int(x) - half : int(x) + half]


def test_maps_are_where_and_what_they_should_be():
    models, methods = ["one", "two", "three"], ["saliency", "elrp"]
    maps = {model: {} for model in models}
    left = np.zeros((2, 8, 8))
    left[:, :, :4] = 1
    maps["one"] = {"saliency": left, "elrp": 1e-30 * (2 * left - 1)}
    maps["two"] = {
        "saliency": 1e30 * left[:, :, ::-1],
        "elrp": np.stack([np.zeros((8, 8)), np.full((8, 8), np.nan)]),
    }
    maps["three"] = {"saliency": np.repeat(left[..., None], 3, axis=-1)}
    figure = maps_figure([flat_photo(), flat_photo(20)], maps)

    for image in (0, 1):
        tile = tile_of(figure, models, methods, image, "one", "saliency")
        assert tile[:, : TILE // 2].max() < 0.3
        assert tile[:, TILE // 2 :].min() == 1.0
        np.testing.assert_array_equal(
            tile_of(figure, models, methods, image, "two", "saliency"), tile[:, ::-1]
        )
        np.testing.assert_array_equal(tile_of(figure, models, methods, image, "three", "saliency"), tile)
        signed = tile_of(figure, models, methods, image, "one", "elrp")
        red, blue = signed[5, 5], signed[5, -5]
        assert red[0] > 2 * red[2]
        assert blue[2] > 2 * blue[0]
    notes = [text.get_text() for text in figure.axes[0].texts]
    assert notes == ["zero", "none", "not finite", "none"]


def test_scale_is_symmetric_and_clipped_at_the_percentile():
    plane = np.zeros((1, TILE, TILE))
    plane[0, :64], plane[0, 64:] = 0.5, -0.25
    plane[0, 0, 0] = 1000.0  # one outlier must not wash out the rest
    figure = maps_figure([flat_photo()], {"m": {"elrp": plane}}, percentile=99)
    tile = tile_of(figure, ["m"], ["elrp"], 0, "m", "elrp")
    np.testing.assert_allclose(tile[10, 10], matplotlib.colormaps["RdBu_r"](1.0)[:3], atol=1e-6)
    np.testing.assert_allclose(tile[-10, 10], matplotlib.colormaps["RdBu_r"](0.25)[:3], atol=0.02)


def test_edges_of_the_photo_show_faintly():
    photo = flat_photo(0)
    photo[:, 20:] = 255
    figure = maps_figure(
        [photo], {"m": {"elrp": np.pad(np.array([[[1.0, -1.0]]]), ((0, 0), (0, 40), (0, 40)))}}
    )
    tile = tile_of(figure, ["m"], ["elrp"], 0, "m", "elrp")
    assert 0.7 < tile[100, TILE // 2].min() < 0.85
    assert tile[100, 30].min() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    "models, methods",
    [(1, ["saliency"]), (12, ["saliency", "grad_input"]), (38, ["integrated_gradients", "elrp"])],
)
def test_maps_figure_can_be_read(models, methods):
    maps = np.random.default_rng(0).standard_normal((2, 6, 6))
    figure = maps_figure(
        [flat_photo(), flat_photo()],
        {name: dict.fromkeys(methods, maps) for name in LONG[:models]},
        captions=["some/long/folder/" * 6 + "1.jpg", "2.jpg"],
        title="title",
    )
    axes = figure.axes[0]
    assert names(axes.get_yticklabels()) == LONG[:models]
    assert names(axes.get_xticklabels()) == methods * 2
    assert_readable(figure, axes.get_yticklabels())
    if "integrated_gradients" not in methods:
        assert_readable(figure, axes.get_xticklabels())


def test_maps_that_cannot_be_drawn():
    with pytest.raises(SettingsError, match="nothing to draw"):
        maps_figure([], {"m": {"elrp": np.ones((0, 2, 2))}})
    with pytest.raises(SettingsError, match=r"elrp maps of m have shape \(2, 2, 2\), expected \[1, H, W\]"):
        maps_figure([flat_photo()], {"m": {"elrp": np.ones((2, 2, 2))}})
    with pytest.raises(SettingsError, match="2 captions for 1 photos"):
        maps_figure([flat_photo()], {"m": {"elrp": np.ones((1, 2, 2))}}, captions=["a", "b"])
    with pytest.raises(SettingsError, match="photo is float64"):
        maps_figure([np.ones((4, 4, 3))], {"m": {"elrp": np.ones((1, 2, 2))}})


# --- files ---


def test_saving(tmp_path):
    figure = affinity_figure(affinity(3), ["a", "b$x$", "c_{d}"], "100% $title")
    paths = save_figure(figure, tmp_path / "sub" / "f.png", tmp_path / "sub" / "f.svg", dpi=60)
    assert paths == [tmp_path / "sub" / "f.png", tmp_path / "sub" / "f.svg"]
    assert sorted(file.name for file in (tmp_path / "sub").iterdir()) == ["f.png", "f.svg"]
    with Image.open(paths[0]) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("L"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert border.min() == 255  # nothing touches the edge, so nothing is cut
    assert "<svg" in paths[1].read_text()
    with pytest.raises(SettingsError, match="not '.bmp'"):
        save_figure(figure, tmp_path / "f.bmp")


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    figure = affinity_figure(affinity(2), ["a", "b"])
    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, tmp_path / "f.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_pyplot_and_tensorflow_are_not_touched():
    code = """
import io, sys
import numpy as np
from tfattr.affinity import similarity_tree
from tfattr.figures import affinity_figure, maps_figure, tree_figure
affinity_figure(np.eye(3), list("abc"), order="tree").savefig(io.BytesIO())
tree_figure(similarity_tree(np.eye(3), list("abc"))).savefig(io.BytesIO())
maps_figure([np.zeros((4, 4, 3), np.uint8)], {"m": {"x": np.ones((1, 2, 2))}}).savefig(io.BytesIO())
assert "matplotlib.pyplot" not in sys.modules and "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_any_figure_renders_to_bytes():
    buffer = io.BytesIO()
    tree_figure(similarity_tree(affinity(4), list("abcd"))).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
