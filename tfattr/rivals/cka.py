"""Linear centred kernel alignment (Kornblith et al., ICML 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfattr.rivals.comparisons import KernelComparison
from tfattr.rivals.representations import centred, checked, flattened


def linear_cka(representations: Mapping[str, np.ndarray], debiased: bool = False) -> KernelComparison:
    """Linear CKA of the flattened representations: alignment of the centred Gram matrices.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.
        debiased: the unbiased estimator of HSIC. The plain one grows towards 1 with more units than images, whatever the
            models, and as a resample holds fewer different images its bootstrap interval need not contain it.

    Raises SettingsError where the representations do not fit together.
    """
    # CKA does not see a shift of the features; without it float32 kernels would lose their digits to the mean.
    rows = ((model, centred(flattened(array))) for model, array in checked(representations))
    return KernelComparison.from_kernels(((model, one @ one.T) for model, one in rows), debiased)
