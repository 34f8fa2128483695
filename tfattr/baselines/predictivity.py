"""Predictivity: the share of the target's code that a small readout of the source's code gives on images not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tfattr.baselines.comparisons import multiplicities
from tfattr.baselines.representations import checked, code_grids
from tfattr.baselines.svcca import averaged
from tfattr.errors import SettingsError

WINDOW = 3
HIDDEN = 256
FOLDS = 5
CHANNELS = 64
POINTS = 2**15  # most positions of all images together
SIDE = 8  # most positions along a side of one image

Grid = tuple[int, int]
WHOLE: Grid = (1, 1)


@dataclass(frozen=True)
class Predictivity:
    """How well each model's code is read out of each other's.

    Attributes:
        models: M names.
        images: N.
        errors: float64 ``[M, M, N]`` (target, source, image): squared errors of the prediction of an image by the
            readout that did not see it; 0 on the diagonal.
        squares: float64 ``[M, M, N]``: squares of what was to be predicted, around its mean.
    """

    models: tuple[str, ...]
    images: int
    errors: np.ndarray
    squares: np.ndarray

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Share predicted (R2), float64 ``[M, M]`` (row: target, column: source), at most 1; not symmetric.

        Args:
            rows: indices of images, with repeats (a bootstrap draw); all images once if None. The readouts stay those of
                all images: the images on which they are judged are drawn.

        Below 0 where the readout does worse than the mean; NaN in the row of a model that never changes.
        """
        return self.affinities(multiplicities(rows, self.images)[None])[0]

    def affinities(self, weights: np.ndarray) -> np.ndarray:
        """The same for many draws at once: multiplicities ``[B, N]`` to ``[B, M, M]``."""
        weights = np.asarray(weights, np.float64).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.moveaxis(1 - (self.errors @ weights) / (self.squares @ weights), -1, 0)


def predictivity(
    representations: Mapping[str, np.ndarray],
    grids: Mapping[str, Grid] | None = None,
    window: int = WINDOW,
    hidden: int = HIDDEN,
    seed: int = 0,
) -> Predictivity:
    """How well the source's code predicts the target's, locally, by a readout with one hidden layer: asymmetric.

    Transfer trains a small readout of the source's code for the target's task; here the target's own code stands in place
    of the labels, and the readout has a closed form. At a position the target's channels are regressed on the source's
    in a window around it and on ``hidden`` random features ``relu(W x + b)`` of that window. The ridge is the mean squared
    length of the feature vectors, that is as many points as there are features. Readouts are fitted on four fifths of the
    images and judged on the rest, in turn (blocks of successive images).

    A source is brought to the target's grid, so that all sources of a target answer the same question. Where one of the
    two is a vector, whole images are the points: the target's units, from the source's leading directions.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        grids: model to height and width, for vectors that are flattened maps (row by row, channels last); those found
            by :func:`tfattr.baselines.representations.code_grids` if None.
        window: positions along a side that a readout sees, odd.
        hidden: random features; 0 for a linear readout.
        seed: of the random features.

    Channels are at unit variance; of more than 64 the 64 leading directions count, each by its variance. At most 8 x 8
    positions of an image, spread evenly, and some 32,768 of all images, are looked at.

    Raises:
        SettingsError: representations that do not fit together, or an even window.

    Source: linear regression as an index of similarity (Kornblith et al., ICML 2019, section 3), "predictivity" in the
    comparison of networks with brains (Yamins et al., PNAS 2014); random features (Rahimi and Recht, NeurIPS 2008).
    """
    if window < 1 or window % 2 == 0 or hidden < 0:
        raise SettingsError(
            f"the readout has a window of {window} and {hidden} hidden units; expected an odd window, and 0 or more"
        )
    grids = code_grids(representations) if grids is None else grids
    codes, wholes, named = {}, {}, {}
    for model, array in checked(representations):
        shape = (*grids[model], -1) if array.ndim == 2 and model in grids else array.shape[1:]
        array = array.reshape(len(array), *(shape if len(shape) == 3 else (1, 1, -1)))
        named[model] = array.shape[1:3]
        codes[model] = components(array)
    images, models = len(array), tuple(codes)
    vectors = [model for model in models if named[model] == WHOLE]
    if vectors:  # whole images are points for every pair that one of them is in
        flat = {model: code.reshape(images, 1, 1, math.prod(code.shape[1:])) for model, code in codes.items()}
        wholes = {model: components(code, images)[:, 0] for model, code in flat.items()}
    side = min(SIDE, max(1, math.isqrt(POINTS // images)))
    answers = {model: _spread(code, side) for model, code in codes.items()}
    errors, squares = np.zeros((2, len(models), len(models), images))
    for s, source in enumerate(models):
        pairs: dict[Grid, list[str]] = {}
        for target in models:
            grid = WHOLE if WHOLE in (named[source], named[target]) else named[target]
            pairs.setdefault(grid, []).append(target)
        for grid, targets in pairs.items():
            if grid == WHOLE:
                x, asked = components(flat[source])[:, 0], wholes
            else:
                x, asked = _spread(_windows(_resized(codes[source], grid), window), side), answers
            found = _held_out(_hidden(x, hidden, seed), [asked[target] for target in targets])
            for target, error in zip(targets, found):
                t = models.index(target)
                errors[t, s] = 0.0 if t == s else error
                squares[t, s] = (asked[target].reshape(images, -1).astype(np.float64) ** 2).sum(axis=1)
    return Predictivity(models, images, errors, squares)


def components(code: np.ndarray, most: int = CHANNELS) -> np.ndarray:
    """A code ``[N, h, w, c]`` as float32 ``[N, h, w, k]`` at mean 0 and a mean square of 1.

    Channels are brought to unit variance, those that never change are left out; of more than ``most`` the leading
    principal components are kept.
    """
    points = code.reshape(-1, code.shape[-1]).astype(np.float64)
    points = points[:, points.max(axis=0) > points.min(axis=0)]
    points -= points.mean(axis=0)
    points /= points.std(axis=0)
    if points.shape[1] > most:
        wide = points.shape[1] > len(points)
        values, vectors = np.linalg.eigh(points @ points.T if wide else points.T @ points)
        values, vectors = np.maximum(values[::-1][:most], 0.0), vectors[:, ::-1][:, :most]
        points = vectors * np.sqrt(values) if wide else points @ vectors
        points /= np.sqrt((points**2).mean()) or 1.0
    return points.astype(np.float32).reshape(*code.shape[:-1], points.shape[1])


def _spread(code: np.ndarray, side: int) -> np.ndarray:
    """At most ``side`` positions along each side, evenly spread: ``[N, P, c]``."""
    steps = [math.ceil(length / side) for length in code.shape[1:3]]
    some = code[:, :: steps[0], :: steps[1]]
    return np.ascontiguousarray(some).reshape(len(code), some.shape[1] * some.shape[2], code.shape[-1])


def _resized(code: np.ndarray, grid: Grid) -> np.ndarray:
    """Averaged over area to fewer positions, repeated to more."""
    least = (min(grid[0], code.shape[1]), min(grid[1], code.shape[2]))
    code = averaged(code, least).astype(np.float32, copy=False)
    rows, columns = (np.arange(full) * few // full for full, few in zip(grid, least))
    return code if least == grid else code[:, rows][:, :, columns]


def _windows(code: np.ndarray, window: int) -> np.ndarray:
    """Each position's neighbourhood, edges repeated: ``[N, h, w, window ** 2 * c]``."""
    margin = window // 2
    padded = np.pad(code, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    height, width = code.shape[1:3]
    shifts = [(row, column) for row in range(window) for column in range(window)]
    return np.concatenate([padded[:, i : i + height, j : j + width] for i, j in shifts], axis=-1)


def _hidden(x: np.ndarray, hidden: int, seed: int) -> np.ndarray:
    """``x``, its random features, and a column of ones: float32 ``[N, P, f]``."""
    parts = [x]
    if hidden and x.shape[-1]:
        random = np.random.default_rng(seed)
        mixing = random.normal(size=(x.shape[-1], hidden)) / np.sqrt(x.shape[-1])
        shift = random.normal(0, 0.5, hidden)
        parts.append(np.maximum(x @ mixing.astype(np.float32) + shift.astype(np.float32), 0.0))
    return np.concatenate([*parts, np.ones((*x.shape[:2], 1), np.float32)], axis=-1, dtype=np.float32)


def _held_out(x: np.ndarray, answers: list[np.ndarray]) -> list[np.ndarray]:
    """Squared errors of each image, ``[N]`` for each of ``answers`` ``[N, P, k]``, by readouts of the other folds.

    One Gram matrix serves all targets; single precision, the systems are solved in double.
    """
    ends = np.cumsum([0] + [y.shape[-1] for y in answers])
    y = np.concatenate(answers, axis=-1, dtype=np.float32)
    blocks = [part for part in np.array_split(np.arange(len(x)), min(FOLDS, len(x))) if len(part)]
    flat = [(x[part].reshape(-1, x.shape[-1]), y[part].reshape(-1, y.shape[-1])) for part in blocks]
    gram = np.stack([(a.T @ a).astype(np.float64) for a, _ in flat])
    cross = np.stack([(a.T @ b).astype(np.float64) for a, b in flat])
    found = np.zeros((len(x), len(answers)))
    for block, part in enumerate(blocks):
        train = gram.sum(axis=0) - gram[block]
        ridge = np.full(len(train), np.trace(train) / train[-1, -1])
        ridge[-1] = 0.0  # the constant is free
        factor = cho_factor(train + np.diag(ridge), check_finite=False)
        beta = cho_solve(factor, cross.sum(axis=0) - cross[block], check_finite=False)
        residue = flat[block][1] - flat[block][0] @ beta.astype(np.float32)
        per_channel = (residue.reshape(len(part), -1, y.shape[-1]) ** 2).sum(axis=1, dtype=np.float64)
        found[part] = np.stack(
            [per_channel[:, one:other].sum(axis=1) for one, other in zip(ends, ends[1:])], axis=1
        )
    return list(found.T)
