"""The affinity matrices of a run as the page draws them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from tfattr.affinity.images import ImageCosines
from tfattr.errors import RecordsError
from tfattr.evaluation import resamples as draw
from tfattr.figures.matrices import affinity_scale
from tfattr.figures.names import method_name
from tfattr.figures.style import group_colours
from tfattr.report.drawings import leaf_names
from tfattr.report.files import RunFiles
from tfattr.report.numbers import finite

SHADES = 256
DIAGONAL, UNDEFINED = -1, -2  # in place of a shade
RESAMPLES, LEVEL = 1000, 0.95
_STALE = 1e-3  # difference of mean cosine and affinity at which the two are not of one analysis


def matrices(run: RunFiles, seed: int = 0) -> list[dict[str, Any]]:
    """One entry a method, plain JSON values: models, groups, values, intervals, counts, shades, orders."""
    if run.affinity is None:
        return []
    return [_matrix(run, method, seed) for method in run.affinity.methods]


def palettes(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The colour maps that are used: 256 colours each, and for which of them black letters are readable."""
    return {name: _palette(name) for name in sorted({entry["palette"] for entry in entries})}


def bootstrap_interval(
    cosines: ImageCosines, method: str, seed: int, resamples: int = RESAMPLES, level: float = LEVEL
) -> np.ndarray:
    """Percentile interval of every affinity over resampled images: float64 ``[2, M, M]``, NaN where undefined.

    Images are drawn with replacement; an affinity is known only as well as the choice of images allows.
    """
    means = cosines.mean(method, draw(len(cosines.images), resamples, seed))
    tails = 100 * np.array([(1 - level) / 2, (1 + level) / 2])
    unknown = np.isnan(means)
    bounds = np.percentile(np.where(unknown, 0.0, means), tails, axis=0)
    if unknown.any():
        lost = unknown.all(axis=0)
        some = unknown.any(axis=0) & ~lost
        bounds[:, lost] = np.nan
        bounds[:, some] = np.nanpercentile(means[:, some], tails, axis=0)
    return bounds


def known_cosines(run: RunFiles, method: str) -> tuple[ImageCosines | None, str]:
    """The cosines that ``method``'s affinity is the mean of; else None and why not, for the reader."""
    if run.cosines is None:
        return None, "affinity_images.npz is missing"
    if method not in run.cosines.cosines:
        return None, f"affinity_images.npz has nothing of {method}"
    if not set(run.affinity.models) <= set(run.cosines.models):
        return None, "affinity_images.npz is of other models"
    cosines = run.cosines.only(run.affinity.models)
    difference = np.abs(cosines.mean(method) - run.affinity.affinity[method])
    if np.nanmax(difference, initial=0.0) > _STALE:
        return None, "affinity_images.npz is of another analysis than affinity.npz"
    return cosines, ""


def _matrix(run: RunFiles, method: str, seed: int) -> dict[str, Any]:
    result = run.affinity
    models = list(result.models)
    A = np.asarray(result.affinity[method], np.float64)
    off = np.where(np.eye(len(models), dtype=bool), np.nan, A)
    norm, cmap = affinity_scale([A])  # the figures' own
    shade = np.full(A.shape, UNDEFINED)
    known = np.isfinite(off)
    shade[known] = np.clip(norm(off[known]) * SHADES, 0, SHADES - 1).astype(int)
    np.fill_diagonal(shade, DIAGONAL)
    cosines, why = known_cosines(run, method)
    bounds = bootstrap_interval(cosines, method, seed) if cosines is not None else None
    leaves = _leaves(run.trees.get(method))
    return {
        "run": run.label,
        "method": method,
        "name": method_name(method),
        "models": models,
        "groups": [run.groups.get(model) for model in models],
        "colours": group_colours({m: run.groups[m] for m in models if m in run.groups}),
        "value": _rows(A),
        "low": None if bounds is None else _rows(bounds[0]),
        "high": None if bounds is None else _rows(bounds[1]),
        "no_interval": why,
        "count": np.asarray(result.counts[method]).astype(int).tolist(),
        "images": int(result.images[method]),
        "grid": list(result.grids[method]) if result.grids[method] else None,
        "palette": cmap.name,
        "range": [finite(norm.vmin, 4), finite(norm.vmax, 4)],
        "shade": shade.tolist(),
        "tree": [models.index(leaf) for leaf in leaves] if sorted(leaves) == sorted(models) else None,
    }


def _leaves(text: str | None) -> list[str]:
    """Leaves of a tree; none of one that is missing or damaged, which the page says at the tree's place."""
    try:
        return leaf_names(text) if text else []
    except RecordsError:
        return []


def _rows(A: np.ndarray) -> list[list[float | None]]:
    return [[finite(value, 6) for value in row] for row in A]


@functools.cache
def _palette(name: str) -> dict[str, Any]:
    colours = colormaps[name](np.arange(SHADES) / (SHADES - 1))[:, :3]
    light = colours @ [0.299, 0.587, 0.114] >= 0.5
    return {"colours": [to_hex(colour) for colour in colours], "light": "".join("01"[int(x)] for x in light)}
