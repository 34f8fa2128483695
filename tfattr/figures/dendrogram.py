"""The similarity tree as the authors draw it: root at the left, leaves at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfattr.affinity import Tree
from tfattr.figures.matrices import label_axis
from tfattr.figures.style import (
    FONT,
    NEUTRAL,
    SAFE_COLOURS,
    SMALL,
    add_group_legend,
    group_colours,
    label_colours,
    new_figure,
)

DISTANCE = "distance between rows of the affinity matrix ({} linkage)"
_THRESHOLD = 0.7  # of the last merge: MATLAB's default ColorThreshold


def tree_figure(
    tree: Tree,
    title: str = "",
    *,
    groups: Mapping[str, str] | None = None,
    scheme: str = "safe",
) -> Figure:
    """Draws a similarity tree.

    Args:
        tree: see :func:`tfattr.affinity.similarity_tree`.
        title: above the tree.
        groups: label -> group. Labels take their group's colour, and so do branches below which all leaves
            are of one group. Without groups, clusters below 0.7 of the last merge are coloured in turn.
        scheme: "safe", or "authors": semantic magenta, geometric red, 2D blue, 3D green.

    Raises:
        SettingsError: unknown scheme.

    Source: the authors' ``plot_dendrogram.m``.
    """
    colours = group_colours(groups, scheme)
    count = len(tree.labels)
    figure = new_figure(7.5, max(1.8, 0.25 * count + 1.1) + (0.4 if colours else 0.0))
    axes = figure.add_subplot()
    draw_tree(axes, tree, tree.leaves, groups, colours)
    axes.tick_params(axis="x", labelsize=FONT - 1)
    axes.set_xlabel(DISTANCE.format(tree.method), fontsize=FONT)
    if title:
        axes.set_title(title, fontsize=FONT + 2, parse_math=False)
    add_group_legend(figure, colours)
    return figure


def draw_tree(
    axes: Axes,
    tree: Tree,
    names: Sequence[str],
    groups: Mapping[str, str] | None,
    colours: Mapping[str, str],
    *,
    tallest: float = 0.0,
    size: float = FONT,
    pad: float = 3.5,
    line: float = 1.6,
) -> None:
    """Draws a tree into axes: leaf i at height i, counted from the top, its name at the right.

    Args:
        names: of the leaves, in leaf order.
        groups, colours: label -> group -> colour, as for :func:`tree_figure`.
        tallest: distance at the left end; the tree's last merge if that is farther.
        size, pad: of the names (points).
        line: width (points).
    """
    count = len(tree.labels)
    leaf_colours = label_colours(tree.labels, groups, colours)
    branch_colours = _by_group(tree, leaf_colours) if groups else _by_cluster(tree)
    place = np.empty(2 * count - 1)  # vertical place of each node; the first leaf on top
    place[tree.order] = np.arange(count)
    height = np.zeros(2 * count - 1)
    lines = []
    for step, (left, right, top, _) in enumerate(tree.linkage):
        left, right, node = int(left), int(right), count + step
        place[node], height[node] = (place[left] + place[right]) / 2, top
        corners = [(height[left], place[left]), (top, place[left]), (top, place[right])]
        lines.append([*corners, (height[right], place[right])])
    axes.add_collection(LineCollection(lines, colors=branch_colours, linewidths=line, capstyle="round"))

    tallest = max(tallest, tallest_merge(tree)) or 1.0
    axes.set_xlim(1.03 * tallest, -0.015 * tallest)
    axes.set_ylim(count - 0.4, -0.6)
    axes.yaxis.tick_right()
    label_axis(axes.yaxis, names, [leaf_colours[row] for row in tree.order], size, pad)
    for side in ("left", "top", "right"):
        axes.spines[side].set_visible(False)


def draw_small_tree(
    axes: Axes,
    tree: Tree,
    names: Mapping[str, str],
    groups: Mapping[str, str] | None,
    colours: Mapping[str, str],
    tallest: float,
    most: int,
) -> None:
    """A tree of a sheet, in axes for ``most`` leaves; ``names``: label -> name."""
    printed = [names[leaf] for leaf in tree.leaves]
    draw_tree(axes, tree, printed, groups, colours, tallest=tallest, size=SMALL, pad=2, line=1.1)
    axes.set_ylim(most - 0.4, -0.8)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="x", labelsize=SMALL, length=2, pad=2)


def tallest_merge(tree: Tree) -> float:
    """The greatest distance at which two clusters join."""
    return float(tree.linkage[:, 2].max())


def _by_group(tree: Tree, leaf_colours: list[str]) -> list[str]:
    colour = list(leaf_colours)
    for left, right, *_ in tree.linkage:
        one, other = colour[int(left)], colour[int(right)]
        colour.append(one if one == other else NEUTRAL)
    return colour[len(tree.labels) :]


def _by_cluster(tree: Tree) -> list[str]:
    """A colour for each maximal cluster below the threshold; in leaf order, so that neighbours differ."""
    count = len(tree.labels)
    threshold = _THRESHOLD * tallest_merge(tree)
    colour = [NEUTRAL] * len(tree.linkage)
    used = 0

    pending = [2 * count - 2]  # from the root down, left before right
    while pending:
        node = pending.pop()
        if node < count:
            continue
        left, right, top, _ = tree.linkage[node - count]
        if top < threshold:
            below = [node]
            while below:
                part = below.pop()
                if part >= count:
                    colour[part - count] = SAFE_COLOURS[used % len(SAFE_COLOURS)]
                    below.extend(map(int, tree.linkage[part - count, :2]))
            used += 1
        else:
            pending.extend((int(right), int(left)))
    return colour
