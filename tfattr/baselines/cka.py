"""Linear centred kernel alignment (Kornblith et al., ICML 2019), plain and deconfounded (Cui et al., NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tfattr.baselines.comparisons import KernelComparison
from tfattr.baselines.representations import centred, checked, flattened
from tfattr.errors import SettingsError


def linear_cka(representations: Mapping[str, np.ndarray], debiased: bool = False) -> KernelComparison:
    """Linear CKA of the flattened representations: alignment of the centred Gram matrices.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        debiased: the unbiased estimator of HSIC. The plain one grows towards 1 with more units than images, whatever the
            models, and as a resample holds fewer different images its bootstrap interval need not contain it.

    Raises SettingsError where the representations do not fit together.
    """
    return KernelComparison.from_kernels(_kernels(representations), debiased)


def deconfounded_cka(
    representations: Mapping[str, np.ndarray], inputs: np.ndarray, debiased: bool = False
) -> KernelComparison:
    """Linear CKA of what the similarity of the input images does not explain of the representations' similarity.

    From each model's Gram matrix K the least-squares fit ``a + b K0`` over pairs of images is taken away, where K0 is
    the Gram matrix of the images themselves; what is left is centred and aligned as in :func:`linear_cka`.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        inputs: the images, ``[N, ...]``.
        debiased: as of :func:`linear_cka`; the fit is then over pairs of different images only.

    Resampled images keep the fit of all images. What is left of a Gram matrix need not be positive semi-definite; it is
    not made so, as in the authors' default.

    Raises:
        SettingsError: representations that do not fit together, another number of inputs, or inputs that are not finite.

    Source: Cui, Kumar, Marttinen and Kaski, "Deconfounded Representation Similarity for Comparison of Neural Networks",
    NeurIPS 2022 (arXiv 2202.00095); ykumards/simtorch, ``DeltaCKA``.
    """
    rows = centred(flattened(np.asarray(inputs)))
    if not np.isfinite(rows).all():
        raise SettingsError("the input images hold values that are not finite")
    pairs = np.ones((len(rows), len(rows)), bool)
    if debiased:
        np.fill_diagonal(pairs, False)
    confounder = rows @ rows.T
    deviation = np.where(pairs, confounder - confounder[pairs].mean(), 0.0)
    scale = (deviation**2).sum() or 1.0  # images that are all alike explain nothing

    def adjusted() -> Iterator[tuple[str, np.ndarray]]:
        for model, kernel in _kernels(representations):
            if len(kernel) != len(rows):
                raise SettingsError(
                    f"the representations are of {len(kernel)} images and there are {len(rows)} input images; give the "
                    "same"
                )
            yield model, kernel - kernel[pairs].mean() - (deviation * kernel).sum() / scale * deviation

    return KernelComparison.from_kernels(adjusted(), debiased)


def _kernels(representations: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each model's Gram matrix; CKA does not see a shift of the features, float32 kernels would lose their digits to it."""
    for model, array in checked(representations):
        rows = centred(flattened(array))
        yield model, rows @ rows.T
