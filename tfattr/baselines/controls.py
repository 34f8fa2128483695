"""Controls: what the pixels alone predict, and what any symmetric measure could reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import rankdata

from tfattr.affinity.images import ImageCosines
from tfattr.affinity.state import AffinityState
from tfattr.errors import SettingsError
from tfattr.evaluation.truth import Truth

RAW_PIXELS = "raw_pixels"


def raw_pixel_cosines(
    models: Sequence[str],
    fed: Iterable[tuple[str, Sequence[np.ndarray]]],
    grid: tuple[int, int] | int | None = None,
) -> ImageCosines:
    """Cosines between the models' fed images: gradient * input with a gradient of 1.

    The models differ only by their preprocessing (colour, range, mean, size), so models that are fed alike get exactly
    1 and tie: a ranking by it is then the order of the sources.

    Args:
        models: names.
        fed: each image's id, and the image as each model is fed it, float32 ``[H, W, C]``; sizes and channels may differ.
        grid: size at which they are compared, as of :class:`tfattr.affinity.AffinityState`.

    Returns:
        one method, ``raw_pixels``; its ``mean`` is the affinity, with weights for a bootstrap.

    Raises:
        RecordsError: an image that is not fed to every model.
    """
    state, names = AffinityState.empty(tuple(models), grid, keep_images=True), []
    for name, arrays in fed:
        state.update(arrays, name)
        names.append(name)
    return ImageCosines.from_states({RAW_PIXELS: state}, names)


def symmetrised_truth(truth: Truth, by: str = "rank") -> np.ndarray:
    """Measured transfer made symmetric: the mean of both directions, float64 ``[S, S]`` in the order of the sources.

    Ranked by, it shows how much of the truth a symmetric measure can know at all. It is a reference, not a proven bound:
    another symmetric matrix may happen to agree better.

    Args:
        truth: S sources, of which T are targets too.
        by: ``rank``: each source's rank among a target's sources (1 the worst), over their number; ``log``: the
            logarithm of the affinity.

    Returns:
        diagonal 1 (``rank``) or 0 (``log``). Where one direction is measured it stands for both; NaN where none is.

    Raises:
        SettingsError: another ``by``, or ``log`` of an affinity that is not positive.
    """
    known = ~np.isnan(truth.affinity)
    if by == "rank":
        values = np.full(truth.affinity.shape, np.nan)
        for row, mask, measured in zip(values, known, truth.affinity):
            row[mask] = rankdata(measured[mask]) / mask.sum()
    elif by == "log":
        if not (truth.affinity[known] > 0).all():
            raise SettingsError("the measured transfer has affinities of 0 or less; symmetrise it by rank")
        values = np.log(truth.affinity)
    else:
        raise SettingsError(f"the truth can be symmetrised by rank or by log, not by {by!r}")
    square = np.full((len(truth.sources), len(truth.sources)), np.nan)
    square[[truth.sources.index(target) for target in truth.targets]] = values
    both = np.stack([square, square.T])
    measured = ~np.isnan(both)
    with np.errstate(invalid="ignore"):
        symmetric = np.where(measured, both, 0.0).sum(axis=0) / measured.sum(axis=0)
    np.fill_diagonal(symmetric, 1.0 if by == "rank" else 0.0)
    return symmetric
