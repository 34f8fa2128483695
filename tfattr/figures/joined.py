"""The affinity matrix and its tree side by side, rows lined up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfattr.affinity import both_directions, similarity_tree
from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.errors import SettingsError
from tfattr.figures.dendrogram import DISTANCE, draw_tree
from tfattr.figures.grid import Grid
from tfattr.figures.matrices import (
    affinity_scale,
    clear_rows,
    draw_matrix,
    label_axis,
    matrix_order,
    square,
)
from tfattr.figures.names import affinity_words, short_names
from tfattr.figures.style import FONT, SMALL, group_colours, inch_axes, inch_text, label_colours, widest

_CELL = 0.135  # inches
_SIZE = FONT - 1  # points, of names
_TREE = 2.3  # inches


def matrix_and_tree_figure(
    A: np.ndarray,
    models: Sequence[str],
    title: str = "",
    *,
    groups: Mapping[str, str] | None = None,
    order: str | Sequence[str] | None = "tree",
    scheme: str = "safe",
    linkage: str = "single",
    measure: str = DEFAULT_MEASURE,
) -> Figure:
    """Draws an affinity matrix at the left and its similarity tree at the right.

    In tree order both share their rows, and the names between them belong to both. In any other order the
    matrix has names of its own.

    Args:
        A: affinity ``[M, M]``; NaN cells are hatched. Models with undefined affinities are last in the
            matrix and not in the tree.
        models: names of rows and columns.
        title: above both.
        groups: model -> group, colours names and branches.
        order: of the matrix: "tree", None (as ``models``) or names.
        scheme: "safe" or "authors", see :func:`tfattr.figures.style.group_colours`.
        linkage: of the tree.
        measure: the affinity's, for the colour bar.

    Raises:
        SettingsError: names that do not fit the matrix, fewer than two models with defined affinities, or an
            unknown order, linkage or scheme.

    Source: the paper's supplement, figures S5 to S7.
    """
    models = list(models)
    A = square(A, models)
    rows = matrix_order(A, models, order, linkage)
    clear = clear_rows(A)
    if len(clear) < 2:
        raise SettingsError("a tree needs at least two models whose affinities are defined")
    tree = similarity_tree(both_directions(A[np.ix_(clear, clear)]), [models[row] for row in clear], linkage)
    display = dict(zip(models, short_names(models)))
    names = [display[models[row]] for row in rows]
    colours = group_colours(groups, scheme)
    inks = label_colours([models[row] for row in rows], groups, colours)
    lined_up = [models[row] for row in rows[: len(clear)]] == tree.leaves

    count = len(models)
    side = max(2.4, _CELL * count)
    room = widest(names, _SIZE) + 0.12
    own = 0.0 if lined_up else room  # names of the matrix alone, at its left
    grid = Grid(
        *(1, 1, side, side, 0.0, 0.0),
        left=own,
        right=(room + _TREE if lined_up else 0.25 + _TREE + room),
        bottom=max(room, 1.05),
        top=0.04,
        title=title,
        colours=colours,
    )
    figure = grid.figure()
    axes = grid.panel(figure, 0, 0)
    norm, cmap = affinity_scale([A])
    draw_matrix(axes, A[np.ix_(rows, rows)], norm, cmap)
    label_axis(axes.xaxis, names, inks, _SIZE, rotation=90)

    # Seen in the tree's direction the names stand at its leaves: between the two, or at the right.
    tree_x = grid.x + side + (room if lined_up else 0.25)
    tree_axes = inch_axes(figure, tree_x, grid.y, _TREE, side)
    draw_tree(tree_axes, tree, [display[leaf] for leaf in tree.leaves], groups, colours, size=_SIZE, line=1.3)
    tree_axes.set_ylim(count - 0.5, -0.5)
    if lined_up:
        axes.yaxis.tick_right()
        label_axis(axes.yaxis, names, inks, _SIZE, pad=4)
        tree_axes.set_yticks([])
        left, right = tree_axes.get_xlim()
        tree_axes.set_xlim(right, left)
    else:
        label_axis(axes.yaxis, names, inks, _SIZE)
    tree_axes.xaxis.set_major_locator(MaxNLocator(5))
    tree_axes.tick_params(axis="x", labelsize=SMALL, length=2, pad=2)
    words = DISTANCE.format(linkage).replace(" the affinity", "\nthe affinity")
    inch_text(figure, tree_x + _TREE / 2, grid.y - 0.2, words, _SIZE, ha="center", va="top")
    bar_axes = inch_axes(figure, tree_x + 0.05, grid.y - 0.72, _TREE - 0.1, 0.11)
    bar = figure.colorbar(ScalarMappable(norm, cmap), cax=bar_axes, orientation="horizontal")
    bar.set_label(affinity_words(measure), fontsize=_SIZE, labelpad=2)
    bar.ax.tick_params(labelsize=SMALL, length=2, pad=2)
    bar.outline.set_visible(False)
    return figure
