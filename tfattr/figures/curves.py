"""Curves: precision and recall at K against measured transfer, with random and oracle; agreement against the probe's size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from tfattr.errors import SettingsError
from tfattr.evaluation import oracle_precision, random_precision
from tfattr.figures.grid import MARGIN, Grid
from tfattr.figures.names import method_name
from tfattr.figures.style import FONT, MARKERS, SAFE_COLOURS, inch_text, new_figure, text_width, widest

# kind -> heading of the legend, line style; controls are grey like the references.
_KINDS = {
    "maps": ("attribution maps", "-"),
    "baseline": ("baselines", "--"),
    "own": ("own", "-."),
    "control": ("controls", (0, (4, 1.5, 1, 1.5, 1, 1.5))),
}
_COLOURS = [colour for colour in SAFE_COLOURS if colour != "#808080"]
_REFERENCE, _CONTROL = "#595959", "#8c8c8c"
_WIDTH, _HEIGHT = 3.4, 2.7  # inches: a panel
_LINE, _HANDLE = 0.165, 0.5  # inches: an entry of the legend, and its sample of the line
_TALLEST = 5  # entries below one another

Block = tuple[str, list[Line2D]]  # a group of the legend: heading (or none) and sample lines


def precision_recall_figure(
    precision: Mapping[str, np.ndarray],
    recall: Mapping[str, np.ndarray],
    relevant: int,
    title: str = "",
    *,
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Figure:
    """Two panels: precision and recall at K = 1 .. C of each ranking, beside random and oracle.

    Args:
        precision, recall: name of a ranking -> float ``[C]``.
        relevant: number of relevant sources a target.
        title: above both.
        bands: name of a ranking -> lower and upper end of an interval of its precision, float ``[C]`` each.
            The recall's is the same times K / relevant.
        kinds: name of a ranking -> "maps" (solid; taken for names that are absent), "baseline" (dashed), "own"
            (dash-dotted) or "control" (grey); the legend is grouped by them.

    Raises:
        SettingsError: no ranking, rankings that are not alike in both panels or in length, or an unknown kind.

    The random recall is ``K / C`` (the authors' script draws the random precision there).
    """
    count = _check(precision, recall, bands or {}, kinds or {})
    ks = np.arange(1, count + 1)
    kinds = {name: (kinds or {}).get(name, "maps") for name in precision}
    styles = _styles(kinds)
    references = {
        name: (precision_at, precision_at * ks / relevant, style)
        for name, precision_at, style in (
            ("oracle", oracle_precision(relevant, count), ":"),
            ("random", random_precision(relevant, count), "--"),
        )
    }
    blocks = _blocks(kinds, styles, references, headed=len(set(kinds.values())) > 1)
    full = 0.5 + 2 * _WIDTH + 0.6
    rows = _flow(blocks, full)
    grid = Grid(
        *(1, 2, _WIDTH, _HEIGHT, 0.6, 0.0),
        left=0.5,
        right=0.0,
        bottom=0.5 + sum(map(_row_height, rows)),
        top=0.04,
        title=title,
    )
    figure = grid.figure()
    for column, (curves, label) in enumerate(((precision, "precision"), (recall, "recall"))):
        axes = grid.panel(figure, 0, column)
        for name, reference in references.items():
            axes.plot(
                ks, reference[column], linestyle=reference[2], color=_REFERENCE, linewidth=1.2, label=name
            )
        for name, values in curves.items():
            if name in (bands or {}):
                share = ks / relevant if column else 1.0
                low, high = (np.asarray(end) * share for end in bands[name])
                axes.fill_between(ks, low, high, color=styles[name]["color"], alpha=0.13, linewidth=0)
            axes.plot(ks, values, label=name, **styles[name])
        axes.set_xlabel("K", fontsize=FONT, labelpad=2)
        axes.set_ylabel(f"{label} at K", fontsize=FONT)
        axes.set_xticks(ks[:: 2 if count > 10 else 1])
        axes.set_xlim(0.5, count + 0.5)
        axes.set_ylim(0, 1.03)
        axes.tick_params(labelsize=FONT - 1)
        _open_frame(axes)
    y = grid.y - 0.5
    for row in rows:
        _draw_row(figure, row, grid, y)
        y -= _row_height(row)
    return figure


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
    _open_frame(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=FONT)
    if title:
        axes.set_title(title, fontsize=FONT + 2, parse_math=False)
    return figure


def _check(precision, recall, bands, kinds) -> int:
    if not precision:
        raise SettingsError("there is nothing to draw; give at least one ranking")
    if list(precision) != list(recall):
        raise SettingsError(
            f"precision is of {', '.join(precision)}, recall of {', '.join(recall)}; expected the same rankings"
        )
    ends = {name: band for name, pair in bands.items() for band in pair}
    lengths = {len(values) for part in (precision, recall, ends) for values in part.values()}
    if len(lengths) > 1:
        raise SettingsError(f"the curves have {sorted(lengths)} values; expected one length")
    strange = [name for name in {*bands, *kinds} if name not in precision]
    if strange:
        raise SettingsError(f"there is no curve of {', '.join(sorted(strange))}, which bands or kinds name")
    for kind in kinds.values():
        if kind not in _KINDS:
            raise SettingsError(f"a ranking's kind is {kind!r}, expected one of {', '.join(_KINDS)}")
    return lengths.pop()


def _styles(kinds: Mapping[str, str]) -> dict[str, dict]:
    """Line, colour and marker of each ranking. Marks are staggered, so that curves that coincide are seen."""
    coloured = [name for kind in ("maps", "baseline", "own") for name, of in kinds.items() if of == kind]
    sparse = 2 if len(kinds) < 5 else 3
    styles = {}
    for index, name in enumerate([*coloured, *(name for name in kinds if name not in coloured)]):
        kind = kinds[name]
        styles[name] = {
            "color": _CONTROL if kind == "control" else _COLOURS[index % len(_COLOURS)],
            "linestyle": _KINDS[kind][1],
            "linewidth": 1.3 if len(kinds) < 9 else 1.05,
            "marker": MARKERS[index % len(MARKERS)],
            "markersize": 3.8 if len(kinds) < 9 else 3.2,
            "markerfacecolor": "white" if kind in ("baseline", "control") else None,
            "markevery": (index % sparse, sparse),
        }
    return {name: styles[name] for name in kinds}


def _blocks(kinds, styles, references, headed: bool) -> list[Block]:
    blocks = []
    for kind, (heading, _) in _KINDS.items():
        lines = [
            Line2D([], [], label=method_name(name), **{**styles[name], "markevery": None})
            for name, of in kinds.items()
            if of == kind
        ]
        if lines:
            blocks.append((heading if headed else "", lines))
    lines = [
        Line2D([], [], label=name, linestyle=style, color=_REFERENCE, linewidth=1.2)
        for name, (*_, style) in references.items()
    ]
    return [*blocks, ("references" if headed else "", lines)]


def _columns(lines: Sequence[Line2D]) -> int:
    return -(-len(lines) // _TALLEST)


def _deep(block: Block) -> int:
    """Lines of text that a group takes, its heading included."""
    heading, lines = block
    return -(-len(lines) // _columns(lines)) + bool(heading)


def _block_width(block: Block) -> float:
    heading, lines = block
    entry = _HANDLE + widest([str(line.get_label()) for line in lines], FONT - 1) + 0.15
    return max(_columns(lines) * entry, widest([heading], FONT - 1) * 1.1 + 0.15)


def _stack_width(stack: Sequence[Block]) -> float:
    return max(map(_block_width, stack))


def _row_height(row: Sequence[Sequence[Block]]) -> float:
    return _LINE * max(sum(map(_deep, stack)) for stack in row) + 0.1


def _flow(blocks: Sequence[Block], width: float) -> list[list[list[Block]]]:
    """Groups as rows of stacks: small groups share a stack, and rows are at most ``width`` inches wide."""
    stacks: list[list[Block]] = []
    for block in blocks:
        if block[0] and stacks and sum(map(_deep, [*stacks[-1], block])) <= _TALLEST + 1:
            stacks[-1].append(block)
        else:
            stacks.append([block])
    rows: list[list[list[Block]]] = [[]]
    for stack in stacks:
        if rows[-1] and sum(map(_stack_width, [*rows[-1], stack])) > width:
            rows.append([])
        rows[-1].append(stack)
    return rows


def _draw_row(figure: Figure, row: Sequence[Sequence[Block]], grid: Grid, top: float) -> None:
    """One row of stacks beside one another, its top at ``top`` inches."""
    x = max(MARGIN, (grid.full_width - sum(map(_stack_width, row))) / 2)
    for stack in row:
        y = top
        for block in stack:
            _draw_block(figure, block, x, y)
            y -= _LINE * _deep(block)
        x += _stack_width(stack)


def _draw_block(figure: Figure, block: Block, x: float, top: float) -> None:
    width, height = figure.get_size_inches()
    heading, lines = block
    if heading:
        inch_text(figure, x, top, heading, FONT - 1, ha="left", va="top", weight="bold")
    columns, deep = _columns(lines), _deep(block) - bool(heading)
    for place, line in enumerate(lines):
        at = x + (place // deep) * _block_width(block) / columns
        y = top - _LINE * (place % deep + bool(heading) + 0.5)
        line.set_data([at / width, (at + 0.2) / width, (at + 0.4) / width], [y / height] * 3)
        line.set_markevery([1])
        line.set_transform(figure.transFigure)
        figure.add_artist(line)
        inch_text(figure, at + _HANDLE - 0.03, y, str(line.get_label()), FONT - 1, ha="left", va="center")


def _open_frame(axes: Axes) -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


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
