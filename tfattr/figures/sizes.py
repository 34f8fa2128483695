"""How the size of the probe set matters: matrices and trees at each size, and correlation curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from tfattr.affinity import both_directions, similarity_tree
from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.errors import SettingsError
from tfattr.figures.dendrogram import DISTANCE, draw_tree, tallest_merge
from tfattr.figures.grid import BAR, Grid, upright_bar
from tfattr.figures.matrices import (
    affinity_scale,
    clear_rows,
    draw_matrix,
    label_axis,
    matrix_order,
    square,
)
from tfattr.figures.names import affinity_words, method_name, short_names
from tfattr.figures.sheets import LINE
from tfattr.figures.style import (
    FONT,
    MARKERS,
    SAFE_COLOURS,
    SMALL,
    group_colours,
    inch_axes,
    inch_text,
    label_colours,
    new_figure,
    text_width,
    widest,
)

_ACROSS = 3  # sizes beside one another
_TREE = 1.25  # inches: a tree without its names, at least
_UNDER = 0.42  # inches: a tree's axis and the size below it


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
        groups: model -> group, colours names and branches.
        scheme: "safe" or "authors", see :func:`tfattr.figures.style.group_colours`.
        linkage: of the trees.
        measure: the affinity's, for the colour bar.

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
    kept = [clear_rows(A) for A in checked]
    trees = [
        similarity_tree(both_directions(A[np.ix_(clear, clear)]), [models[row] for row in clear], linkage)
        if len(clear) > 1
        else None
        for A, clear in zip(checked, kept)
    ]
    tallest = max((tallest_merge(tree) for tree in trees if tree), default=1.0)

    room = widest(list(display.values()), SMALL) + 0.08
    side = max(1.8, LINE * len(models), _TREE + room)
    tree_height = LINE * (len(models) + 0.4)
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
            names = [display[leaf] for leaf in tree.leaves]
            draw_tree(axes, tree, names, groups, colours, tallest=tallest, size=SMALL, pad=2, line=1.1)
            axes.set_ylim(len(models) - 0.4, -0.8)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.tick_params(axis="x", labelsize=SMALL, length=2, pad=2)
        words = f"{size:,} image{'' if size == 1 else 's'}"
        inch_text(figure, x + side / 2, y, words, FONT, ha="center", va="bottom", weight="bold")
    words = f"trees: {DISTANCE.format(linkage)}"
    inch_text(figure, grid.x + grid.inner_width / 2, grid.y - 0.18, words, FONT - 1, ha="center", va="center")
    x, y = grid.corner(0, columns - 1)
    height = min(side, 3.0)
    upright_bar(
        figure, x + side + 0.12, y + grid.height - height, height, norm, cmap, _words(height, measure)
    )
    return figure


def _words(height: float, measure: str) -> str:
    words = affinity_words(measure)
    return words if height > 2.2 else words.replace("; diagonal 1", "")


def size_curve_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    title: str = "",
    *,
    label: str = "correlation with the whole probe set's affinity",
) -> Figure:
    """Draws how the affinity of part of the probe set agrees with that of the whole, against the part's size.

    Args:
        curves: method -> ``sizes`` (images, > 0), ``mean``, and as a rule ``low`` and ``high``, the ends of an
            interval, drawn as a band. All of one length.
        title: above the axes.
        label: of the vertical axis.

    Raises:
        SettingsError: no curve, or one whose parts are not of one length.
    """
    if not curves:
        raise SettingsError("there is nothing to draw; give at least one curve")
    for method, curve in curves.items():
        lengths = {len(values) for values in curve.values()}
        if not {"sizes", "mean"} <= set(curve) or ("low" in curve) != ("high" in curve) or len(lengths) != 1:
            raise SettingsError(
                f"the curve of {method} has {', '.join(curve) or 'nothing'} of {sorted(lengths)} values; "
                "expected sizes and mean, and low and high or neither, all of one length"
            )
        if not len(curve["sizes"]) or min(curve["sizes"]) <= 0:
            raise SettingsError(f"the curve of {method} needs sizes above 0, at least one")
    figure = new_figure(5.6, 3.6)
    axes = figure.add_subplot()
    for index, (method, curve) in enumerate(curves.items()):
        colour = SAFE_COLOURS[index % len(SAFE_COLOURS)]
        if "low" in curve:
            axes.fill_between(
                curve["sizes"], curve["low"], curve["high"], color=colour, alpha=0.16, linewidth=0
            )
        axes.plot(
            curve["sizes"],
            curve["mean"],
            color=colour,
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1.4,
            linestyle=("-", "--", "-.")[index % 3],
            label=method_name(method),
        )
    ticks = sorted({size for curve in curves.values() for size in curve["sizes"]})
    if ticks[-1] / ticks[0] > 4:
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, _spaced(ticks, np.log10 if axes.get_xscale() == "log" else float))
    axes.tick_params(labelsize=FONT - 1)
    axes.set_xlabel("probe images", fontsize=FONT)
    axes.set_ylabel(label, fontsize=FONT)
    axes.set_ylim(top=min(1.01, axes.get_ylim()[1]))
    axes.grid(alpha=0.25, linewidth=0.6)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=FONT)
    if title:
        axes.set_title(title, fontsize=FONT + 2, parse_math=False)
    return figure


def _spaced(ticks: Sequence[float], scale: Callable[[float], float]) -> list[str]:
    """Names of ticks, from the last one down; those that would touch the one at their right are left out."""
    inches = 4.2 / max(scale(ticks[-1]) - scale(ticks[0]), 1e-9)  # the axis is a bit longer than this
    names, border = [], np.inf
    for tick in reversed(ticks):
        text = f"{tick:g}"
        centre, half = scale(tick) * inches, text_width(text, FONT - 1) / 2 + 0.02
        fits = centre + half <= border
        names.append(text if fits else "")
        border = centre - half if fits else border
    return names[::-1]
