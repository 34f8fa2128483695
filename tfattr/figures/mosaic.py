"""Attribution maps as tiles of one RGB picture, and the colour bars below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from scipy import ndimage

from tfattr.affinity import area_resize
from tfattr.errors import SettingsError
from tfattr.figures.style import FONT, inch_axes
from tfattr.records import channel_mean

TILE = 128  # pixels of a map's side
GAP, GROUP_GAP = 4, 20  # pixels between maps, and between images
INCH = 150  # pixels that make an inch
KEY_HEIGHT = 0.55  # inches: a colour bar with its words

SIGNED = colormaps["RdBu_r"]
UNSIGNED = LinearSegmentedColormap.from_list(
    "white_to_violet", [(1, 1, 1), (0.77, 0.72, 0.89), (0.42, 0.24, 0.60), (0.10, 0.03, 0.22)]
)
Key = tuple[Colormap, Normalize, str, list[str]]  # colours, range, words below, words at ends and middle


class Tiles:
    """Maps of photographs as tiles.

    Attributes:
        signed: per method, whether any of its maps has negative values.
        notes: (x, y, text) for tiles put without a map to show, in pixels.

    Raises:
        SettingsError: maps that do not fit the photos, or photos that are not uint8 RGB.
    """

    def __init__(
        self,
        photos: Sequence[np.ndarray],
        maps: Mapping[str, Mapping[str, np.ndarray]],
        methods: Sequence[str],
        percentile: float,
    ) -> None:
        self._planes = _planes(maps, methods, len(photos))
        self._papers = [faint_edges(photo) for photo in photos]
        self._percentile = percentile
        self.signed = {
            method: any((plane < 0).any() for (_, of), plane in self._planes.items() if of == method)
            for method in methods
        }
        self.notes: list[tuple[float, float, str]] = []

    def put(self, pixels: np.ndarray, x: int, y: int, image: int, model: str, method: str) -> None:
        """Draws one map into a picture, its upper left corner at ``x``, ``y``."""
        plane = self._planes.get((model, method))
        shown = None if plane is None else plane[image]
        tile, note = map_tile(shown, self._papers[image], self.signed[method], self._percentile)
        pixels[y : y + TILE, x : x + TILE] = tile
        if note:
            self.notes.append((x + TILE / 2, y + TILE / 2, note))


def _planes(
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
