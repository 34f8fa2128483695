"""The model transferability graph made visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.figures.grid import Grid
from tfattr.figures.labelling import needs_line, place_labels
from tfattr.figures.matrices import clear_rows, square
from tfattr.figures.names import short_names
from tfattr.figures.scaling import metric_scaling
from tfattr.figures.style import FONT, NEUTRAL, group_colours, inch_text, label_colours, text_width

_WIDTH, _HEIGHT = 5.8, 4.6  # inches: the points' frame, at most
_SIZE = FONT - 1
_THICK = (0.5, 3.2)  # points: edges of the least and the greatest affinity
_FAINT = (0.25, 0.85)
_DOT = 0.055  # inches: radius of a point
_ROOM = 0.09  # inches: a point and the blank around it


def model_graph_figure(
    A: np.ndarray,
    models: Sequence[str],
    title: str = "",
    *,
    groups: Mapping[str, str] | None = None,
    neighbours: int = 2,
    scheme: str = "safe",
) -> Figure:
    """Draws models as points, near where alike, each joined with its nearest neighbours.

    Points are placed by metric multidimensional scaling of the distances 1 - affinity; the note below says
    how well the plane renders them (Kruskal's stress). Edges are thicker and darker the greater the affinity.

    Args:
        A: affinity ``[M, M]``, symmetric. Models with undefined affinities are left out and named below.
        models: names.
        title: above the graph.
        groups: model -> group, colours points and names.
        neighbours: edges from each model to its most affine others (an edge may count for both its ends).
        scheme: "safe" or "authors", see :func:`tfattr.figures.style.group_colours`.

    Raises:
        SettingsError: names that do not fit the matrix, fewer than two models with defined affinities, a
            number of neighbours below 1, or an unknown scheme.

    Source: the model transferability graph of the paper, made visible; the layout is ours.
    """
    models = list(models)
    A = square(A, models)
    kept = clear_rows(A)
    if len(kept) < 2:
        raise SettingsError("a graph needs at least two models whose affinities are defined")
    if neighbours < 1:
        raise SettingsError(f"{neighbours} neighbours asked for; at least 1 is possible")
    display = short_names(models)
    lost = [display[row] for row in range(len(models)) if row not in set(kept)]
    models, names = [models[row] for row in kept], [display[row] for row in kept]
    A = A[np.ix_(kept, kept)]
    A = (A + A.T) / 2
    colours = group_colours(groups, scheme)
    inks = label_colours(models, groups, colours)

    distances = np.clip(1 - A, 0, None)
    np.fill_diagonal(distances, 0)
    points, stress = metric_scaling(distances)
    points = points - points.min(axis=0)
    wide, high = np.maximum(points.max(axis=0), 1e-9)
    points = points * min(_WIDTH / wide, _HEIGHT / high)
    edges = nearest_edges(A, neighbours)
    sizes = np.array([(text_width(name, _SIZE) + 0.05, 0.145) for name in names])
    centres = place_labels(points, sizes, edges, _ROOM)

    low = np.minimum(points - 0.1, centres - sizes / 2).min(axis=0)
    high_corner = np.maximum(points + 0.1, centres + sizes / 2).max(axis=0)
    width, height = high_corner - low
    notes = _notes(neighbours, stress, lost)
    grid = Grid(
        *(1, 1, max(width, 3.6), height, 0.0, 0.0),
        left=0.05,
        right=0.05,
        bottom=0.42 + 0.17 * len(notes),
        top=0.08,
        title=title,
        colours=colours,
    )
    figure = grid.figure()
    axes = grid.panel(figure, 0, 0)
    axes.set_axis_off()
    shift = (max(width, 3.6) - width) / 2
    axes.set_xlim(low[0] - shift, low[0] - shift + max(width, 3.6))
    axes.set_ylim(low[1], low[1] + height)

    values = np.array([A[one, other] for one, other in edges])
    least, most = float(values.min()), float(values.max())
    strength = (values - least) / (most - least) if most > least else np.ones(len(values))
    lines = [(points[one], points[other]) for one, other in edges]
    thick, faint = (low_ + strength * (top - low_) for low_, top in (_THICK, _FAINT))
    axes.add_collection(
        LineCollection(
            lines, linewidths=thick, colors=[(0.35, 0.35, 0.35, alpha) for alpha in faint], zorder=1
        )
    )
    for point, centre, size, ink, name in zip(points, centres, sizes, inks, names):
        if needs_line(point, centre, size, _ROOM):
            end = np.clip(point, centre - size / 2, centre + size / 2)
            axes.plot(*zip(point, end), color=ink, linewidth=0.6, zorder=2, solid_capstyle="butt")
        axes.text(
            *centre,
            name,
            fontsize=_SIZE,
            color=ink,
            ha="center",
            va="center",
            zorder=4,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
        )
    axes.scatter(*points.T, s=(2 * 72 * _DOT) ** 2, c=inks, edgecolors="white", linewidths=0.8, zorder=3)
    _edge_key(figure, grid, least, most)
    for place, note in enumerate(notes):
        y = grid.y - 0.42 - 0.17 * place
        inch_text(figure, grid.full_width / 2, y, note, FONT - 2, ha="center", va="center", color="#666666")
    return figure


def nearest_edges(A: np.ndarray, neighbours: int) -> list[tuple[int, int]]:
    """Pairs (i < j) of which one is among the other's most affine ``neighbours``; ties go to the first."""
    edges = set()
    for row, affinities in enumerate(A):
        others = [other for other in np.argsort(-affinities, kind="stable") if other != row]
        edges |= {(min(row, int(other)), max(row, int(other))) for other in others[:neighbours]}
    return sorted(edges)


def _notes(neighbours: int, stress: float, lost: Sequence[str]) -> list[str]:
    of = "neighbour" if neighbours == 1 else f"{neighbours} neighbours"
    notes = [
        f"edges: each model's nearest {of}",
        f"distance in the plane: about 1 - affinity (stress {stress:.2f})",
    ]
    if lost:
        notes.append(f"not drawn, no affinity: {', '.join(lost[:4])}{' ...' if len(lost) > 4 else ''}")
    return notes


def _edge_key(figure: Figure, grid: Grid, least: float, most: float) -> None:
    """Sample edges with their affinities."""
    samples = [
        (share, least + share * (most - least)) for share in ((0.0, 0.5, 1.0) if most > least else (1.0,))
    ]
    digits = 2 if most == least or most - least > 0.02 else 4
    y, step = grid.y - 0.2, 0.85
    x = grid.full_width / 2 - (0.65 + step * len(samples)) / 2
    inch_text(figure, x, y, "affinity", FONT - 1, ha="left", va="center")
    x += 0.65
    width, height = figure.get_size_inches()
    for share, value in samples:
        line = LineCollection(
            [[(x / width, y / height), ((x + 0.32) / width, y / height)]],
            linewidths=[_THICK[0] + share * (_THICK[1] - _THICK[0])],
            colors=[(0.35, 0.35, 0.35, _FAINT[0] + share * (_FAINT[1] - _FAINT[0]))],
            transform=figure.transFigure,
        )
        figure.add_artist(line)
        inch_text(figure, x + 0.38, y, f"{value:.{digits}f}", FONT - 1, ha="left", va="center", color=NEUTRAL)
        x += step
