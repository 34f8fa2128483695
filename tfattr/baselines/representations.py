"""Representations of the same images by several models, taken one model at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from tfattr.errors import SettingsError

FEWEST_IMAGES = 4  # below it the debiased estimators do not exist
_SMOOTH = 0.1  # by how much neighbours on a map correlate more than any two positions


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


def code_grids(representations: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Height and width of vectors that are flattened maps (row by row, channels last), by model.

    A vector is one if it has as many units as the maps of other models of the mapping (the commonest shape first), and if,
    laid out so, neighbours correlate over the images more than any two positions do, which units of a fully connected or
    pooled layer do not. Taskonomy's classes, room layout and vanishing point leave their encoder so (16 x 16 x 8).
    """
    shapes = Counter(np.shape(representations[model])[1:] for model in representations)
    found = {}
    for model in representations:
        code = np.asarray(representations[model])
        if code.ndim == 2:
            for shape, _ in shapes.most_common():
                fits = len(shape) == 3 and shape[0] * shape[1] > 1 and np.prod(shape) == code.shape[1]
                if fits and _smooth(code.reshape(-1, *shape)):
                    found[model] = shape[:2]
                    break
    return found


def _smooth(code: np.ndarray) -> bool:
    """Whether neighbours in ``[N, h, w, c]`` are more alike than positions on average."""
    units = standardised(flattened(code)).reshape(code.shape)
    height, width = code.shape[1:3]
    near = [
        (units[:, : height - down, : width - right] * units[:, down:, right:]).mean()
        for down, right, length in ((1, 0, height), (0, 1, width))
        if length > 1
    ]
    return np.mean(near) > (units.mean(axis=(1, 2)) ** 2).mean() + _SMOOTH


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
