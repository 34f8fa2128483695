"""From uint8 RGB photographs to the frame that a model is fed: crop, resize, colour, range, mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfattr.errors import SettingsError
from tfattr.trunk.resizing import CROPS, KERNELS, centre_square, fit

__all__ = ["COLORS", "RANGES", "Preprocessing", "centre_square"]

COLORS = ("RGB", "BGR", "Y", "gray", "L")
RANGES = ("[0,1]", "[-1,1]", "[0,255]")

_LUMA = {
    "Y": np.array([0.299, 0.587, 0.114], np.float32),  # ITU-R BT.601, as the super-resolution literature
    "gray": np.array([0.2989, 0.587, 0.114], np.float32),  # tf.image.rgb_to_grayscale
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What stands between a photograph and the fed tensor.

    The steps, in order: ``crop`` and ``resize`` to ``size`` (see :func:`tfattr.trunk.resizing.fit`; a photograph of
    that size is taken as it is), values to [0, 1], ``clip``, colour, ``range``, subtraction of ``mean`` (in the units
    of ``range``, one value or one a channel), ``hole``.

    Attributes:
        size: height and width of the fed tensor, in pixels.
        color: channels of the fed tensor: ``RGB``, ``BGR``, or one channel: ``Y`` (BT.601 luma), ``gray``
            (TensorFlow's luma) or ``L`` (CIELAB lightness / 100, scikit-image 0.12's constants).
        range: values of white and black: ``[0,1]``, ``[-1,1]`` or ``[0,255]``.
        mean: subtracted after scaling, in the order of ``color``'s channels.
        clip: ``(low, high)`` on the [0, 1] scale after the resize (Taskonomy's "low saturation").
        hole: ``(top, bottom, left, right)``: rows and columns set to 0 at the end (context encoder).
        antialias: smooth before shrinking (Pillow's way); ``False``: ``bilinear`` samples at pixel centres.
        crop: ``square``, ``native`` (the whole picture), ``central``, ``short_side`` or ``canvas``.
        resize: ``bilinear``, ``lanczos``, ``nearest``, ``tensorflow`` or ``skimage``.
    """

    size: tuple[int, int]
    color: str = "RGB"
    range: str = "[0,1]"
    mean: tuple[float, ...] = ()
    clip: tuple[float, float] | None = None
    hole: tuple[int, int, int, int] | None = None
    antialias: bool = True
    crop: str = "square"
    resize: str = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _integers(self.size, 2, "size", "[height, width]"))
        object.__setattr__(self, "mean", tuple(float(value) for value in np.atleast_1d(self.mean)))
        if self.clip is not None:
            object.__setattr__(self, "clip", (float(self.clip[0]), float(self.clip[1])))
        if self.hole is not None:
            object.__setattr__(self, "hole", _integers(self.hole, 4, "hole", "[top, bottom, left, right]"))
        for field, value, allowed in (
            ("color", self.color, COLORS),
            ("range", self.range, RANGES),
            ("crop", self.crop, CROPS),
            ("resize", self.resize, KERNELS),
        ):
            if value not in allowed:
                raise SettingsError(
                    f"Preprocessing: {field} is {value!r}; expected one of {', '.join(allowed)}."
                )
        if not self.antialias and self.resize != "bilinear":
            raise SettingsError(
                f'Preprocessing: antialias = false goes with resize = "bilinear", not with {self.resize!r}; leave it out.'
            )
        if min(self.size) < 1:
            raise SettingsError(f"Preprocessing: size is {self.size}; expected a positive height and width.")
        if len(self.mean) not in (0, 1, self.channels):
            raise SettingsError(
                f"Preprocessing: mean has {len(self.mean)} values; expected 1 or {self.channels} for {self.color}."
            )

    @property
    def channels(self) -> int:
        """Channels of the fed tensor: 3 for RGB and BGR, 1 for Y, gray and L."""
        return 3 if self.color in ("RGB", "BGR") else 1

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that a pixel can take in the fed frame."""
        low, high = self.clip or (0.0, 1.0)
        ends = _to_range(np.array([low, high], np.float32), self.range)
        means = np.array(self.mean or (0.0,), np.float32)
        return float(ends[0] - means.max()), float(ends[1] - means.min())

    def __call__(self, photos: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """Photographs in the fed frame.

        Args:
            photos: uint8 RGB, ``[N, h, w, 3]`` or a sequence of ``[h, w, 3]`` arrays of any sizes.

        Returns:
            float32 ``[N, H, W, C]``.

        Raises:
            SettingsError: a photograph is not uint8 with three channels.
        """
        photos = [np.asarray(photo) for photo in photos]
        batch = np.empty((len(photos), *self.size, self.channels), np.float32)
        for row, photo in zip(batch, photos):
            row[...] = self._one(photo)
        return batch

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` reads them back."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
            if value != _LATER.get(key, _ABSENT)
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        return cls(**values)

    def _one(self, photo: np.ndarray) -> np.ndarray:
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise SettingsError(
                f"Preprocessing: a photograph has dtype {photo.dtype} and shape {photo.shape}; "
                "expected uint8 RGB [height, width, 3]."
            )
        image = self._fitted(photo)
        if self.clip is not None:
            np.clip(image, *self.clip, out=image)
        image = _to_range(_to_color(image, self.color).astype(np.float32, copy=False), self.range)
        if self.mean:
            image -= np.array(self.mean, np.float32)
        if self.hole is not None:
            top, bottom, left, right = self.hole
            image[top:bottom, left:right] = 0.0
        return image

    def resized(self, photo: np.ndarray) -> np.ndarray:
        """One photograph cropped and resized: uint8 ``[h, w, 3]`` to float32 ``[H, W, 3]`` in [0, 1]."""
        return self._fitted(photo).astype(np.float32, copy=False)

    def _fitted(self, photo: np.ndarray) -> np.ndarray:
        return fit(photo, self.size, self.crop, self.resize, self.antialias)


# Fields that older files do not have: written only where they are not the default, so that the marks of older
# records stay valid.
_LATER = {"resize": "bilinear"}
_ABSENT = object()


def _integers(values: Sequence[int], count: int, field: str, form: str) -> tuple[int, ...]:
    try:
        found = tuple(int(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count:
        raise SettingsError(f"Preprocessing: {field} is {values!r}; expected {form}.")
    return found


def _to_range(values: np.ndarray, name: str) -> np.ndarray:
    """Values in [0, 1] in the range of this name, in place."""
    if name == "[-1,1]":
        values *= 2.0
        values -= 1.0
    elif name == "[0,255]":
        values *= 255.0
    return values


def _to_color(image: np.ndarray, color: str) -> np.ndarray:
    if color == "RGB":
        return image
    if color == "BGR":
        return image[..., ::-1]
    if color in _LUMA:
        return image @ _LUMA[color][:, None]
    return _lightness(image)[..., None]


def _lightness(image: np.ndarray) -> np.ndarray:
    """CIELAB L of sRGB in [0, 1], divided by 100, in float64.

    Source: IEC 61966-2-1 and CIE 15, with the rounded constants of scikit-image 0.12's ``rgb2lab`` (D65).
    """
    image = image.astype(np.float64)
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.212671, 0.715160, 0.072169])
    cube = np.where(luminance > 0.008856, np.cbrt(luminance), 7.787 * luminance + 16.0 / 116.0)
    return (116.0 * cube - 16.0) / 100.0
