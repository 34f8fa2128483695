"""Models compared by what each makes of pairs of images; a resample of the images costs little.

Each model is reduced once to its N x N values. A resample gives each image a multiplicity (how often it was drawn), a
pair of images the product of theirs. Pairs of an image with its own copy are not pairs of images and count nowhere,
except in the biased kernel alignment, whose definition has the diagonal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import rankdata

from tfattr.errors import SettingsError


class Prepared(Protocol):
    """A baseline measure with its heavy part done.

    Attributes:
        models: M names, in the order of rows and columns.
        images: how many each model saw.
    """

    models: tuple[str, ...]
    images: int

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """The affinity: float64 ``[M, M]``, symmetric, diagonal 1, higher is more alike.

        Args:
            rows: indices of images, with repeats (a bootstrap draw); all images once if None.

        NaN where it is undefined: a model that tells no two images apart.
        """
        ...


def multiplicities(rows: Sequence[int] | np.ndarray | None, images: int) -> np.ndarray:
    """How often each of ``images`` is among ``rows``: float64 ``[images]``; all once if None.

    Raises:
        SettingsError: an index outside the images.
    """
    if rows is None:
        return np.ones(images)
    rows = np.asarray(rows, np.int64)
    if rows.size == 0 or rows.min() < 0 or rows.max() >= images:
        raise SettingsError(f"a resample names images outside 0 .. {images - 1}, or none; expected indices")
    return np.bincount(rows, minlength=images).astype(np.float64)


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Cosines between the rows of ``[M, P]``, float64; NaN with a row of zeros, else diagonal 1."""
    gram = vectors @ vectors.T
    lengths = np.sqrt(np.diagonal(gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        affinity = np.clip(gram / np.outer(lengths, lengths), -1.0, 1.0)
    np.fill_diagonal(affinity, np.where(lengths > 0, 1.0, np.nan))
    return affinity


@dataclass(frozen=True)
class RankComparison:
    """Spearman correlation of the models' dissimilarities over pairs of images.

    Attributes:
        models: M names.
        images: N.
        groups: int32 ``[M, N (N - 1) / 2]``: dense rank of each pair's dissimilarity, pairs i < j row by row; equal
            dissimilarities share a rank.
    """

    models: tuple[str, ...]
    images: int
    groups: np.ndarray

    @classmethod
    def from_dissimilarities(cls, named: Iterable[tuple[str, np.ndarray]]) -> RankComparison:
        """From models' names and dissimilarities ``[N, N]``, one model at a time (only ranks are kept)."""
        models, groups, images = [], [], 0
        for model, matrix in named:
            images = len(matrix)
            ranks = rankdata(matrix[np.triu_indices(images, 1)], method="dense")
            models.append(model)
            groups.append((ranks - 1).astype(np.int32))
        return cls(tuple(models), images, np.stack(groups))

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """See :meth:`Prepared.affinity`. Ranks are those of the resample, ties at their mean rank.

        A pair drawn k times is k tied values: the ranks follow from counting, without sorting again.
        """
        drawn = multiplicities(rows, self.images)
        first, second = np.triu_indices(self.images, 1)
        weights = drawn[first] * drawn[second]
        kept = np.flatnonzero(weights)
        weights = weights[kept]
        middle, root = (weights.sum() + 1) / 2, np.sqrt(weights)
        scaled = np.empty((len(self.models), len(kept)))
        for row, groups in zip(scaled, self.groups):
            chosen = groups[kept]
            counts = np.bincount(chosen, weights)
            ranks = counts.cumsum() - (counts - 1) / 2
            row[:] = (ranks[chosen] - middle) * root
        return normalised(scaled)


@dataclass(frozen=True)
class KernelComparison:
    """Centred kernel alignment (CKA) of the models' similarities over pairs of images.

    Attributes:
        models: M names.
        images: N.
        kernels: float32 ``[M, N, N]``, symmetric.
        debiased: pairs of different images only, centred by the unbiased estimator (Szekely and Rizzo 2014);
            otherwise the plain double centring with the diagonal.

    Source: Kornblith et al., ICML 2019, and their published notebook for the debiased estimator. Both centrings take
    away what a sum of one effect an image explains by (weighted) least squares: over all pairs, or over pairs of
    different images. That view carries over to images drawn several times; without repeats it is theirs exactly.
    """

    models: tuple[str, ...]
    images: int
    kernels: np.ndarray
    debiased: bool

    @classmethod
    def from_kernels(cls, named: Iterable[tuple[str, np.ndarray]], debiased: bool) -> KernelComparison:
        """From models' names and kernels ``[N, N]``, one model at a time; their scale does not matter."""
        models, kernels = [], []
        for model, kernel in named:
            largest = np.abs(kernel).max()
            models.append(model)
            kernels.append((kernel / (largest if largest > 0 else 1.0)).astype(np.float32))
        return cls(tuple(models), len(kernels[0]), np.stack(kernels), debiased)

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """See :meth:`Prepared.affinity`."""
        drawn = multiplicities(rows, self.images)
        kept = np.flatnonzero(drawn)
        weights = drawn[kept]
        pairs = np.sqrt(np.outer(weights, weights)).ravel()
        centring = _unbiased if self.debiased else _double_centred
        scaled = np.empty((len(self.models), len(kept) ** 2))
        for row, kernel in zip(scaled, self.kernels):
            row[:] = centring(kernel[np.ix_(kept, kept)].astype(np.float64), weights).ravel() * pairs
        return normalised(scaled)


def _double_centred(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = weights / weights.sum()
    means = kernel @ share
    return kernel - means[:, None] - means[None, :] + share @ means


def _unbiased(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What is left of each pair i != j after the effects a_i + a_j of weighted least squares; diagonal 0."""
    np.fill_diagonal(kernel, 0.0)
    sums, total = kernel @ weights, weights.sum()
    # Normal equations: (total - 2 w_i) a_i + sum_j w_j a_j = sum_j w_j K_ij.
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = weights / (total - 2 * weights)
        common = (factor @ sums) / (1 + factor.sum())
        effects = (sums - common) / (total - 2 * weights)
    kernel -= effects[:, None] + effects[None, :]
    np.fill_diagonal(kernel, 0.0)
    return kernel
