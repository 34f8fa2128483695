"""Duality diagram similarity (Dwivedi, Huang, Cichy and Roig, ECCV 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfattr.baselines.comparisons import KernelComparison
from tfattr.baselines.representations import checked, cosines, flattened, standardised


def dds(representations: Mapping[str, np.ndarray]) -> KernelComparison:
    """DDS in its best published form on Taskonomy, ``cosine, znorm``.

    Each unit of the flattened representation is z-scored over the images (population variance; a constant unit becomes
    0); each model becomes its matrix of cosine distances between images; two models' matrices are compared by debiased
    CKA (unbiased centring, then the cosine). Cosine similarities give the same value: the centring removes the 1 of
    1 - cosine, and both signs change.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.

    Resampled images keep the z-scores of all images. Raises SettingsError where the representations do not fit together.

    Source: cvai-repo/duality-diagram-similarity, ``utils.py`` and the notebook on Taskonomy (200 images; mean Spearman
    .862 with the affinities, .838 with the win rates).
    """
    return KernelComparison.from_kernels(
        ((model, cosines(standardised(flattened(array)))) for model, array in checked(representations)),
        debiased=True,
    )
