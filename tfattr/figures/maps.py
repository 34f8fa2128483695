"""Attribution maps side by side: images x models x methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.figures.map_keys import KEY_HEIGHT, draw_keys, map_keys
from tfattr.figures.maps_across import across_figure
from tfattr.figures.mosaic import GROUP_GAP, TILE, compose
from tfattr.figures.style import FONT, LETTER, new_figure

_INCH = 150  # pixels of the mosaic that make an inch
_WIDEST = 12  # letters of a method's name that fit above a tile
_TALL = 8  # models above which the methods are named above the maps too
_MARGIN = 0.15  # inches around everything
_SLANT = 40  # degrees, of long names of methods


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
        SettingsError: no photo, model or method, maps that do not fit the photos, or an unknown ``models_as``.
    """
    if models_as not in ("rows", "columns"):
        raise SettingsError(f"models are drawn as {models_as!r}, expected 'rows' or 'columns'")
    models = list(maps)
    if methods is None:
        methods = list(dict.fromkeys(method for by_method in maps.values() for method in by_method))
    if not len(photos) or not models or not methods:
        raise SettingsError("there is nothing to draw; give at least one photo, one model and one method")
    if captions is not None and len(captions) != len(photos):
        raise SettingsError(f"got {len(captions)} captions for {len(photos)} photos")
    if models_as == "columns":
        return across_figure(photos, maps, methods, captions or (), percentile, title, across)
    longest = max(map(len, methods))
    named_twice = len(models) > _TALL and longest <= _WIDEST
    mosaic = compose(photos, maps, methods, percentile, room=GROUP_GAP * (2 if named_twice else 1))
    keys = map_keys(mosaic.signed)

    # Everything is placed by hand, in inches: at 150 dots an inch a pixel of the mosaic is a pixel of the file.
    slanted = longest > _WIDEST
    angle = np.deg2rad(_SLANT)
    lead = (
        LETTER * longest * np.cos(angle) - TILE / 2 / _INCH if slanted else 0.0
    )  # of the first slanted name
    left = _MARGIN + max(LETTER * max(map(len, models)), lead)
    wide, high = mosaic.pixels.shape[1] / _INCH, mosaic.pixels.shape[0] / _INCH
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
    axes.imshow(mosaic.pixels)
    for x, y, note in mosaic.notes:
        axes.text(x, y, note, ha="center", va="center", fontsize=FONT - 2, color="#666666")
    axes.set_yticks(mosaic.rows, models, fontsize=FONT, parse_math=False)
    names = list(methods) * len(photos)
    axes.set_xticks(
        mosaic.columns,
        names,
        fontsize=FONT - 1,
        rotation=_SLANT if slanted else 0,
        ha="right" if slanted else "center",
        parse_math=False,
    )
    if named_twice:
        for x, name in zip(mosaic.columns, names):
            axes.text(x, mosaic.top - 6, name, fontsize=FONT - 1, ha="center", va="bottom", parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    letters = int(mosaic.block / _INCH / LETTER)
    for x, caption in zip(mosaic.images, captions or ()):
        text = caption if len(caption) <= letters else f"...{caption[3 - letters :]}"
        axes.text(x, -8, text, ha="center", va="bottom", fontsize=FONT - 1, parse_math=False)
    if title:
        figure.text(
            0.5, 1 - _MARGIN / height, title, ha="center", va="top", fontsize=FONT + 2, parse_math=False
        )
    draw_keys(figure, keys, left + wide / 2, _MARGIN, min(3.0, wide))
    return figure
