"""The affinity matrix as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.figures.matrices import (
    affinity_scale,
    draw_matrix,
    label_axis,
    matrix_order,
    square,
    write_values,
)
from tfattr.figures.names import affinity_words
from tfattr.figures.style import FONT, LETTER, add_group_legend, group_colours, label_colours, new_figure

_CELL = 0.25  # inches: one line of a 9-point label
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
