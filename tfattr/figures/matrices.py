"""Parts of pictures of affinity matrices: order, colour scale, cells, labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from tfattr.affinity import Tree, both_directions, similarity_tree
from tfattr.errors import SettingsError
from tfattr.figures.style import FONT


def square(A: np.ndarray, models: Sequence[str]) -> np.ndarray:
    """The affinity as float64 ``[M, M]``; SettingsError if it is not of the models."""
    A = np.asarray(A, dtype=np.float64)
    if A.shape != (len(models), len(models)) or not len(models):
        raise SettingsError(f"the affinity has shape {A.shape}, expected square with {len(models)} names")
    return A


def clear_rows(A: np.ndarray) -> list[int]:
    """Models whose affinities to one another are all defined, in their order: those that a tree can hold."""
    kept = np.flatnonzero(np.isfinite(A).any(axis=1))
    return [int(row) for row in kept[np.isfinite(A[np.ix_(kept, kept)]).all(axis=1)]]


def defined_tree(A: np.ndarray, models: Sequence[str], linkage: str) -> Tree | None:
    """The tree of the models of :func:`clear_rows`; None of fewer than two."""
    clear = clear_rows(A)
    if len(clear) < 2:
        return None
    return similarity_tree(both_directions(A[np.ix_(clear, clear)]), [models[row] for row in clear], linkage)


def matrix_order(
    A: np.ndarray, models: Sequence[str], order: str | Sequence[str] | None, linkage: str
) -> list[int]:
    """Rows in the order to draw: as they are (None), by the leaves of the tree ("tree"), or as named.

    Raises:
        SettingsError: an unknown order, or names that are not those of the models.
    """
    if order is None:
        return list(range(len(models)))
    if isinstance(order, str):
        if order != "tree":
            raise SettingsError(f"the order is {order!r}, expected 'tree', a list of names, or None")
        clear = clear_rows(A)
        unclear = [row for row in range(len(models)) if row not in set(clear)]
        tree = defined_tree(A, models, linkage)
        return [*(clear[leaf] for leaf in tree.order), *unclear] if tree else [*clear, *unclear]
    if sorted(order) != sorted(models):
        strange = sorted(set(order) ^ set(models))
        raise SettingsError(f"the order must name each model once; look at {', '.join(strange) or 'doubles'}")
    return [list(models).index(name) for name in order]


def affinity_scale(matrices: Iterable[np.ndarray]) -> tuple[Normalize, Colormap]:
    """One colour scale for several matrices' values off the diagonal.

    Sequential over the values' range, or diverging around 0 where negative affinities matter.
    """
    parts = [A[~np.eye(len(A), dtype=bool)] for A in matrices]
    values = np.concatenate([part[np.isfinite(part)] for part in parts] or [np.empty(0)])
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low < 0 and -low > 0.1 * high:
        limit = max(-low, high)
        return Normalize(-limit, limit), colormaps["RdBu_r"]
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high), colormaps["viridis"]


def draw_matrix(axes: Axes, A: np.ndarray, norm: Normalize, cmap: Colormap) -> AxesImage:
    """Cells of ``[M, M]`` without ticks: the diagonal grey, undefined values hatched."""
    off = np.where(np.eye(len(A), dtype=bool), np.nan, A)
    axes.set_facecolor("#dddddd")  # seen where a cell is not drawn: the diagonal
    mesh = axes.imshow(np.ma.masked_invalid(off), norm=norm, cmap=cmap)
    for row, column in np.argwhere(np.isnan(A)):
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor="#888888", hatch="////", lw=0
            )
        )
    strip(axes)
    return mesh


def strip(axes: Axes) -> None:
    """No ticks, no frame."""
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def label_axis(
    axis: Axis, names: Sequence[str], colours: Sequence[str], size: float, pad: float = 2, rotation: float = 0
) -> None:
    """Names at 0, 1, 2, ... along an axis, each in its colour."""
    axis.set_ticks(range(len(names)), names, fontsize=size, rotation=rotation, parse_math=False)
    axis.set_tick_params(length=0, pad=pad)
    for text, colour in zip(axis.get_ticklabels(), colours):
        text.set_color(colour)


def write_values(
    axes: Axes, values: np.ndarray, norm: Normalize, cmap: Colormap, size: float = FONT - 2
) -> None:
    """Each defined value in its cell, black or white, whichever is seen better."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = cmap(norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            text = f"{value:.2f}".replace("-0.00", "0.00")
            ink = "white" if dark else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
