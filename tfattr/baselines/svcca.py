"""Singular vector canonical correlation analysis (Raghu et al., NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfattr.affinity.area import area_matrix
from tfattr.baselines.comparisons import multiplicities
from tfattr.baselines.representations import checked
from tfattr.errors import SettingsError

VARIANCE = 0.99  # the paper's
IMAGES_PER_DIRECTION = 5
POINTS = ("positions", "images")

_BLOCK = 2**24  # values of the scores that are float64 at a time
_SINGULAR = 1e-9  # a resample's direction with less than this share of the largest variance is lost

Grid = tuple[int, int]


@dataclass(frozen=True)
class CanonicalComparison:
    """Mean canonical correlations between the models' leading directions.

    Attributes:
        models: M names.
        images: N.
        grids: height and width of each model's representation; (1, 1) for vectors.
        scores: per grid, model to float32 ``[N, h * w, d]``: its directions' values, unit variance over all images.
    """

    models: tuple[str, ...]
    images: int
    grids: tuple[Grid, ...]
    scores: dict[Grid, dict[str, np.ndarray]]

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """See :meth:`tfattr.baselines.comparisons.Prepared.affinity`. The directions stay those of all images."""
        weights = multiplicities(rows, self.images)
        whitened = {grid: _whitened(list(scores.values()), weights) for grid, scores in self.scores.items()}
        affinity = np.full((len(self.models), len(self.models)), np.nan)
        for i, (left, left_grid) in enumerate(zip(self.models, self.grids)):
            for j, (right, right_grid) in enumerate(zip(self.models[: i + 1], self.grids)):
                grid = _common(left_grid, right_grid)
                names = list(self.scores[grid])
                # Models keep their order in every grid, so that of a pair the later one is i.
                block = whitened[grid][names.index(left)][names.index(right)]
                if block.size:
                    affinity[i, j] = affinity[j, i] = 1.0 if i == j else _singular_values(block).mean()
        return affinity


def svcca(
    representations: Mapping[str, np.ndarray],
    variance: float = VARIANCE,
    directions: int | None = None,
    points: str | None = None,
    maps: Mapping[str, Grid] | None = None,
) -> CanonicalComparison:
    """Mean canonical correlation of the directions that hold 99 % of the variance.

    ``points="positions"`` is the paper's way with convolutional layers: each image and position is a data point, the
    channels are the neurons (the authors kept their matrix as ``SVCCA_conv_corr_matrix.npy``). Where two models' grids
    differ, both are averaged over area to the smaller height and width; a vector is a grid of 1 x 1.
    ``points="images"``: each image is a data point, every value of the representation is a neuron.
    The mean is over as many correlations as the smaller of the two has directions.

    With as many directions as data points every canonical correlation is 1, whatever the models; with d directions
    against N points chance alone gives about sqrt(d / N). Hence the limit on directions. Hence, too, positions cannot
    rank vectors among maps: a pair with a vector has 1 / (h w) of the data points, so chance lifts it above all pairs of
    maps (in the rooms zoo .63 against .21). ``images`` has one scale for all pairs and is taken there by default.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        variance: share of the variance that the directions hold.
        directions: most directions of a model; N // 5 if None (images, not data points: positions of one image are no
            independent samples), at least 1.
        points: ``positions`` or ``images``; None takes positions unless vectors stand beside maps.
        maps: model to height and width, for vectors that are flattened maps (row by row, channels last). Taskonomy's
            feed-forward tasks (classes, room layout, vanishing point) have 16 x 16 x 8 as 2048.

    Raises:
        SettingsError: representations that do not fit together, a variance outside (0, 1], directions below 1, unknown
            ``points``, or a vector that does not divide into its map.

    Source: Raghu et al. 2017, section 2.1; google/svcca.
    """
    if not 0 < variance <= 1 or (directions is not None and directions < 1):
        raise SettingsError(
            f"SVCCA keeps {variance} of the variance in at most {directions} directions; expected a share above 0 and "
            "up to 1, and at least 1 direction"
        )
    if points not in (None, *POINTS):
        raise SettingsError(f"SVCCA's data points are {points!r}; expected {' or '.join(POINTS)}")
    maps = maps or {}
    grids = {
        model: _grid(model, np.shape(representations[model]), maps.get(model)) for model in representations
    }
    if points is None:
        points = "images" if (1, 1) in grids.values() and len(set(grids.values())) > 1 else "positions"
    if points == "images":
        grids = dict.fromkeys(grids, (1, 1))
    scores: dict[Grid, dict[str, np.ndarray]] = {}
    images = 0
    for model, array in checked(representations):
        images = len(array)
        most = directions or max(1, images // IMAGES_PER_DIRECTION)
        for grid in sorted({_common(grids[model], other) for other in grids.values()}):
            neurons = averaged(array.reshape(images, *grids[model], -1), grid)
            kept = leading(neurons.reshape(-1, neurons.shape[-1]), variance, most)
            scores.setdefault(grid, {})[model] = kept.reshape(images, grid[0] * grid[1], -1)
    return CanonicalComparison(tuple(grids), images, tuple(grids.values()), scores)


def averaged(array: np.ndarray, grid: Grid) -> np.ndarray:
    """``[N, h, w, c]`` averaged over area to ``[N, *grid, c]``."""
    if array.shape[1:3] == grid:
        return array
    rows, columns = area_matrix(array.shape[1], grid[0]), area_matrix(array.shape[2], grid[1])
    return np.einsum("ah,nhwc,bw->nabc", rows, array, columns, optimize=True)


def leading(points: np.ndarray, variance: float, most: int) -> np.ndarray:
    """Values of the leading principal directions, each at unit variance: ``[D, c]`` to float32 ``[D, d]``.

    ``d`` is the smallest number that holds ``variance``, at most ``most``; 0 if the points are all the same.
    """
    points = points.astype(np.float64)
    points -= points.mean(axis=0)
    wide = points.shape[1] > points.shape[0]
    values, vectors = np.linalg.eigh(points @ points.T if wide else points.T @ points)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if values[0] == 0:
        return np.zeros((len(points), 0), np.float32)
    held = np.cumsum(values) / values.sum()
    # Rounding may leave the sum just below a variance of 1.
    count = min(int(np.searchsorted(held, variance * (1 - 1e-12))) + 1, most, len(values))
    vectors = vectors[:, :count]
    scores = vectors if wide else points @ (vectors / np.sqrt(values[:count]))
    return (scores * np.sqrt(len(points))).astype(np.float32)


def _whitened(scores: list[np.ndarray], weights: np.ndarray) -> list[list[np.ndarray]]:
    """Covariances between whitened models: block i, j <= i is ``[d_i, d_j]``, its singular values the correlations."""
    kept = np.flatnonzero(weights)
    weights = weights[kept]
    positions, ends = scores[0].shape[1], np.cumsum([0] + [one.shape[2] for one in scores])
    total = weights.sum() * positions
    step = max(1, _BLOCK // max(1, positions * ends[-1]))
    moment, mean = np.zeros((ends[-1], ends[-1])), np.zeros(ends[-1])
    for start in range(0, len(kept), step):
        some, weight = kept[start : start + step], weights[start : start + step]
        points = np.concatenate([one[some] for one in scores], axis=2).astype(np.float64)
        mean += weight @ points.sum(axis=1)
        points *= np.sqrt(weight)[:, None, None]
        flat = points.reshape(-1, ends[-1])
        moment += flat.T @ flat
    covariance = moment / total - np.outer(mean, mean) / total**2
    spans = [slice(start, stop) for start, stop in zip(ends, ends[1:])]
    roots = [_inverse_root(covariance[span, span]) for span in spans]
    return [
        [left.T @ covariance[one, other] @ right for other, right in zip(spans[: i + 1], roots)]
        for i, (one, left) in enumerate(zip(spans, roots))
    ]


def _singular_values(block: np.ndarray) -> np.ndarray:
    """Canonical correlations; by eigenvalues, twenty times as fast at 200 x 200 and exact to 1e-8."""
    gram = block @ block.T if block.shape[0] < block.shape[1] else block.T @ block
    return np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0.0, 1.0))


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """``[d, r]`` that whitens the ``r`` directions of a covariance that vary at all."""
    if covariance.size == 0:
        return covariance
    values, vectors = np.linalg.eigh(covariance)
    alive = values > _SINGULAR * values[-1]
    return vectors[:, alive] / np.sqrt(values[alive])


def _common(one: Grid, other: Grid) -> Grid:
    return min(one[0], other[0]), min(one[1], other[1])


def _grid(model: str, shape: tuple[int, ...], flattened: Grid | None) -> Grid:
    if len(shape) not in (2, 4):
        raise SettingsError(
            f"the representation of {model} has shape {list(shape)}; SVCCA expects [N, h, w, c] or [N, c]"
        )
    if len(shape) == 4:
        return int(shape[1]), int(shape[2])
    height, width = flattened or (1, 1)
    if shape[1] % (height * width):
        raise SettingsError(
            f"the representation of {model} has {shape[1]} values an image, which is no flattened map of {height} x {width}"
        )
    return int(height), int(width)
