"""Network inputs of the rooms tasks: the preprocessing of the original task bank at 64x64."""

from __future__ import annotations

import numpy as np

from studies.rooms.colour import to_lab, to_unit
from studies.rooms.tasks import CENTRE_HOLE
from tfattr.errors import SettingsError

#: Standard deviation of the Gaussian noise of ``denoise``, on [0,1] pictures.
NOISE_SIGMA = 0.12


def network_input(rgb: np.ndarray, kind: str, rng: np.random.Generator | None = None) -> np.ndarray:
    """uint8 RGB [N,H,W,3] to the float32 input [N,H,W,3 or 1] that a task's network is fed.

    ``low_sat``: clip [0,1] to [.1,.9], then 2x-1 (values in [-.8,.8]); ``plain``: 2x-1; ``L``: Lab
    lightness/50-1; ``hole``: plain with the centre square (CENTRE_HOLE) set to 0 last; ``noisy``: low_sat of
    the picture plus Gaussian noise (NOISE_SIGMA) from ``rng``; without ``rng`` it is low_sat itself, as the
    authors' pipeline feeds it. Source: the published task bank's configurations.
    """
    rgb = np.asarray(rgb)
    if kind == "L":
        return np.clip(to_lab(rgb)[..., :1], 0, 100) / np.float32(50) - np.float32(1)
    x = to_unit(rgb)
    if kind == "noisy" and rng is not None:
        x = np.clip(x + np.float32(NOISE_SIGMA) * rng.standard_normal(x.shape, dtype=np.float32), 0, 1)
    if kind in ("low_sat", "noisy"):
        return np.clip(x, np.float32(0.1), np.float32(0.9)) * np.float32(2) - np.float32(1)
    x = x * np.float32(2) - np.float32(1)
    if kind == "hole":
        top, bottom, left, right = CENTRE_HOLE
        x[:, top:bottom, left:right] = 0
        return x
    if kind != "plain":
        raise SettingsError(f"Network input {kind!r} is unknown; expected low_sat, plain, L, noisy or hole.")
    return x
