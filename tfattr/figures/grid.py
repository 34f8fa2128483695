"""Panels of one size in rows and columns, placed in inches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from tfattr.figures.style import (
    FONT,
    LEGEND_LINE,
    SMALL,
    draw_legend,
    inch_axes,
    inch_text,
    legend_rows,
    new_figure,
    title_lines,
    widest,
)

MARGIN = 0.12  # inches around a sheet
_TITLE_LINE = 0.21
_SIZE = FONT + 2


@dataclass(frozen=True)
class Grid:
    """A sheet of panels; all lengths in inches.

    Attributes:
        rows, columns: of panels.
        width, height: of a panel.
        gap_x, gap_y: between panels.
        left, right, bottom, top: around the panels, for names, bars, keys and heads; the margin not counted.
        title: above everything.
        colours: group -> colour, for the legend below everything.
    """

    rows: int
    columns: int
    width: float
    height: float
    gap_x: float
    gap_y: float
    left: float
    right: float
    bottom: float
    top: float
    title: str = ""
    colours: Mapping[str, str] | None = None

    @property
    def inner_width(self) -> float:
        """From the first panel's left side to the last one's right."""
        return self.columns * (self.width + self.gap_x) - self.gap_x

    @property
    def inner_height(self) -> float:
        """From the first panel's top to the last one's bottom."""
        return self.rows * (self.height + self.gap_y) - self.gap_y

    @property
    def full_width(self) -> float:
        """Of the sheet: no narrower than a word of the title or an entry of the legend."""
        words = widest(self.title.split(), _SIZE)
        keys = widest(list(self.colours or {}), FONT) + 0.5
        return max(self.left + self.inner_width + self.right, words, keys) + 2 * MARGIN

    @property
    def x(self) -> float:
        """Left side of the first column."""
        return MARGIN + self.left

    @property
    def y(self) -> float:
        """Bottom of the last row."""
        return MARGIN + self._legend + self.bottom

    @property
    def full_height(self) -> float:
        head = len(self._lines) * _TITLE_LINE + (0.06 if self.title else 0.0)
        return self.y + self.inner_height + self.top + head + MARGIN

    @property
    def _lines(self) -> list[str]:
        return title_lines(self.title, self.full_width - 2 * MARGIN, _SIZE)

    @property
    def _legend(self) -> float:
        return len(legend_rows(self.colours or {}, self.full_width - 2 * MARGIN)) * LEGEND_LINE

    def figure(self) -> Figure:
        """The empty sheet with its title and legend."""
        figure = new_figure(self.full_width, self.full_height, layout=None)
        for place, line in enumerate(self._lines):
            y = self.full_height - MARGIN - place * _TITLE_LINE
            inch_text(figure, self.full_width / 2, y, line, _SIZE, ha="center", va="top")
        if self.colours:
            width = self.full_width - 2 * MARGIN
            draw_legend(figure, self.colours, MARGIN, MARGIN + self._legend, width)
        return figure

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Left and bottom of a panel."""
        x = self.x + column * (self.width + self.gap_x)
        return x, self.y + (self.rows - 1 - row) * (self.height + self.gap_y)

    def panel(self, figure: Figure, row: int, column: int) -> Axes:
        return inch_axes(figure, *self.corner(row, column), self.width, self.height)


def upright_bar(
    figure: Figure, x: float, y: float, height: float, norm: Normalize, cmap: Colormap, words: str
) -> Axes:
    """A colour bar that takes about ``BAR`` inches to the right of ``x``, its words beside it."""
    axes = inch_axes(figure, x, y, 0.13, height)
    bar = figure.colorbar(ScalarMappable(norm, cmap), cax=axes)
    axes.tick_params(labelsize=SMALL, length=2, pad=2)
    bar.set_label(words, fontsize=FONT - 1, labelpad=4, parse_math=False)
    bar.outline.set_visible(False)
    return axes


BAR = 0.72  # inches that an upright bar takes
