"""What all figures share: a canvas of their own, colours of groups, label sizes."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from tfattr.errors import SettingsError

# After Okabe and Ito's palette and Paul Tol's "muted" one. The first seven are dark enough for text on
# white (their pink is not, ours is its darker sister), and stay apart for any colour vision.
SAFE_COLOURS = (
    *("#0072B2", "#009E73", "#D55E00", "#A8467F", "#332288", "#5C4A1F", "#808080"),
    *("#E69F00", "#56B4E9", "#882255", "#117733"),
)
_SAFE_GROUPS = {
    "semantic": "#A8467F",
    "geometric": "#D55E00",
    "2d": "#0072B2",
    "3d": "#009E73",
    "other": "#808080",
}
# The authors' plot_dendrogram.m: semantic magenta, geometric red, 2D blue, 3D green.
_AUTHORS_GROUPS = {"semantic": "#FF00FF", "geometric": "#FF0000", "2d": "#0000FF", "3d": "#00A000"}
SCHEMES = {"safe": _SAFE_GROUPS, "authors": _AUTHORS_GROUPS}
NEUTRAL = "#333333"
FONT = 9  # points
SMALL = 7  # points: labels of sheets, where many panels share a page
LETTER = 0.085  # inches: width of a letter of that size, amply
MARKERS = "os^vD<>P"
LEGEND_LINE = 0.22  # inches: height of a line of a legend
_KEY = 0.42  # inches: a coloured square and the blanks around it and its name
_DOTS = 720  # an inch, where text is measured: enough that hinting does not matter


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """A figure of its own canvas (inches); pyplot's global state is not touched."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def inch_axes(figure: Figure, left: float, bottom: float, width: float, height: float, **options) -> Axes:
    """Axes at a place given in inches."""
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, bottom / full_height, width / full_width, height / full_height)
    return figure.add_axes(box, **options)


def inch_text(figure: Figure, x: float, y: float, text: str, size: float = FONT, **options):
    """Plain text at a place given in inches."""
    width, height = figure.get_size_inches()
    return figure.text(x / width, y / height, text, fontsize=size, parse_math=False, **options)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Inches that a line of text takes at ``size`` points."""
    font = FontProperties(size=size, weight=weight)
    return _ruler().get_text_width_height_descent(text, font, ismath=False)[0] / _DOTS


def widest(texts: Sequence[str], size: float) -> float:
    """Inches of the longest of several lines; 0 for none."""
    return max((text_width(text, size) for text in texts), default=0.0)


def title_lines(text: str, width: float, size: float = FONT + 2) -> list[str]:
    """A title broken into lines of at most ``width`` inches (but never inside a word)."""
    if not text:
        return []
    letters = max(8, int(width / (text_width(text, size) / len(text))))
    lines = textwrap.wrap(text, letters, break_long_words=False, break_on_hyphens=False)
    while letters > 8 and widest(lines, size) > width:
        letters -= 1
        lines = textwrap.wrap(text, letters, break_long_words=False, break_on_hyphens=False)
    return lines


@functools.lru_cache(maxsize=1)
def _ruler() -> RendererAgg:
    return RendererAgg(1, 1, _DOTS)


def group_colours(groups: Mapping[str, str] | None, scheme: str = "safe") -> dict[str, str]:
    """A colour for each group.

    Args:
        groups: label -> group; None gives no colours.
        scheme: "safe" (for any colour vision) or "authors" (the paper's tree).

    Returns:
        group -> colour, groups in order of appearance. "semantic", "geometric", "2D", "3D" (and "other":
        grey) have fixed colours, others take the palette's remaining ones in turn.

    Raises:
        SettingsError: unknown scheme.
    """
    if scheme not in SCHEMES:
        raise SettingsError(f"the colour scheme is {scheme!r}, expected one of {', '.join(SCHEMES)}")
    names = list(dict.fromkeys((groups or {}).values()))
    fixed = {name: SCHEMES[scheme][name.lower()] for name in names if name.lower() in SCHEMES[scheme]}
    free = [colour for colour in SAFE_COLOURS if colour not in fixed.values()]
    others = (name for name in names if name not in fixed)
    rest = {name: free[index % len(free)] for index, name in enumerate(others)}
    return {name: fixed.get(name) or rest[name] for name in names}


def label_colours(
    labels: Sequence[str], groups: Mapping[str, str] | None, colours: Mapping[str, str]
) -> list[str]:
    """The colour of each label's group; neutral for a label without one."""
    return [colours.get((groups or {}).get(label, ""), NEUTRAL) for label in labels]


def add_group_legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """A legend of the groups below the figure, if there are any."""
    if colours:
        handles = [
            Line2D([], [], color=colour, marker="s", linestyle="", label=name)
            for name, colour in colours.items()
        ]
        lines = len(legend_rows(colours, 0.92 * figure.get_size_inches()[0]))
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=-(-len(handles) // lines),
            handlelength=1.0,
            handletextpad=0.4,
            columnspacing=1.2,
            frameon=False,
            fontsize=FONT,
        )


def legend_rows(colours: Mapping[str, str], width: float, size: float = FONT) -> list[list[str]]:
    """The groups as lines of a legend that fits ``width`` inches."""
    rows: list[list[str]] = []
    left = 0.0
    for name in colours:
        need = text_width(name, size) + _KEY
        if not rows or need > left:
            rows.append([])
            left = width
        rows[-1].append(name)
        left -= need
    return rows


def draw_legend(
    figure: Figure, colours: Mapping[str, str], x: float, top: float, width: float, size: float = FONT
) -> None:
    """A legend of groups, centred in the ``width`` inches right of ``x``, its first line just below ``top``.

    Takes ``LEGEND_LINE`` inches for each of :func:`legend_rows`.
    """
    for place, row in enumerate(legend_rows(colours, width, size)):
        y = top - (place + 0.5) * LEGEND_LINE
        at = x + (width - sum(text_width(name, size) + _KEY for name in row)) / 2
        for name in row:
            inch_text(figure, at + 0.06, y, "\u25a0", size + 1, color=colours[name], ha="left", va="center")
            inch_text(figure, at + 0.22, y, name, size, ha="left", va="center")
            at += text_width(name, size) + _KEY
