"""The channel mean of attribution maps."""

from __future__ import annotations

import numpy as np


def channel_mean(maps: np.ndarray) -> np.ndarray:
    """Mean over the last axis, summed in float64: ``[..., C]`` -> float32 ``[..., 1]``.

    Source: the authors' ``affinity.py`` (mean over channels before the cosine).
    """
    total = maps[..., 0].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf and the like stay visible as NaN
        for channel in range(1, maps.shape[-1]):
            total += maps[..., channel]
        return (total / maps.shape[-1]).astype(np.float32)[..., None]
