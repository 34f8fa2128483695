"""Methods x probe sets on one sheet: affinity matrices, and similarity trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfattr.affinity import Tree
from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.errors import SettingsError
from tfattr.figures.dendrogram import DISTANCE, draw_tree, tallest_merge
from tfattr.figures.grid import BAR, Grid, upright_bar
from tfattr.figures.matrices import affinity_scale, draw_matrix, label_axis, matrix_order, square
from tfattr.figures.names import affinity_words, method_name, short_names
from tfattr.figures.style import FONT, SMALL, group_colours, inch_text, label_colours, widest

LINE = 0.118  # inches: one line of a small label
_NARROWEST = 1.8  # inches: side of a matrix of few models
_TREE = 1.35  # inches: a tree without its names
_HEAD = 0.24  # inches: a head of columns, or of rows
_SPACE = 0.08  # inches: between a panel and its names


def affinity_sheet(
    matrices: Mapping[str, Mapping[str, np.ndarray]],
    models: Sequence[str],
    title: str = "",
    *,
    order: str | Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    share_scale: bool = True,
    scheme: str = "safe",
    linkage: str = "single",
    measure: str = DEFAULT_MEASURE,
) -> Figure:
    """Draws affinity matrices: a row for each method, a column for each probe set.

    Args:
        matrices: method -> probe set -> ``[M, M]``; a pair that is absent leaves its panel empty. NaN cells
            are hatched, the diagonal (1 by definition) is grey.
        models: names of rows and columns, in the order to draw.
        title: above everything.
        order: None keeps ``models``; "tree" sorts all by the tree of the first matrix; or names.
        groups: model -> group, colours the names.
        share_scale: one colour scale for all; else one for each method.
        scheme: "safe" or "authors", see :func:`tfattr.figures.style.group_colours`.
        linkage: of the tree, for ``order="tree"``.
        measure: the affinities', for the colour bars.

    Raises:
        SettingsError: no matrix, one that is not of the models, or an unknown order, linkage or scheme.

    Source: the paper's supplement, figure S2.
    """
    methods, probes = _heads(matrices, "matrix")
    panels = {
        (method, probe): square(A, models) for method in methods for probe, A in matrices[method].items()
    }
    rows = matrix_order(next(iter(panels.values())), models, order, linkage)
    names = [short_names(models)[row] for row in rows]
    colours = group_colours(groups, scheme)
    inks = label_colours([models[row] for row in rows], groups, colours)

    side = max(_NARROWEST, LINE * len(rows))
    room = widest(names, SMALL) + _SPACE
    grid = Grid(
        *(len(methods), len(probes), side, side, 0.14, 0.14),
        left=_HEAD + room,
        right=0.12 + BAR,
        bottom=room,
        top=_HEAD,
        title=title,
        colours=colours,
    )
    figure = grid.figure()
    _write_heads(figure, grid, methods, probes)
    common = affinity_scale(panels.values())
    for i, method in enumerate(methods):
        own = affinity_scale(A for (of, _), A in panels.items() if of == method)
        norm, cmap = common if share_scale else own
        for j, probe in enumerate(probes):
            axes = grid.panel(figure, i, j)
            if (method, probe) in panels:
                draw_matrix(axes, panels[method, probe][np.ix_(rows, rows)], norm, cmap)
            else:
                _empty(axes, "no matrix")
                axes.set_xlim(-0.5, len(rows) - 0.5)
                axes.set_ylim(len(rows) - 0.5, -0.5)
            if j == 0:
                label_axis(axes.yaxis, names, inks, SMALL)
            if i == len(methods) - 1:
                label_axis(axes.xaxis, names, inks, SMALL, rotation=90)
    bar_x = grid.x + grid.inner_width + 0.12
    if share_scale:
        height = min(grid.inner_height, 4.0)
        y = grid.y + (grid.inner_height - height) / 2
        upright_bar(figure, bar_x, y, height, *common, affinity_words(measure))
    else:
        for i, method in enumerate(methods):
            own = affinity_scale(A for (of, _), A in panels.items() if of == method)
            words = affinity_words(measure) if side > 2.2 else "affinity"
            upright_bar(figure, bar_x, grid.corner(i, 0)[1], side, *own, words)
    return figure


def tree_sheet(
    trees: Mapping[str, Mapping[str, Tree]],
    title: str = "",
    *,
    groups: Mapping[str, str] | None = None,
    scheme: str = "safe",
) -> Figure:
    """Draws similarity trees: a row for each method, a column for each probe set.

    Args:
        trees: method -> probe set -> tree; a pair that is absent leaves its panel empty. Distances have one
            scale a method.
        title: above everything.
        groups: label -> group: names take their group's colour, and so do branches below which all leaves
            are of one group; one legend names the groups.
        scheme: "safe", or "authors": semantic magenta, geometric red, 2D blue, 3D green.

    Raises:
        SettingsError: no tree, or an unknown scheme.

    Source: the paper's supplement, figure S3; the authors' ``plot_dendrogram.m``.
    """
    methods, probes = _heads(trees, "tree")
    panels = {(method, probe): tree for method in methods for probe, tree in trees[method].items()}
    labels = list(dict.fromkeys(label for tree in panels.values() for label in tree.labels))
    names = dict(zip(labels, short_names(labels)))
    colours = group_colours(groups, scheme)
    linkages = list(dict.fromkeys(tree.method for tree in panels.values()))

    most = max(len(tree.labels) for tree in panels.values())
    room = widest(list(names.values()), SMALL) + _SPACE
    grid = Grid(
        *(len(methods), len(probes), _TREE, LINE * (most + 0.4), room + 0.2, 0.34),
        left=_HEAD,
        right=room,
        bottom=0.46,
        top=_HEAD,
        title=title,
        colours=colours,
    )
    figure = grid.figure()
    _write_heads(figure, grid, methods, probes, room)
    for i, method in enumerate(methods):
        tallest = max(tallest_merge(tree) for (of, _), tree in panels.items() if of == method)
        for j, probe in enumerate(probes):
            axes = grid.panel(figure, i, j)
            tree = panels.get((method, probe))
            if tree is None:
                _empty(axes, "no tree")
                continue
            printed = [names[leaf] for leaf in tree.leaves]
            draw_tree(axes, tree, printed, groups, colours, tallest=tallest, size=SMALL, pad=2, line=1.1)
            axes.set_ylim(most - 0.4, -0.8)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.tick_params(axis="x", labelsize=SMALL, length=2, pad=2)
    words = DISTANCE.format(" and ".join(linkages))
    centre = grid.x + (grid.inner_width + room) / 2
    inch_text(figure, centre, grid.y - 0.34, words, FONT - 1, ha="center", va="center")
    return figure


def _heads(panels: Mapping[str, Mapping[str, object]], what: str) -> tuple[list[str], list[str]]:
    """Methods and probe sets in order of appearance; methods without any panel are left out."""
    methods = [method for method, by_probe in panels.items() if by_probe]
    if not methods:
        raise SettingsError(f"there is nothing to draw; give at least one {what}")
    return methods, list(dict.fromkeys(probe for method in methods for probe in panels[method]))


def _write_heads(
    figure: Figure, grid: Grid, methods: Sequence[str], probes: Sequence[str], right: float = 0.0
) -> None:
    """Methods at the left, probe sets above; ``right`` inches of names belong to each panel."""
    for i, method in enumerate(methods):
        y = grid.corner(i, 0)[1] + grid.height / 2
        x = grid.x - grid.left + _HEAD / 2
        inch_text(figure, x, y, method_name(method), FONT, ha="center", va="center", rotation=90)
    for j, probe in enumerate(probes):
        x, y = grid.corner(0, j)
        at = x + (grid.width + right) / 2
        inch_text(figure, at, y + grid.height + 0.06, probe.replace("_", " "), ha="center", va="bottom")


def _empty(axes: Axes, words: str) -> None:
    axes.set_facecolor("#f4f4f4")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(
        0.5,
        0.5,
        words,
        ha="center",
        va="center",
        fontsize=FONT - 1,
        color="#666666",
        transform=axes.transAxes,
    )
