"""The affinity matrix as a heat map, by itself and beside its tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.errors import SettingsError
from tfattr.figures.dendrogram import DISTANCE, draw_tree
from tfattr.figures.grid import Grid
from tfattr.figures.matrices import (
    affinity_scale,
    defined_tree,
    draw_matrix,
    label_axis,
    matrix_order,
    square,
    write_values,
)
from tfattr.figures.names import affinity_words, short_names
from tfattr.figures.style import (
    FONT,
    LETTER,
    SMALL,
    add_group_legend,
    group_colours,
    inch_axes,
    inch_text,
    label_colours,
    new_figure,
    widest,
)

_CELL = 0.25  # inches: one line of a 9-point label
_SMALL_CELL = 0.135  # inches: beside a tree
_NAME_SIZE = FONT - 1  # points, of names beside a tree
_TREE = 2.3  # inches
_MOST_NUMBERS = 14  # models up to which the values are written into the cells


def affinity_figure(
    A: np.ndarray,
    models: Sequence[str],
    title: str = "",
    *,
    order: str | Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    scheme: str = "safe",
    linkage: str = "single",
    measure: str = DEFAULT_MEASURE,
) -> Figure:
    """Draws an affinity matrix; colours span the values off the diagonal, which is always 1 and left grey.

    Args:
        A: affinity ``[M, M]``; NaN cells are hatched.
        models: names of rows and columns.
        title: above the matrix.
        order: None keeps ``models``; "tree" sorts by the leaves of the similarity tree (models with
            undefined affinities last); or the names in the order wanted.
        groups: model -> group, colours the labels.
        scheme: "safe" or "authors", see :func:`tfattr.figures.style.group_colours`.
        linkage: of the tree, for ``order="tree"``.
        measure: the affinity's, for the colour bar; rows are targets where A is not symmetric.

    Raises:
        SettingsError: names that do not fit the matrix, or an unknown order, linkage or scheme.
    """
    A, models = square(A, models), list(models)
    rows = matrix_order(A, models, order, linkage)
    A, models = A[np.ix_(rows, rows)], [models[row] for row in rows]
    size = len(models)
    colours = group_colours(groups, scheme)

    side = max(2.6, size * (0.5 if size <= _MOST_NUMBERS else _CELL))
    longest = LETTER * max(map(len, models))
    figure = new_figure(side + longest + 1.4, side + longest + 0.8 + (0.4 if colours else 0.0))
    axes = figure.add_subplot()
    off = np.where(np.eye(size, dtype=bool), np.nan, A)
    norm, cmap = affinity_scale([A])
    mesh = draw_matrix(axes, A, norm, cmap)
    if size <= _MOST_NUMBERS:
        write_values(axes, off, norm, cmap)
    inks = label_colours(models, groups, colours)
    label_axis(axes.xaxis, models, inks, FONT, pad=3.5, rotation=90)
    label_axis(axes.yaxis, models, inks, FONT, pad=3.5)
    if not np.array_equal(A, A.T, equal_nan=True):
        axes.set_xlabel("source", fontsize=FONT)
        axes.set_ylabel("target", fontsize=FONT)
    if title:
        axes.set_title(title, fontsize=FONT + 2, parse_math=False)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    bar.set_label(affinity_words(measure), fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    bar.outline.set_visible(False)
    add_group_legend(figure, colours)
    return figure


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
        groups, scheme: see :func:`affinity_figure`; branches are coloured too.
        order: of the matrix: "tree", None (as ``models``) or names.
        linkage, measure: of the tree, of the affinity.

    Raises:
        SettingsError: names that do not fit the matrix, fewer than two models with defined affinities, or an
            unknown order, linkage or scheme.

    Source: the paper's supplement, figures S5 to S7.
    """
    models = list(models)
    A = square(A, models)
    rows = matrix_order(A, models, order, linkage)
    tree = defined_tree(A, models, linkage)
    if tree is None:
        raise SettingsError("a tree needs at least two models whose affinities are defined")
    display = dict(zip(models, short_names(models)))
    names = [display[models[row]] for row in rows]
    colours = group_colours(groups, scheme)
    inks = label_colours([models[row] for row in rows], groups, colours)
    lined_up = [models[row] for row in rows[: len(tree.labels)]] == tree.leaves

    count = len(models)
    side = max(2.4, _SMALL_CELL * count)
    room = widest(names, _NAME_SIZE) + 0.12
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
    label_axis(axes.xaxis, names, inks, _NAME_SIZE, rotation=90)

    # Seen in the tree's direction the names stand at its leaves: between the two, or at the right.
    tree_x = grid.x + side + (room if lined_up else 0.25)
    tree_axes = inch_axes(figure, tree_x, grid.y, _TREE, side)
    draw_tree(
        tree_axes, tree, [display[leaf] for leaf in tree.leaves], groups, colours, size=_NAME_SIZE, line=1.3
    )
    tree_axes.set_ylim(count - 0.5, -0.5)
    if lined_up:
        axes.yaxis.tick_right()
        label_axis(axes.yaxis, names, inks, _NAME_SIZE, pad=4)
        tree_axes.set_yticks([])
        left, right = tree_axes.get_xlim()
        tree_axes.set_xlim(right, left)
    else:
        label_axis(axes.yaxis, names, inks, _NAME_SIZE)
    tree_axes.xaxis.set_major_locator(MaxNLocator(5))
    tree_axes.tick_params(axis="x", labelsize=SMALL, length=2, pad=2)
    words = DISTANCE.format(linkage).replace(" the affinity", "\nthe affinity")
    inch_text(figure, tree_x + _TREE / 2, grid.y - 0.2, words, _NAME_SIZE, ha="center", va="top")
    bar_axes = inch_axes(figure, tree_x + 0.05, grid.y - 0.72, _TREE - 0.1, 0.11)
    bar = figure.colorbar(ScalarMappable(norm, cmap), cax=bar_axes, orientation="horizontal")
    bar.set_label(affinity_words(measure), fontsize=_NAME_SIZE, labelpad=2)
    bar.ax.tick_params(labelsize=SMALL, length=2, pad=2)
    bar.outline.set_visible(False)
    return figure
