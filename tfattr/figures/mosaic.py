"""Attribution maps as one RGB picture of tiles: the arrays behind :func:`tfattr.figures.maps_figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, Normalize
from scipy import ndimage

from tfattr.affinity import area_resize
from tfattr.errors import SettingsError
from tfattr.records import channel_mean

TILE = 128  # pixels of a map's side
GAP, GROUP_GAP = 4, 20  # pixels between maps, and between images

SIGNED = colormaps["RdBu_r"]
UNSIGNED = LinearSegmentedColormap.from_list(
    "white_to_violet", [(1, 1, 1), (0.77, 0.72, 0.89), (0.42, 0.24, 0.60), (0.10, 0.03, 0.22)]
)


@dataclass(frozen=True)
class Mosaic:
    """A picture and where its parts are, in pixels.

    Attributes:
        pixels: float32 RGB ``[height, width, 3]`` in [0, 1]: photos on top, then a row of tiles a model.
        rows: vertical centre of each model's row.
        columns: horizontal centre of each tile of a row: image by image, method by method.
        images: horizontal centre of each image's block.
        top: where the first row of maps begins.
        block: width of an image's block.
        notes: (x, y, text) for tiles without a map to show.
        signed: per method, whether its maps have negative values.
    """

    pixels: np.ndarray
    rows: list[float]
    columns: list[float]
    images: list[float]
    top: int
    block: int
    notes: list[tuple[float, float, str]]
    signed: dict[str, bool]


def compose(
    photos: Sequence[np.ndarray],
    maps: Mapping[str, Mapping[str, np.ndarray]],
    methods: Sequence[str],
    percentile: float,
    room: int,
) -> Mosaic:
    """Lays out photos and maps, with ``room`` pixels between the photos and the first row.

    Raises:
        SettingsError: maps that do not fit the photos, or photos that are not uint8 RGB.
    """
    planes = map_planes(maps, methods, len(photos))
    signed = signed_methods(planes, methods)
    step = TILE + GAP
    block = len(methods) * step - GAP
    side = TILE * min(len(methods), 2)
    top = side + room
    lefts = [image * (block + GROUP_GAP) for image in range(len(photos))]
    pixels = np.ones((top + len(maps) * step - GAP, lefts[-1] + block, 3), np.float32)
    notes: list[tuple[float, float, str]] = []
    for image, (photo, left) in enumerate(zip(photos, lefts)):
        inset = left + (block - side) // 2
        pixels[:side, inset : inset + side] = photo_tile(photo, side)
        paper = faint_edges(photo)
        for row, model in enumerate(maps):
            for column, method in enumerate(methods):
                y, x = top + row * step, left + column * step
                plane = planes.get((model, method))
                tile, note = map_tile(
                    None if plane is None else plane[image], paper, signed[method], percentile
                )
                pixels[y : y + TILE, x : x + TILE] = tile
                if note:
                    notes.append((x + TILE / 2, y + TILE / 2, note))
    return Mosaic(
        pixels=pixels,
        rows=[top + row * step + TILE / 2 for row in range(len(maps))],
        columns=[left + column * step + TILE / 2 for left in lefts for column in range(len(methods))],
        images=[left + block / 2 for left in lefts],
        top=top,
        block=block,
        notes=notes,
        signed=signed,
    )


def signed_methods(planes: Mapping[tuple[str, str], np.ndarray], methods: Sequence[str]) -> dict[str, bool]:
    """Per method, whether any of its maps has negative values."""
    return {
        method: any((plane < 0).any() for (_, of), plane in planes.items() if of == method)
        for method in methods
    }


def map_planes(
    maps: Mapping[str, Mapping[str, np.ndarray]], methods: Sequence[str], count: int
) -> dict[tuple[str, str], np.ndarray]:
    """Maps by (model, method) as ``[count, H, W]``; SettingsError if one does not fit the photos."""
    planes = {}
    for model, by_method in maps.items():
        for method in methods:
            if method not in by_method:
                continue
            array = np.asarray(by_method[method])
            if array.ndim not in (3, 4) or len(array) != count or array.size == 0:
                raise SettingsError(
                    f"the {method} maps of {model} have shape {array.shape}, "
                    f"expected [{count}, H, W] or [{count}, H, W, C]"
                )
            planes[model, method] = array if array.ndim == 3 else channel_mean(array)[..., 0]
    return planes


def map_tile(
    plane: np.ndarray | None, paper: np.ndarray, signed: bool, percentile: float
) -> tuple[np.ndarray, str]:
    """One map as RGB ``[TILE, TILE, 3]``, and a note for a map that cannot be shown."""
    blank = np.full((TILE, TILE, 3), 0.95, np.float32)
    if plane is None:
        return blank, "none"
    if not np.isfinite(plane).all():
        return blank, "not finite"
    peak = float(np.abs(plane).max())
    if peak == 0:
        return blank, "zero"
    shown = area_resize(plane.astype(np.float64) / peak, (TILE, TILE))
    limit = float(np.percentile(np.abs(shown), percentile)) or float(np.abs(shown).max()) or 1.0
    norm = Normalize(-limit if signed else 0.0, limit, clip=True)
    cmap = SIGNED if signed else UNSIGNED
    # Multiplied as ink on the paper: white lets the edges through, strong colours cover them.
    return cmap(norm(shown))[..., :3].astype(np.float32) * paper[..., None], ""


def photo_tile(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo as RGB ``[side, side, 3]`` in [0, 1]; SettingsError if it is not uint8 RGB."""
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise SettingsError(f"a photo is {photo.dtype} {photo.shape}, expected uint8 [h, w, 3]")
    channels = [area_resize(photo[..., channel], (side, side)) for channel in range(3)]
    return np.clip(np.stack(channels, axis=-1) / 255, 0, 1)


def faint_edges(photo: np.ndarray) -> np.ndarray:
    """White paper with the photo's outlines in light grey: float32 ``[TILE, TILE]`` in [0.78, 1]."""
    grey = ndimage.gaussian_filter(photo_tile(photo, TILE).mean(axis=-1), 0.7)
    edges = np.hypot(ndimage.sobel(grey, axis=0), ndimage.sobel(grey, axis=1))
    strong = float(np.percentile(edges, 98)) or 1.0
    return (1 - 0.22 * np.clip(edges / strong, 0, 1)).astype(np.float32)
