"""Taskonomy's ordinal normalisation of transfers: win rates, ratio matrix, principal eigenvector.

Source: Zamir et al., "Taskonomy", CVPR 2018, section 3.3 (Analytic Hierarchy Process, Saaty 1987).
"""

from __future__ import annotations

import numpy as np

from tfattr.errors import SettingsError

#: Win rates are clipped to this interval before ratios are taken, as Taskonomy does.
CLIP = (0.001, 0.999)


def win_rates(losses: np.ndarray) -> np.ndarray:
    """How often each source beats each other one for one target.

    losses: [S, N], loss of S sources on the same N test images (seeds side by side along N). Returns W
    float64 [S, S]: W[i, j] is the share of images on which i has the smaller loss, ties half; W + W.T = 1.
    Raises SettingsError if a loss is not finite.
    """
    losses = np.asarray(losses, np.float64)
    if losses.ndim != 2 or not np.isfinite(losses).all():
        raise SettingsError(f"Win rates need finite losses [sources, images]; found shape {losses.shape}.")
    smaller = losses[:, None, :] < losses[None, :, :]
    equal = losses[:, None, :] == losses[None, :, :]
    return (smaller + 0.5 * equal).mean(axis=2)


def ratio_matrix(wins: np.ndarray, clip: tuple[float, float] = CLIP) -> np.ndarray:
    """W clipped, divided by its transpose: how many times better i transfers than j, [S, S], diagonal 1."""
    clipped = np.clip(wins, *clip)
    ratios = clipped / clipped.T
    np.fill_diagonal(ratios, 1.0)
    return ratios


def principal_eigenvector(ratios: np.ndarray) -> np.ndarray:
    """The positive eigenvector of the largest eigenvalue of a positive matrix, scaled to sum 1, [S]."""
    values, vectors = np.linalg.eig(np.asarray(ratios, np.float64))
    vector = np.abs(vectors[:, values.real.argmax()].real)
    return vector / vector.sum()


def affinities(losses: np.ndarray) -> np.ndarray:
    """Taskonomy's affinity of each source for one target from losses [S, N]: float64 [S], sum 1, higher is better."""
    return principal_eigenvector(ratio_matrix(win_rates(losses)))
