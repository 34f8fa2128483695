"""Representation similarity analysis (Dwivedi and Roig, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfattr.baselines.comparisons import RankComparison
from tfattr.baselines.representations import centred as centre
from tfattr.baselines.representations import checked, cosines, flattened


def rsa(representations: Mapping[str, np.ndarray], centred: bool = True) -> RankComparison:
    """Spearman correlation of the models' dissimilarity matrices (RDM): 1 - Pearson correlation of image pairs.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        centred: take each unit's mean over the images away first, as the authors' code does
            (``create_taskonomy_RDMs_enc_final.py``; so does DEPARA's ``spearman_edge.py``, whose published row is
            called RSA). False is the formula of the paper's text, and the row ``pearson, None`` of the DDS paper.

    A representation that is the same in all its units correlates 0 with every other. Resampled images keep the means of
    all images. Raises SettingsError where the representations do not fit together.
    """
    return RankComparison.from_dissimilarities(
        (model, correlation_distances(centre(rows) if centred else rows))
        for model, rows in ((model, flattened(array)) for model, array in checked(representations))
    )


def correlation_distances(rows: np.ndarray) -> np.ndarray:
    """1 - Pearson correlation between the rows of ``[N, P]``: float64 ``[N, N]``."""
    return 1.0 - cosines(rows - rows.mean(axis=1, keepdims=True))
