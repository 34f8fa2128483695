"""Representations of the same images by several models, taken one model at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tfattr.errors import SettingsError

FEWEST_IMAGES = 4  # below it the debiased estimators do not exist


def checked(representations: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each model's name and representation ``[N, ...]``, loaded once, checked, in the mapping's order.

    Raises:
        SettingsError: no model, fewer than 4 images, another number of images than the first model has, an array
            without channels, or a value that is not finite.
    """
    if not representations:
        raise SettingsError("there is no representation to compare; give at least one model's")
    images = None
    for model in representations:
        array = np.asarray(representations[model])
        if array.ndim < 2 or array.shape[0] < FEWEST_IMAGES or array.size == 0:
            raise SettingsError(
                f"the representation of {model} has shape {list(array.shape)}; expected [N, h, w, c] or [N, c] of at "
                f"least {FEWEST_IMAGES} images"
            )
        images = images or len(array)
        if len(array) != images:
            raise SettingsError(
                f"the representation of {model} is of {len(array)} images, expected {images} as the first model's; "
                "represent the same images by every model"
            )
        if not np.isfinite(array).all():
            raise SettingsError(
                f"the representation of {model} holds values that are not finite; leave the model out"
            )
        yield model, array


def flattened(array: np.ndarray) -> np.ndarray:
    """``[N, ...]`` as float64 ``[N, P]``, one row an image."""
    return array.reshape(len(array), -1).astype(np.float64)


def centred(rows: np.ndarray) -> np.ndarray:
    """Each feature's mean over the images taken away: ``[N, P]``."""
    return rows - rows.mean(axis=0)


def standardised(rows: np.ndarray) -> np.ndarray:
    """Each feature to mean 0 and variance 1 over the images; one that never changes becomes 0: ``[N, P]``."""
    moving = rows.max(axis=0) > rows.min(axis=0)
    return np.where(moving, centred(rows), 0.0) / np.where(moving, rows.std(axis=0), 1.0)


def cosines(rows: np.ndarray) -> np.ndarray:
    """Cosines between the rows of ``[N, P]``: float64 ``[N, N]``; 0 with a row of zeros (as scikit-learn has it)."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1.0)
    return np.clip(unit @ unit.T, -1.0, 1.0)
