"""Attribution maps the paper's way: models are columns, images blocks of rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.figures.grid import Grid
from tfattr.figures.map_keys import KEY_HEIGHT, draw_keys, map_keys
from tfattr.figures.mosaic import (
    GAP,
    GROUP_GAP,
    TILE,
    faint_edges,
    map_planes,
    map_tile,
    photo_tile,
    signed_methods,
)
from tfattr.figures.names import method_name, short_names
from tfattr.figures.style import FONT, text_width, widest

_INCH = 150  # pixels that make an inch
_MOST = 10  # models beside one another
_SIZE = FONT - 1  # points, of all names
_LINE = 20  # pixels of a line of a name
_STEP = TILE + GAP


def across_figure(
    photos: Sequence[np.ndarray],
    maps: Mapping[str, Mapping[str, np.ndarray]],
    methods: Sequence[str],
    captions: Sequence[str],
    percentile: float,
    title: str,
    across: int | None,
) -> Figure:
    """See :func:`tfattr.figures.maps_figure`, whose checked arguments these are.

    Raises:
        SettingsError: maps that do not fit the photos, or ``across`` below 1.
    """
    if across is not None and across < 1:
        raise SettingsError(f"{across} models in a band; at least 1 is possible")
    models = list(maps)
    bands = -(-len(models) // (across or _MOST))
    across = min(across or -(-len(models) // bands), len(models))
    planes = map_planes(maps, methods, len(photos))
    signed = signed_methods(planes, methods)
    names = [_broken(name) for name in short_names(models)]

    # In pixels: photo, names of methods, tiles; above each band the names of its models.
    printed = [method_name(method) for method in methods]
    photo_side = min(len(methods) * _STEP - GAP, 2 * TILE)
    first = photo_side + int(widest(printed, _SIZE) * _INCH) + 28
    head = _LINE * max(name.count("\n") + 1 for name in names) + 10
    foot = _LINE + 6 if captions else 0  # of an image: its caption, below the photo if that fills the block
    block = max(len(methods) * _STEP - GAP, photo_side + foot)
    band = head + len(photos) * (block + GROUP_GAP)
    pixels = np.ones((bands * band - GROUP_GAP, first + across * _STEP - GAP, 3), np.float32)

    notes, words = [], []  # (x, y, text)
    papers = [faint_edges(photo) for photo in photos]
    shrunk = [photo_tile(photo, photo_side) for photo in photos]
    for number in range(bands):
        top = number * band + head
        columns = models[number * across : (number + 1) * across]
        for column in range(len(columns)):
            x = first + column * _STEP + TILE / 2
            words.append((x, top - 5, names[number * across + column], "center", "bottom"))
        for image, paper in enumerate(papers):
            y = top + image * (block + GROUP_GAP)
            pixels[y : y + photo_side, :photo_side] = shrunk[image]
            if captions:
                caption = _shortened(captions[image], photo_side / _INCH)
                words.append((photo_side / 2, y + photo_side + 5, caption, "center", "top"))
            for row, method in enumerate(methods):
                at = y + row * _STEP
                words.append((first - 10, at + TILE / 2, printed[row], "right", "center"))
                for column, model in enumerate(columns):
                    plane = planes.get((model, method))
                    x = first + column * _STEP
                    tile, note = map_tile(
                        None if plane is None else plane[image], paper, signed[method], percentile
                    )
                    pixels[at : at + TILE, x : x + TILE] = tile
                    if note:
                        notes.append((x + TILE / 2, at + TILE / 2, note))

    keys = map_keys({method_name(method): negative for method, negative in signed.items()})
    high, wide = pixels.shape[0] / _INCH, pixels.shape[1] / _INCH
    keys_wide = widest([text for *_, text, _ in keys], FONT - 2)
    grid = Grid(
        *(1, 1, wide, high, 0.0, 0.0),
        left=0.0,
        right=max(0.0, keys_wide - wide),
        bottom=KEY_HEIGHT * len(keys) + 0.05,
        top=0.06,
        title=title,
    )
    figure = grid.figure()
    axes = grid.panel(figure, 0, 0)
    axes.imshow(pixels)
    axes.set_axis_off()
    for x, y, note in notes:
        axes.text(x, y, note, ha="center", va="center", fontsize=FONT - 2, color="#666666")
    for x, y, text, ha, va in words:
        axes.text(x, y, text, ha=ha, va=va, fontsize=_SIZE, parse_math=False, linespacing=1.0, clip_on=False)
    draw_keys(figure, keys, grid.full_width / 2, grid.y - grid.bottom, min(3.0, wide))
    return figure


def _broken(name: str) -> str:
    """A name in lines no wider than a tile: at blanks if possible."""
    room = (_STEP - 4) / _INCH
    for letters in range(len(name), 3, -1):
        lines = textwrap.wrap(name, letters)
        if widest(lines, _SIZE) <= room:
            return "\n".join(lines)
    return name


def _shortened(text: str, room: float) -> str:
    """The end of a caption that fits ``room`` inches."""
    if text_width(text, _SIZE) <= room:
        return text
    while text and text_width(f"...{text}", _SIZE) > room:
        text = text[1:]
    return f"...{text}"
