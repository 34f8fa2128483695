"""What all figures share: a canvas of their own, colours of groups, label sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tfattr.errors import SettingsError

# Okabe and Ito's palette and Paul Tol's "muted" one, readable with any colour vision; those that are dark
# enough for text come first.
SAFE_COLOURS = (
    *("#0072B2", "#009E73", "#D55E00", "#CC79A7"),
    *("#332288", "#882255", "#7F7F2A", "#117733", "#E69F00", "#56B4E9"),
)
_SAFE_GROUPS = {"semantic": "#CC79A7", "geometric": "#D55E00", "2d": "#0072B2", "3d": "#009E73"}
# The authors' plot_dendrogram.m: semantic magenta, geometric red, 2D blue, 3D green.
_AUTHORS_GROUPS = {"semantic": "#FF00FF", "geometric": "#FF0000", "2d": "#0000FF", "3d": "#00A000"}
SCHEMES = {"safe": _SAFE_GROUPS, "authors": _AUTHORS_GROUPS}
NEUTRAL = "#333333"
FONT = 9  # points
LETTER = 0.085  # inches: width of a letter of that size, amply


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """A figure of its own canvas (inches); pyplot's global state is not touched."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def group_colours(groups: Mapping[str, str] | None, scheme: str = "safe") -> dict[str, str]:
    """A colour for each group.

    Args:
        groups: label -> group; None gives no colours.
        scheme: "safe" (for any colour vision) or "authors" (the paper's tree).

    Returns:
        group -> colour, groups in order of appearance. "semantic", "geometric", "2D" and "3D" have fixed
        colours, others take the palette's remaining ones in turn.

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
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(len(handles), 6),
            frameon=False,
            fontsize=FONT,
        )
