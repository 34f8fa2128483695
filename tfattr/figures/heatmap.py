"""The affinity matrix as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfattr.affinity import similarity_tree
from tfattr.errors import SettingsError
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

    Raises:
        SettingsError: names that do not fit the matrix, or an unknown order, linkage or scheme.
    """
    A, models = np.asarray(A, dtype=np.float64), list(models)
    if A.shape != (len(models), len(models)) or not models:
        raise SettingsError(f"the affinity has shape {A.shape}, expected square with {len(models)} names")
    rows = _order(A, models, order, linkage)
    A, models = A[np.ix_(rows, rows)], [models[row] for row in rows]
    size = len(models)
    colours = group_colours(groups, scheme)

    side = max(2.6, size * (0.5 if size <= _MOST_NUMBERS else _CELL))
    longest = LETTER * max(map(len, models))
    figure = new_figure(side + longest + 1.4, side + longest + 0.8 + (0.4 if colours else 0.0))
    axes = figure.add_subplot()
    off = np.where(np.eye(size, dtype=bool), np.nan, A)
    norm, cmap = _scale(off)
    axes.set_facecolor("#dddddd")  # seen where a cell is not drawn: the diagonal
    mesh = axes.imshow(np.ma.masked_invalid(off), norm=norm, cmap=cmap)
    for row, column in np.argwhere(np.isnan(A)):
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor="#888888", hatch="////", lw=0
            )
        )
    if size <= _MOST_NUMBERS:
        _write_values(axes, off, norm, cmap)
    axes.set_xticks(range(size), models, rotation=90, fontsize=FONT, parse_math=False)
    axes.set_yticks(range(size), models, fontsize=FONT, parse_math=False)
    axes.tick_params(length=0)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for text, colour in zip(ticks, label_colours(models, groups, colours)):
            text.set_color(colour)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, fontsize=FONT + 2, parse_math=False)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("affinity (mean cosine; diagonal 1)", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    bar.outline.set_visible(False)
    add_group_legend(figure, colours)
    return figure


def _order(
    A: np.ndarray, models: Sequence[str], order: str | Sequence[str] | None, linkage: str
) -> list[int]:
    if order is None:
        return list(range(len(models)))
    if isinstance(order, str):
        if order != "tree":
            raise SettingsError(f"the order is {order!r}, expected 'tree', a list of names, or None")
        lost = ~np.isfinite(A).any(axis=1)
        kept = np.flatnonzero(~lost)
        clear = kept[np.isfinite(A[np.ix_(kept, kept)]).all(axis=1)]
        unclear = [row for row in range(len(models)) if row not in set(clear)]
        if len(clear) < 2:
            return [*map(int, clear), *unclear]
        leaves = similarity_tree(A[np.ix_(clear, clear)], [models[row] for row in clear], linkage).order
        return [*(int(clear[leaf]) for leaf in leaves), *unclear]
    if sorted(order) != sorted(models):
        strange = sorted(set(order) ^ set(models))
        raise SettingsError(f"the order must name each model once; look at {', '.join(strange) or 'doubles'}")
    return [models.index(name) for name in order]


def _scale(off: np.ndarray):
    """Sequential over the values' range, or diverging around 0 where negative affinities matter."""
    values = off[np.isfinite(off)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low < 0 and -low > 0.1 * high:
        limit = max(-low, high)
        return Normalize(-limit, limit), colormaps["RdBu_r"]
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high), colormaps["viridis"]


def _write_values(axes, off: np.ndarray, norm: Normalize, cmap) -> None:
    for (row, column), value in np.ndenumerate(off):
        if np.isfinite(value):
            red, green, blue, _ = cmap(norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            text = f"{value:.2f}".replace("-0.00", "0.00")
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=FONT - 2,
                color="white" if dark else "black",
            )
