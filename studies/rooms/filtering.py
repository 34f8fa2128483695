"""Takes the sampling noise out of a path-traced picture without touching textures or edges.

Pictures are divided by their albedo (which is free of noise), the remaining light is averaged over
neighbouring pixels of the same surface, and the albedo is put back: the usual albedo-demodulated joint
bilateral filter of real-time path tracing.
"""

from __future__ import annotations

import numpy as np

#: Reflectance below this is treated as this, so that black surfaces do not blow up noise.
DARKEST = 0.02


def _shifted(x: np.ndarray, dy: int, dx: int, radius: int) -> np.ndarray:
    h, w = x.shape[0] - 2 * radius, x.shape[1] - 2 * radius
    return x[radius + dy : radius + dy + h, radius + dx : radius + dx + w]


def _padded(x: np.ndarray, radius: int, mode: str = "edge") -> np.ndarray:
    return np.pad(x, ((radius, radius), (radius, radius)) + ((0, 0),) * (x.ndim - 2), mode=mode)


def smooth_light(
    linear: np.ndarray,
    albedo: np.ndarray,
    normal: np.ndarray,
    instance: np.ndarray,
    radius: int = 5,
    spread: float = 0.8,
) -> np.ndarray:
    """Linear-light picture [H,W,3] with its light averaged within surfaces; float64 [H,W,3].

    Weights: same ``instance`` [H,W], like ``normal`` [H,W,3] (cosine to the 16th), Gaussian in distance (sigma
    radius/2) and in the log of the light after a first 3x3 average (sigma ``spread``), which keeps shadows.
    Single bright samples are first cut to twice the 3x3 average of their neighbours.
    """
    albedo = np.maximum(albedo, DARKEST)
    light = linear / albedo
    normal = np.asarray(normal, np.float64)

    # a pixel on a border mixes two surfaces: it takes light from the inside of its surface and gives little
    rim = _padded(instance.astype(np.int64), 1)
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    inner = np.where(np.all([_shifted(rim, dy, dx, 1) == instance for dy, dx in steps], axis=0), 1.0, 0.03)
    inners = _padded(inner, radius)

    ids, normals = _padded(instance.astype(np.int64), radius), _padded(normal, radius)

    def same(dy, dx):
        cosine = (_shifted(normals, dy, dx, radius) * normal).sum(-1)
        alike = np.clip(cosine, 0, 1) ** 16 * _shifted(inners, dy, dx, radius)
        return (_shifted(ids, dy, dx, radius) == instance) * alike

    def average(values, reach, weight):
        wide = _padded(values, radius)
        total, mass = np.zeros_like(values), np.zeros(values.shape[:2])
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                w = weight(dy, dx)
                total += w[..., None] * _shifted(wide, dy, dx, radius)
                mass += w
        return total / np.maximum(mass, 1e-9)[..., None], mass

    around, mass = average(light, 1, lambda dy, dx: same(dy, dx) * float(dy != 0 or dx != 0))
    limit = np.where(mass[..., None] > 0.5, 2 * around.mean(-1, keepdims=True) + 1e-6, np.inf)
    brightness = light.mean(-1, keepdims=True)
    light = light * np.minimum(1, limit / np.maximum(brightness, 1e-9))
    guide = np.log(average(light, 1, same)[0].mean(-1) + 1e-3)
    wide_guide = _padded(guide, radius)

    def weight(dy, dx):
        near = np.exp(-0.5 * (dy * dy + dx * dx) / (radius / 2) ** 2)
        alike = np.exp(-0.5 * ((_shifted(wide_guide, dy, dx, radius) - guide) / spread) ** 2)
        return near * alike * same(dy, dx)

    return average(light, radius, weight)[0] * albedo
