"""Attribution maps side by side: images x models x methods, a row a model or the paper's way, a column a model."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.figures.grid import Grid
from tfattr.figures.mosaic import (
    GAP,
    GROUP_GAP,
    INCH,
    KEY_HEIGHT,
    TILE,
    Tiles,
    draw_keys,
    map_keys,
    photo_tile,
)
from tfattr.figures.names import method_name, short_names
from tfattr.figures.style import FONT, LETTER, new_figure, text_width, widest

_WIDEST = 12  # letters of a method's name that fit above a tile
_TALL = 8  # models above which the methods are named above the maps too
_MARGIN = 0.15  # inches around everything
_SLANT = 40  # degrees, of long names of methods
_MOST = 10  # models beside one another
_SIZE = FONT - 1  # points, of names around tiles
_LINE = 20  # pixels of a line of a name
_STEP = TILE + GAP


def maps_figure(
    photos: Sequence[np.ndarray],
    maps: Mapping[str, Mapping[str, np.ndarray]],
    *,
    methods: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    percentile: float = 99.5,
    title: str = "",
    models_as: str = "rows",
    across: int | None = None,
) -> Figure:
    """Draws maps as a mosaic: a row for each model, a block of columns for each image, a column a method.

    Or, with ``models_as="columns"``, the paper's way (supplement, figure S1): a column for each model, a block
    of rows for each image, its photo at the left, a row a method. Many models are wrapped into several bands.

    Each map is scaled to its own percentile of absolute values. Methods with negative values are drawn in
    red (positive) and blue (negative) around white at 0, others from white to dark. The photo's edges show
    faintly underneath. Maps of any size are resized by area to one tile.

    Args:
        photos: uint8 ``[h, w, 3]`` each, cut as the models saw them (as a rule the centre square).
        maps: model -> method -> ``[n, H, W]`` or ``[n, H, W, C]`` (channels are averaged), n the number of
            photos. A model may lack a method; its tile stays empty.
        methods: which, in order; all that appear if None.
        captions: a line above each photo.
        percentile: the share of absolute values that is not clipped.
        title: above everything.
        models_as: "rows" or "columns".
        across: models in a band, if they are columns; 10 at most if None.

    Raises:
        SettingsError: no photo, model or method, maps that do not fit the photos, an unknown ``models_as``, or ``across``
            below 1.
    """
    if models_as not in ("rows", "columns"):
        raise SettingsError(f"models are drawn as {models_as!r}, expected 'rows' or 'columns'")
    if methods is None:
        methods = list(dict.fromkeys(method for by_method in maps.values() for method in by_method))
    if not len(photos) or not maps or not methods:
        raise SettingsError("there is nothing to draw; give at least one photo, one model and one method")
    if captions is not None and len(captions) != len(photos):
        raise SettingsError(f"got {len(captions)} captions for {len(photos)} photos")
    tiles = Tiles(photos, maps, methods, percentile)
    if models_as == "columns":
        return _across(photos, list(maps), tiles, captions or (), title, across)
    return _down(photos, list(maps), tiles, captions or (), title)


def _down(
    photos: Sequence[np.ndarray], models: list[str], tiles: Tiles, captions: Sequence[str], title: str
) -> Figure:
    """A row for each model below the photos, a block of columns for each image."""
    methods = list(tiles.signed)
    longest = max(map(len, methods))
    named_twice = len(models) > _TALL and longest <= _WIDEST
    block = len(methods) * _STEP - GAP
    side = TILE * min(len(methods), 2)
    top = side + GROUP_GAP * (2 if named_twice else 1)
    lefts = [image * (block + GROUP_GAP) for image in range(len(photos))]
    pixels = np.ones((top + len(models) * _STEP - GAP, lefts[-1] + block, 3), np.float32)
    for image, (photo, first) in enumerate(zip(photos, lefts)):
        inset = first + (block - side) // 2
        pixels[:side, inset : inset + side] = photo_tile(photo, side)
        for row, model in enumerate(models):
            for column, method in enumerate(methods):
                tiles.put(pixels, first + column * _STEP, top + row * _STEP, image, model, method)
    columns = [first + column * _STEP + TILE / 2 for first in lefts for column in range(len(methods))]
    keys = map_keys(tiles.signed)

    # Everything is placed by hand, in inches: at 150 dots an inch a pixel of the mosaic is a pixel of the file.
    slanted = longest > _WIDEST
    angle = np.deg2rad(_SLANT)
    lead = LETTER * longest * np.cos(angle) - TILE / 2 / INCH if slanted else 0.0  # of the first slanted name
    left = _MARGIN + max(LETTER * max(map(len, models)), lead)
    wide, high = pixels.shape[1] / INCH, pixels.shape[0] / INCH
    width = left + max(wide, *(LETTER * len(words) for *_, words, _ in keys)) + _MARGIN
    bottom = (
        _MARGIN
        + KEY_HEIGHT * len(keys)
        + 0.15
        + (0.15 + LETTER * longest * np.sin(angle) if slanted else 0.2)
    )
    height = bottom + high + (0.25 if captions else 0.0) + (0.35 if title else 0.0) + _MARGIN
    figure = new_figure(width, height, layout=None)
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.imshow(pixels)
    for x, y, note in tiles.notes:
        axes.text(x, y, note, ha="center", va="center", fontsize=FONT - 2, color="#666666")
    axes.set_yticks(
        [top + row * _STEP + TILE / 2 for row in range(len(models))], models, fontsize=FONT, parse_math=False
    )
    names = methods * len(photos)
    axes.set_xticks(
        columns,
        names,
        fontsize=FONT - 1,
        rotation=_SLANT if slanted else 0,
        ha="right" if slanted else "center",
        parse_math=False,
    )
    if named_twice:
        for x, name in zip(columns, names):
            axes.text(x, top - 6, name, fontsize=FONT - 1, ha="center", va="bottom", parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    letters = int(block / INCH / LETTER)
    for x, caption in zip((first + block / 2 for first in lefts), captions):
        text = caption if len(caption) <= letters else f"...{caption[3 - letters :]}"
        axes.text(x, -8, text, ha="center", va="bottom", fontsize=FONT - 1, parse_math=False)
    if title:
        figure.text(
            0.5, 1 - _MARGIN / height, title, ha="center", va="top", fontsize=FONT + 2, parse_math=False
        )
    draw_keys(figure, keys, left + wide / 2, _MARGIN, min(3.0, wide))
    return figure


def _across(
    photos: Sequence[np.ndarray],
    models: list[str],
    tiles: Tiles,
    captions: Sequence[str],
    title: str,
    across: int | None,
) -> Figure:
    """A column for each model, a block of rows for each image; ``across`` models in a band."""
    if across is not None and across < 1:
        raise SettingsError(f"{across} models in a band; at least 1 is possible")
    methods = list(tiles.signed)
    bands = -(-len(models) // (across or _MOST))
    across = min(across or -(-len(models) // bands), len(models))
    names = [_broken(name) for name in short_names(models)]

    # In pixels: photo, names of methods, tiles; above each band the names of its models.
    printed = [method_name(method) for method in methods]
    photo_side = min(len(methods) * _STEP - GAP, 2 * TILE)
    first = photo_side + int(widest(printed, _SIZE) * INCH) + 28
    head = _LINE * max(name.count("\n") + 1 for name in names) + 10
    foot = _LINE + 6 if captions else 0  # of an image: its caption, below the photo if that fills the block
    block = max(len(methods) * _STEP - GAP, photo_side + foot)
    band = head + len(photos) * (block + GROUP_GAP)
    pixels = np.ones((bands * band - GROUP_GAP, first + across * _STEP - GAP, 3), np.float32)

    words = []  # (x, y, text, alignments)
    shrunk = [photo_tile(photo, photo_side) for photo in photos]
    for number in range(bands):
        top = number * band + head
        columns = models[number * across : (number + 1) * across]
        for column in range(len(columns)):
            x = first + column * _STEP + TILE / 2
            words.append((x, top - 5, names[number * across + column], "center", "bottom"))
        for image in range(len(photos)):
            y = top + image * (block + GROUP_GAP)
            pixels[y : y + photo_side, :photo_side] = shrunk[image]
            if captions:
                caption = _shortened(captions[image], photo_side / INCH)
                words.append((photo_side / 2, y + photo_side + 5, caption, "center", "top"))
            for row, method in enumerate(methods):
                at = y + row * _STEP
                words.append((first - 10, at + TILE / 2, printed[row], "right", "center"))
                for column, model in enumerate(columns):
                    tiles.put(pixels, first + column * _STEP, at, image, model, method)

    keys = map_keys({method_name(method): negative for method, negative in tiles.signed.items()})
    high, wide = pixels.shape[0] / INCH, pixels.shape[1] / INCH
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
    for x, y, note in tiles.notes:
        axes.text(x, y, note, ha="center", va="center", fontsize=FONT - 2, color="#666666")
    for x, y, text, ha, va in words:
        axes.text(x, y, text, ha=ha, va=va, fontsize=_SIZE, parse_math=False, linespacing=1.0, clip_on=False)
    draw_keys(figure, keys, grid.full_width / 2, grid.y - grid.bottom, min(3.0, wide))
    return figure


def _broken(name: str) -> str:
    """A name in lines no wider than a tile: at blanks if possible."""
    room = (_STEP - 4) / INCH
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
