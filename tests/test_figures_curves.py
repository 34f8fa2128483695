"""Precision and recall curves: references by closed form, styles by kind, legends that hold every name."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from figure_checks import assert_apart, assert_readable, rendered
from found import some

from tfattr.errors import SettingsError
from tfattr.figures import precision_recall_figure

KS = np.arange(1, 20)


def curves(names, seed=0):
    hits = np.sort(np.random.default_rng(seed).integers(0, 91, (len(names), 19)), axis=1)
    precision = {name: row / (18 * KS) for name, row in zip(names, hits)}
    return precision, {name: row / 90 for name, row in zip(names, hits)}


def line(axes, name):
    (found,) = [line for line in axes.lines if line.get_label() == name]
    return found


def test_references_are_the_expected_ones():
    figure = precision_recall_figure(*curves(["elrp"]), 5)
    left, right = figure.axes
    # 5 of 19 are relevant and K are drawn: the hypergeometric distribution's mean.
    mean = np.array(
        [
            sum(h * comb(5, h) * comb(14, k - h) for h in range(min(k, 5) + 1)) / comb(19, k)
            for k in range(1, 20)
        ]
    )
    np.testing.assert_allclose(line(left, "random").get_ydata(), mean / KS)
    np.testing.assert_allclose(line(right, "random").get_ydata(), KS / 19)
    np.testing.assert_allclose(line(right, "random").get_ydata(), mean / 5)
    best = np.minimum(KS, 5)
    np.testing.assert_allclose(line(left, "oracle").get_ydata(), best / KS)
    np.testing.assert_allclose(line(right, "oracle").get_ydata(), best / 5)
    for axes in (left, right):
        assert axes.get_xlim()[0] < 1 < 19 < axes.get_xlim()[1]
        assert axes.get_ylim()[1] > 1


def test_curves_are_those_given():
    precision, recall = curves(["saliency", "elrp"])
    left, right = precision_recall_figure(precision, recall, 5, "title").axes
    for name in some(precision):
        np.testing.assert_array_equal(line(left, name).get_ydata(), precision[name])
        np.testing.assert_array_equal(line(right, name).get_ydata(), recall[name])
        np.testing.assert_array_equal(line(left, name).get_xdata(), KS)


def test_styles_go_by_kind():
    kinds = {"elrp": "maps", "rsa": "baseline", "svcca": "baseline", "pixels": "control", "energy": "own"}
    figure = precision_recall_figure(*curves(kinds), 5, kinds=kinds)
    axes = figure.axes[0]
    assert line(axes, "elrp").get_linestyle() == "-"
    assert line(axes, "rsa").get_linestyle() == line(axes, "svcca").get_linestyle() == "--"
    assert line(axes, "rsa").get_color() != line(axes, "svcca").get_color()
    for name in ("pixels", "random", "oracle"):
        colour = line(axes, name).get_color()
        assert colour[1:3] == colour[3:5] == colour[5:7]  # grey
    words = [text.get_text() for text in figure.texts]
    for expected in (
        "attribution maps",
        "baselines",
        "own",
        "controls",
        "references",
        "RSA",
        "SVCCA",
        "ε-LRP",
    ):
        assert words.count(expected) == 1


def test_bands():
    precision, recall = curves(["elrp", "rsa"])
    low, high = precision["elrp"] * 0.5, precision["elrp"] * 1.25
    figure = precision_recall_figure(precision, recall, 5, bands={"elrp": (low, high)})
    for axes, share in zip(figure.axes, (1, KS / 5)):
        (band,) = axes.collections
        corners = {tuple(point) for point in band.get_paths()[0].vertices.round(9)}
        for end in (low * share, high * share):
            assert {(k, value) for k, value in zip(KS, end.round(9))} <= corners
    # The recall is the precision times K / 5, so its band holds its curve as well.
    np.testing.assert_allclose(recall["elrp"], precision["elrp"] * KS / 5)


@pytest.mark.parametrize("many", [False, True])
def test_every_name_of_the_legend_can_be_read(many):
    kinds = {"saliency": "maps"}
    if many:
        kinds = {
            **{
                f"{method}, {probe}": "maps"
                for method in ("saliency", "grad_input", "elrp")
                for probe in "abc"
            },
            **dict.fromkeys(["rsa", "svcca", "cka", "dds", "depara"], "baseline"),
            **dict.fromkeys(["pixel_average", "random_maps", "an_edge_detector_of_the_image"], "control"),
            "energy": "own",
        }
    figure = precision_recall_figure(*curves(kinds), 5, "title", kinds=kinds)
    assert len(figure.texts) == 1 + len(kinds) + 2 + (5 if many else 0)
    assert_apart(figure.texts, rendered(figure))
    assert_readable(figure)
    # No part of the legend covers the panels.
    renderer = rendered(figure)
    bottom = min(axes.get_tightbbox(renderer).y0 for axes in figure.axes)
    title = figure.texts[0]
    assert all(
        text.get_window_extent(renderer).y1 <= bottom + 1 for text in figure.texts if text is not title
    )
    styles = [
        (line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in figure.axes[0].lines
    ]
    assert len(set(styles)) == len(styles)


def test_rankings_that_cannot_be_drawn():
    precision, recall = curves(["a", "b"])
    for given, options, message in [
        (({}, {}, 5), {}, "at least one ranking"),
        ((precision, {"a": recall["a"]}, 5), {}, "expected the same rankings"),
        ((precision, {**recall, "b": recall["b"][:4]}, 5), {}, r"\[4, 19\] values"),
        ((precision, recall, 5), {"kinds": {"c": "maps"}}, "no curve of c"),
        ((precision, recall, 5), {"kinds": {"a": "best"}}, "kind is 'best', expected one of maps, baseline"),
        ((precision, recall, 5), {"bands": {"a": (recall["a"], recall["a"][:3])}}, r"\[3, 19\] values"),
    ]:
        with pytest.raises(SettingsError, match=message):
            precision_recall_figure(*given, **options)
