"""The mean of three rankings: by what maps have of their own, by linear predictivity, by canonical correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tfattr.affinity.images import ImageCosines
from tfattr.errors import SettingsError
from tfattr.measures.predictivity import LinearPredictivity, linear_predictivity
from tfattr.measures.residual import METHOD, residual_cosines
from tfattr.rivals.comparisons import multiplicities
from tfattr.rivals.svcca import CanonicalComparison, svcca


@dataclass(frozen=True)
class Consensus:
    """See :func:`consensus`.

    Attributes:
        models: M names.
        images: N.
        residual, predictivity, correlation: the three measures, prepared.
    """

    models: tuple[str, ...]
    images: int
    residual: ImageCosines
    predictivity: LinearPredictivity
    correlation: CanonicalComparison

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Mean rank of each source, float64 ``[M, M]`` (row: target), in (0, 1], higher is better, diagonal 1.

        Args:
            rows: indices of images, with repeats (a bootstrap draw); all images once if None.

        NaN where one of the three measures is undefined.
        """
        return self.affinities(multiplicities(rows, self.images)[None])[0]

    def affinities(self, weights: np.ndarray) -> np.ndarray:
        """The same for many draws at once: multiplicities, int ``[B, N]``, to ``[B, M, M]``."""
        parts = zip(*self.parts(weights).values())
        return np.stack([mean_ranks(matrices) for matrices in parts])

    def parts(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The three matrices that are ranked, by name, for each draw: ``[B, M, M]`` each."""
        weights = np.asarray(weights)
        cosines = self.residual.mean(METHOD, weights)
        draws = [np.repeat(np.arange(self.images), row.astype(np.int64)) for row in weights]
        return {
            "residual maps": np.stack([columns_centred(matrix) for matrix in cosines]),
            "predictivity": self.predictivity.affinities(weights),
            "svcca": np.stack([self.correlation.affinity(rows) for rows in draws]),
        }


def consensus(
    representations: Mapping[str, np.ndarray],
    maps: Mapping[str, np.ndarray],
    grids: Mapping[str, tuple[int, int]] | None = None,
) -> Consensus:
    """Mean rank of the sources under three measures; asymmetric, no labels, closed form.

    1. :func:`residual_cosines` of the maps (grid 16), mean over images, each source's mean affinity taken away;
    2. :func:`linear_predictivity` of the target's code from 3 x 3 positions of the source's, positions weighted by the
       target's maps;
    3. SVCCA, positions as data points.

    Chosen among 123 candidates on half of the rooms' truth and two probe sets by ``benchmarks/own_measure.py``. On the
    other half and the third probe set it did not beat every rival: mean Spearman .628, DDS .711, SVCCA .619, RSA .597
    (both within its uncertainty), the others lower. A pair's value depends on which other models there are, as the
    first measure and ranks do.

    Args:
        representations: model to float32 ``[N, h, w, c]``, the same N images in the same order.
        maps: the same models' gradient * input maps with the energy target, ``[N, H, W]`` (channel mean).
        grids: model to height and width, for vectors that are flattened maps.

    Raises:
        SettingsError: maps or representations that do not fit together, or of different models.
    """
    if list(representations) != list(maps):
        raise SettingsError(
            "representations and maps are of different models, or in another order; give both of the same models"
        )
    predictivity = linear_predictivity(representations, maps, grids=grids)
    return Consensus(
        predictivity.models,
        predictivity.images,
        residual_cosines(maps),
        predictivity,
        svcca(representations, points="positions", maps=grids),
    )


def columns_centred(matrix: np.ndarray) -> np.ndarray:
    """Each column less its mean off the diagonal, diagonal NaN: sources that are like everything lose their lead."""
    off = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    known = np.isfinite(off)
    return off - np.where(known, off, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def mean_ranks(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over matrices ``[M, M]`` of each row's ranks off the diagonal (1 the lowest), over M; diagonal 1.

    Ties get their mean rank; NaN where a matrix has it.
    """
    count = len(matrices[0])
    ranks = np.full((len(matrices), count, count), np.nan)
    for matrix, found in zip(matrices, ranks):
        known = np.isfinite(matrix) & ~np.eye(count, dtype=bool)
        for row in range(count):
            found[row, known[row]] = rankdata(matrix[row, known[row]])
    mean = ranks.mean(axis=0) / count
    np.fill_diagonal(mean, 1.0)
    return mean
