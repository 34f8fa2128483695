"""Linear predictivity: the share of the target's code that a linear readout of the source's code gives."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfattr.errors import SettingsError
from tfattr.measures.residual import at_grid
from tfattr.rivals.comparisons import multiplicities
from tfattr.rivals.representations import checked
from tfattr.rivals.svcca import averaged

WINDOW = 3
RIDGE = 1e-3
BLOCKS = 5
CHANNELS = 64

Grid = tuple[int, int]


@dataclass(frozen=True)
class LinearPredictivity:
    """Ridge regressions between all ordered pairs of models, on images that each regression did not see.

    Attributes:
        models: M names.
        images: N.
        grids: height and width of each model's representation.
        codes: by grid and model float32 ``[N, h, w, k]``: channels, or their principal components, at unit variance.
        shares: the same to float64 ``[k]``: what each is of the model's variance; empty if nothing varies.
        positions: the same to float32 ``[N, h, w]``: weights of images and positions when the model is the
            target, mean 1.
        window: positions along a side that a readout sees.
    """

    models: tuple[str, ...]
    images: int
    grids: tuple[Grid, ...]
    codes: dict[Grid, dict[str, np.ndarray]]
    shares: dict[Grid, dict[str, np.ndarray]]
    positions: dict[Grid, dict[str, np.ndarray]]
    window: int

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Share predicted, float64 ``[M, M]`` (row: target, column: source), at most 1, diagonal 1; not symmetric.

        Args:
            rows: indices of images, with repeats (a bootstrap draw); all images once if None. An image's copies are
                in one block, so that none is predicted from itself.

        Below 0 where the readout does worse than the mean; NaN in the row of a model that never changes.
        """
        return self.affinities(multiplicities(rows, self.images)[None])[0]

    def affinities(self, weights: np.ndarray) -> np.ndarray:
        """The same for many draws at once: multiplicities ``[B, N]`` to ``[B, M, M]``."""
        weights = np.asarray(weights, np.float64)
        found = np.full((len(weights), len(self.models), len(self.models)), np.nan)
        for s, source in enumerate(self.models):
            seen = {
                grid: _windows(codes[source], self.window)
                for grid, codes in self.codes.items()
                if source in codes
            }
            for t, target in enumerate(self.models):
                grid = _common(self.grids[s], self.grids[t])
                shares = self.shares[grid][target]
                if len(shares):
                    found[:, t, s] = (
                        1.0 if s == t else self._predicted(seen[grid], grid, target, weights) @ shares
                    )
        return found

    def _predicted(self, x: np.ndarray, grid: Grid, target: str, weights: np.ndarray) -> np.ndarray:
        """Share of each channel of the target predicted, ``[B, k]``, from ``x`` ``[N, P, f]`` (the last of ones)."""
        y = self.codes[grid][target].reshape(*x.shape[:2], -1)
        position = self.positions[grid][target].reshape(*x.shape[:2], 1)
        weighted = (x * position).transpose(0, 2, 1)
        moments = [weighted @ x, weighted @ y, (position * y**2).sum(axis=1)]
        blocks = np.array_split(np.arange(self.images), min(BLOCKS, self.images))
        gram, cross, squares = (
            np.stack([np.tensordot(weights[:, block], one[block].astype(np.float64), 1) for block in blocks])
            for one in moments
        )
        errors, ridge = np.zeros((len(weights), y.shape[-1])), np.eye(x.shape[-1])
        ridge[-1, -1] = 0.0
        for block in range(len(blocks)):
            train = gram.sum(axis=0) - gram[block]
            scale = np.maximum(train[:, -1:, -1:], np.finfo(float).tiny)
            # A draw without any other block leaves nothing to learn from: coefficients of 0.
            system = train / scale + RIDGE * ridge + (train[:, -1:, -1:] <= 0) * np.eye(len(ridge))
            beta = np.linalg.solve(system, (cross.sum(axis=0) - cross[block]) / scale)
            errors += squares[block] - 2 * (beta * cross[block]).sum(axis=1)
            errors += (beta * (gram[block] @ beta)).sum(axis=1)
        mean = cross.sum(axis=0)[:, -1]
        total = squares.sum(axis=0) - mean**2 / gram.sum(axis=0)[:, -1, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return 1 - errors / total


def linear_predictivity(
    representations: Mapping[str, np.ndarray],
    maps: Mapping[str, np.ndarray] | None = None,
    window: int = WINDOW,
    grids: Mapping[str, Grid] | None = None,
) -> LinearPredictivity:
    """How well the source's code predicts the target's, linearly and locally, on images not seen: asymmetric.

    At every position the target's channels are regressed on the source's channels in a window around it (ridge
    regression, closed form), with all images but one block of five; the block is predicted; so in turn. The affinity is
    the share of variance predicted (R2), channels at unit variance and counted alike. With ``maps`` each image and position
    counts as much as the target's attribution there (absolute value): what matters is what the target rests on.

    Transfer trains a small readout of the source's code for the target's task; this is its linear part, with the
    target's own code in place of the labels. Codes of more than 64 channels are reduced to 64 principal components.

    Args:
        representations: model to float32 ``[N, h, w, c]`` (or all ``[N, c]``), the same N images in the same order.
            Where two models' grids differ, both are averaged over area to the smaller height and width.
        maps: model to attribution maps ``[N, H, W]`` of the same images; all positions alike if None. An image whose map
            is zero or not finite does not count for that target; if none is left, all positions count alike.
        window: odd; 3 is the readouts' of the rooms.
        grids: model to height and width, for vectors that are flattened maps (row by row, channels last).

    Raises:
        SettingsError: representations or maps that do not fit together, vectors beside maps, or an even window.

    Source: linear regression as an index of similarity (Kornblith et al., ICML 2019, section 3), there in sample and
    without positions; "linear predictivity" in the comparison of networks with brains (Yamins et al., PNAS 2014).
    """
    if window < 1 or window % 2 == 0:
        raise SettingsError(f"the window is {window} positions, expected an odd number")
    named = {
        model: _grid(model, np.shape(representations[model]), (grids or {}).get(model))
        for model in representations
    }
    if (1, 1) in named.values() and len(set(named.values())) > 1:
        vector = next(model for model, grid in named.items() if grid == (1, 1))
        raise SettingsError(
            f"the representation of {vector} has no positions and others have; give the grid that it was flattened from"
        )
    pairs = sorted({_common(one, other) for one, other in itertools.product(named.values(), repeat=2)})
    codes, shares, positions = ({grid: {} for grid in pairs} for _ in range(3))
    images = 0
    for model, array in checked(representations):
        images = len(array)
        for grid in sorted({_common(named[model], other) for other in named.values()}):
            whole = averaged(array.reshape(images, *named[model], -1), grid)
            codes[grid][model], shares[grid][model] = components(whole)
            positions[grid][model] = _weights(model, maps, images, grid)
    return LinearPredictivity(tuple(named), images, tuple(named.values()), codes, shares, positions, window)


def components(code: np.ndarray, most: int = CHANNELS) -> tuple[np.ndarray, np.ndarray]:
    """A code ``[N, h, w, c]`` as float32 ``[N, h, w, k]`` at mean 0 and variance 1, and shares ``[k]`` that sum to 1.

    Channels that never change are left out; of more than ``most`` channels at unit variance the leading principal
    components are kept.
    """
    points = code.reshape(-1, code.shape[-1]).astype(np.float64)
    points = points[:, points.max(axis=0) > points.min(axis=0)]
    points -= points.mean(axis=0)
    points /= points.std(axis=0)
    count = points.shape[1]
    shares = np.full(count, 1 / max(count, 1))
    if count > most:
        values, vectors = np.linalg.eigh(points.T @ points / len(points))
        values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
        alive = values > 1e-9 * values[0]
        values, vectors = values[alive], vectors[:, alive]
        points, shares = points @ (vectors / np.sqrt(values)), values / values.sum()
    return points.reshape(*code.shape[:3], -1).astype(np.float32), shares


def _windows(code: np.ndarray, window: int) -> np.ndarray:
    """``[N, h, w, k]`` to ``[N, h * w, k * window ** 2 + 1]``: every position's neighbourhood (0 outside), and a 1."""
    images, height, width, _ = code.shape
    margin = window // 2
    padded = np.pad(code, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    shifts = itertools.product(range(window), repeat=2)
    parts = [padded[:, y : y + height, x : x + width] for y, x in shifts]
    parts.append(np.ones((images, height, width, 1), np.float32))
    return np.concatenate(parts, axis=-1).reshape(images, height * width, -1)


def _weights(model: str, maps: Mapping[str, np.ndarray] | None, images: int, grid: Grid) -> np.ndarray:
    if maps is None:
        return np.ones((images, *grid), np.float32)
    if model not in maps:
        raise SettingsError(
            f"there are no attribution maps of {model}; give them for every model or for none"
        )
    array = np.abs(np.asarray(maps[model], np.float64))
    if array.ndim != 3 or len(array) != images:
        raise SettingsError(
            f"the maps of {model} have shape {list(array.shape)}; expected [{images}, H, W], one map an image"
        )
    array = at_grid(array, grid)
    usable = np.isfinite(array).all(axis=(1, 2))
    mean = array[usable].mean() if usable.any() else 0.0
    if mean == 0:
        return np.ones((images, *grid), np.float32)
    return (np.where(usable[:, None, None], array, 0.0) / mean).astype(np.float32)


def _common(one: Grid, other: Grid) -> Grid:
    return min(one[0], other[0]), min(one[1], other[1])


def _grid(model: str, shape: tuple[int, ...], flattened: Grid | None) -> Grid:
    if len(shape) == 4:
        return int(shape[1]), int(shape[2])
    height, width = flattened or (1, 1)
    if len(shape) != 2 or shape[1] % (height * width):
        raise SettingsError(
            f"the representation of {model} has shape {list(shape)}; expected [N, h, w, c], or [N, c] flattened from a "
            f"map of {height} x {width}"
        )
    return int(height), int(width)
