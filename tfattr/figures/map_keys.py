"""Colour bars of attribution maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from tfattr.figures.mosaic import SIGNED, UNSIGNED
from tfattr.figures.style import FONT, inch_axes

KEY_HEIGHT = 0.55  # inches: a colour bar with its words

Key = tuple[Colormap, Normalize, str, list[str]]  # colours, range, words below, words at ends and middle


def map_keys(signed: Mapping[str, bool]) -> list[Key]:
    """The colour bars needed for methods (name -> whether its maps are signed)."""
    kinds = (
        (False, UNSIGNED, Normalize(0, 1), ["0", "", "+"]),
        (True, SIGNED, Normalize(-1, 1), ["-", "0", "+"]),
    )
    keys = []
    for kind, cmap, norm, ticks in kinds:
        names = [method for method, negative in signed.items() if negative == kind]
        if names:
            keys.append((cmap, norm, f"{', '.join(names)} (each map scaled by itself)", ticks))
    return keys


def draw_keys(figure: Figure, keys: Sequence[Key], centre: float, bottom: float, width: float) -> None:
    """The bars above one another, each in ``KEY_HEIGHT`` inches, centred at ``centre`` inches."""
    for place, (cmap, norm, words, ticks) in enumerate(reversed(keys)):
        axes = inch_axes(figure, centre - width / 2, bottom + place * KEY_HEIGHT + 0.4, width, 0.1)
        bar = figure.colorbar(ScalarMappable(norm, cmap), cax=axes, orientation="horizontal")
        bar.set_ticks([norm.vmin, (norm.vmin + norm.vmax) / 2, norm.vmax], labels=ticks, fontsize=FONT - 2)
        bar.set_label(words, fontsize=FONT - 2, parse_math=False, labelpad=1)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, pad=2)
