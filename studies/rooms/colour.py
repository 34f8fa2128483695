"""sRGB and CIE Lab, as arrays (D65 white, the constants of IEC 61966-2-1 and CIE 15)."""

from __future__ import annotations

import numpy as np

_RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB in [0,1]; values are clipped to [0,1] first."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-8), 1 / 2.4) - 0.055)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0,1] to linear light."""
    x = np.asarray(srgb)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def to_unit(rgb: np.ndarray) -> np.ndarray:
    """uint8 RGB to float32 in [0,1]."""
    return np.asarray(rgb, np.float32) / np.float32(255.0)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 RGB [...,3] to CIE Lab float32 (L 0..100, a and b about -110..110)."""
    linear = srgb_to_linear(to_unit(rgb)).astype(np.float32)
    t = linear @ (_RGB_TO_XYZ.T / _WHITE).astype(np.float32)
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16.0 / 116.0)
    lab = np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    )
    return lab.astype(np.float32)


def to_grey(rgb: np.ndarray) -> np.ndarray:
    """uint8 RGB [...,3] to grey float32 in [0,1] (Rec. 709 luma weights, as skimage's rgb2gray)."""
    return to_unit(rgb) @ np.array([0.2125, 0.7154, 0.0721], np.float32)
