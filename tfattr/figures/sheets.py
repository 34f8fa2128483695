"""Many panels on one sheet: methods x probe sets as matrices or trees, sizes of the probe set as both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfattr.affinity import Tree
from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.errors import SettingsError
from tfattr.figures.dendrogram import DISTANCE, draw_small_tree, tallest_merge
from tfattr.figures.grid import BAR, Grid, upright_bar
from tfattr.figures.matrices import (
    affinity_scale,
    defined_tree,
    draw_matrix,
    label_axis,
    matrix_order,
    square,
    strip,
)
from tfattr.figures.names import affinity_words, method_name, short_names
from tfattr.figures.style import FONT, SMALL, group_colours, inch_axes, inch_text, label_colours, widest

_LINE = 0.118  # inches: one line of a small label
_NARROWEST = 1.8  # inches: side of a matrix of few models
_TREE = 1.35  # inches: a tree without its names
_HEAD = 0.24  # inches: a head of columns, or of rows
_SPACE = 0.08  # inches: between a panel and its names
_ACROSS = 3  # sizes beside one another
_SIZE_TREE = 1.25  # inches: a tree without its names, at least
_UNDER = 0.42  # inches: a tree's axis and the size below it


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
        groups, scheme: model -> group, and its colours (:func:`tfattr.figures.style.group_colours`).
        share_scale: one colour scale for all; else one for each method.
        linkage, measure: of the tree for ``order="tree"``, of the affinities.

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

    side = max(_NARROWEST, _LINE * len(rows))
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
        groups, scheme: see :func:`tfattr.figures.tree_figure`; one legend names the groups.

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
        *(len(methods), len(probes), _TREE, _LINE * (most + 0.4), room + 0.2, 0.34),
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
            draw_small_tree(axes, tree, names, groups, colours, tallest, most)
    words = DISTANCE.format(" and ".join(linkages))
    centre = grid.x + (grid.inner_width + room) / 2
    inch_text(figure, centre, grid.y - 0.34, words, FONT - 1, ha="center", va="center")
    return figure


def size_sheet(
    matrices: Mapping[int, np.ndarray],
    models: Sequence[str],
    title: str = "",
    *,
    order: str | Sequence[str] | None = "tree",
    groups: Mapping[str, str] | None = None,
    scheme: str = "safe",
    linkage: str = "single",
    measure: str = DEFAULT_MEASURE,
) -> Figure:
    """Draws affinity matrix and similarity tree at each size of the probe set, the size below them.

    All matrices have one order and one colour scale; each tree has its own order, all one scale.

    Args:
        matrices: number of probe images -> ``[M, M]``, drawn from small to large. NaN cells are hatched;
            models with undefined affinities are left out of that tree.
        models: names of rows and columns.
        title: above everything.
        order: "tree" is the tree of the largest size; None keeps ``models``; or names.
        groups, scheme: model -> group, and its colours (:func:`tfattr.figures.style.group_colours`).
        linkage, measure: of the trees, of the affinities.

    Raises:
        SettingsError: no matrix, one that is not of the models, or an unknown order, linkage or scheme.

    Source: the paper's supplement, figure S4.
    """
    if not matrices:
        raise SettingsError("there is nothing to draw; give the matrix of at least one size")
    models = list(models)
    sizes = sorted(matrices)
    checked = [square(matrices[size], models) for size in sizes]
    rows = matrix_order(checked[-1], models, order, linkage)
    display = dict(zip(models, short_names(models)))
    colours = group_colours(groups, scheme)
    trees = [defined_tree(A, models, linkage) for A in checked]
    tallest = max((tallest_merge(tree) for tree in trees if tree), default=1.0)

    room = widest(list(display.values()), SMALL) + 0.08
    side = max(1.8, _LINE * len(models), _SIZE_TREE + room)
    tree_height = _LINE * (len(models) + 0.4)
    columns = -(-len(sizes) // -(-len(sizes) // _ACROSS))
    grid = Grid(
        rows=-(-len(sizes) // columns),
        columns=columns,
        width=side,
        height=side + 0.12 + tree_height + _UNDER,
        gap_x=0.2,
        gap_y=0.25,
        left=room,
        right=0.12 + BAR,
        bottom=0.3,
        top=0.04,
        title=title,
        colours=colours,
    )
    figure = grid.figure()
    norm, cmap = affinity_scale(checked)
    inks = label_colours([models[row] for row in rows], groups, colours)
    for place, (size, A, tree) in enumerate(zip(sizes, checked, trees)):
        i, j = divmod(place, columns)
        x, y = grid.corner(i, j)
        axes = inch_axes(figure, x, y + grid.height - side, side, side)
        draw_matrix(axes, A[np.ix_(rows, rows)], norm, cmap)
        if j == 0:
            label_axis(axes.yaxis, [display[models[row]] for row in rows], inks, SMALL)
        if tree:
            axes = inch_axes(figure, x, y + _UNDER, side - room, tree_height)
            draw_small_tree(axes, tree, display, groups, colours, tallest, len(models))
        words = f"{size:,} image{'' if size == 1 else 's'}"
        inch_text(figure, x + side / 2, y, words, FONT, ha="center", va="bottom", weight="bold")
    words = f"trees: {DISTANCE.format(linkage)}"
    inch_text(figure, grid.x + grid.inner_width / 2, grid.y - 0.18, words, FONT - 1, ha="center", va="center")
    x, y = grid.corner(0, columns - 1)
    height = min(side, 3.0)
    words = affinity_words(measure)
    words = words if height > 2.2 else words.replace("; diagonal 1", "")
    upright_bar(figure, x + side + 0.12, y + grid.height - height, height, norm, cmap, words)
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
    strip(axes)
    middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, words, fontsize=FONT - 1, color="#666666", **middle)
