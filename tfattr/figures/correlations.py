"""Correlation between several affinities as an annotated matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.figures.grid import BAR, Grid, upright_bar
from tfattr.figures.matrices import draw_matrix, label_axis, square, write_values
from tfattr.figures.style import FONT, NEUTRAL, widest

_CELL = 0.4  # inches: room for a value


def correlation_sheet(
    names: Sequence[str], matrix: np.ndarray, title: str = "", *, label: str = "correlation"
) -> Figure:
    """Draws correlations between methods, probe sets or both as a matrix with its values written in.

    Args:
        names: of rows and columns; neighbours of one kind read best.
        matrix: float ``[n, n]``; NaN cells are hatched, the diagonal is grey.
        title: above the matrix.
        label: of the colour bar: which correlation.

    Raises:
        SettingsError: a matrix that is not square or not of the names, or values outside [-1, 1].

    Colours span [0, 1], or [-1, 1] if there are negative values.
    """
    names = list(names)
    values = square(matrix, names)
    worst = values[np.isfinite(values) & (np.abs(values) > 1 + 1e-9)]
    if worst.size:
        raise SettingsError(f"a value is {worst[0]:g}, expected correlations, from -1 to 1")
    off = np.where(np.eye(len(names), dtype=bool), np.nan, values)
    side = _CELL * len(names)
    room = widest(names, FONT) + 0.1
    height = max(side, 1.4)
    grid = Grid(
        *(1, 1, side, side, 0.0, 0.0),
        left=room,
        right=0.14 + BAR,
        bottom=room + (height - side),
        top=0.06,
        title=title,
    )
    figure = grid.figure()
    axes = grid.panel(figure, 0, 0)
    negative = bool((off < 0).any())
    norm, cmap = Normalize(-1.0 if negative else 0.0, 1.0), colormaps["RdBu_r" if negative else "viridis"]
    draw_matrix(axes, values, norm, cmap)
    write_values(axes, off, norm, cmap, FONT - 1)
    inks = [NEUTRAL] * len(names)
    label_axis(axes.yaxis, names, inks, FONT, pad=3)
    label_axis(axes.xaxis, names, inks, FONT, pad=3, rotation=90)
    bar = min(height, 3.2)
    upright_bar(figure, grid.x + side + 0.14, grid.y + side - bar, bar, norm, cmap, label)
    return figure
