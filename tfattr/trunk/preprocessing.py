"""From uint8 RGB photographs to the frame that a model is fed: crop, resize, colour, range, mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from tfattr.errors import SettingsError

COLORS = ("RGB", "BGR", "Y", "L")
RANGES = ("[0,1]", "[-1,1]", "[0,255]")
CROPS = ("square", "native")

# ITU-R BT.601 luma, the Y that the super-resolution literature trains on.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What stands between a photograph and the fed tensor.

    The steps, in order: centre square crop of even side (``crop="square"``; ``"native"`` keeps the
    whole picture), bilinear resize to ``size``, values to [0, 1], ``clip``, colour, ``range``,
    subtraction of ``mean`` (in the units of ``range``, one value or one a channel), ``hole``.

    Attributes:
        size: height and width of the fed tensor, in pixels.
        color: channels of the fed tensor: ``RGB``, ``BGR``, ``Y`` (BT.601 luma, one channel) or ``L``
            (CIELAB lightness / 100, one channel).
        range: values of white and black: ``[0,1]``, ``[-1,1]`` or ``[0,255]``.
        mean: subtracted after scaling, in the order of ``color``'s channels.
        clip: ``(low, high)`` on the [0, 1] scale after the resize (Taskonomy's "low saturation").
        hole: ``(top, bottom, left, right)``: rows and columns set to 0 at the end (context encoder).
        antialias: smooth before shrinking (Pillow's way); ``False`` samples as scikit-image 0.12 did.
        crop: ``square`` or ``native``.
    """

    size: tuple[int, int]
    color: str = "RGB"
    range: str = "[0,1]"
    mean: tuple[float, ...] = ()
    clip: tuple[float, float] | None = None
    hole: tuple[int, int, int, int] | None = None
    antialias: bool = True
    crop: str = "square"

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
        ):
            if value not in allowed:
                raise SettingsError(
                    f"Preprocessing: {field} is {value!r}; expected one of {', '.join(allowed)}."
                )
        if min(self.size) < 1:
            raise SettingsError(f"Preprocessing: size is {self.size}; expected a positive height and width.")
        if len(self.mean) not in (0, 1, self.channels):
            raise SettingsError(
                f"Preprocessing: mean has {len(self.mean)} values; expected 1 or {self.channels} for {self.color}."
            )

    @property
    def channels(self) -> int:
        """Channels of the fed tensor: 3 for RGB and BGR, 1 for Y and L."""
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
        batch = [self._one(np.asarray(photo)) for photo in photos]
        if not batch:
            return np.zeros((0, *self.size, self.channels), np.float32)
        return np.stack(batch)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` reads them back."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
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
        image = self.resized(photo)
        if self.clip is not None:
            image = np.clip(image, *self.clip)
        image = _to_range(_to_color(image, self.color), self.range)
        if self.mean:
            image = image - np.array(self.mean, np.float32)
        if self.hole is not None:
            top, bottom, left, right = self.hole
            image[top:bottom, left:right] = 0.0
        return np.ascontiguousarray(image, np.float32)

    def resized(self, photo: np.ndarray) -> np.ndarray:
        """One photograph cropped and resized: uint8 ``[h, w, 3]`` to float32 ``[H, W, 3]`` in [0, 1]."""
        if self.crop == "square":
            photo = centre_square(photo)
        height, width = self.size
        if photo.shape[:2] == (height, width):
            return photo.astype(np.float32) / 255.0
        if self.antialias:
            resized = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(resized, np.float32) / 255.0
        return _sample_bilinear(photo.astype(np.float32) / 255.0, height, width)


def centre_square(photo: np.ndarray) -> np.ndarray:
    """The centre square of even side ``2 * (min(h, w) // 2)``: ``[h, w, ...]`` to ``[s, s, ...]``.

    Source: the authors' ``lib/data/load_ops.py`` (``resize_rescale_image`` after the centre crop). A
    picture one pixel wide keeps that pixel.
    """
    height, width = photo.shape[:2]
    half = min(height, width) // 2
    if half == 0:
        return photo[height // 2 : height // 2 + 1, width // 2 : width // 2 + 1]
    top, left = height // 2 - half, width // 2 - half
    return photo[top : top + 2 * half, left : left + 2 * half]


def _integers(values: Sequence[int], count: int, field: str, form: str) -> tuple[int, ...]:
    try:
        found = tuple(int(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count:
        raise SettingsError(f"Preprocessing: {field} is {values!r}; expected {form}.")
    return found


def _to_range(values: np.ndarray, name: str) -> np.ndarray:
    if name == "[-1,1]":
        return values * 2.0 - 1.0
    if name == "[0,255]":
        return values * 255.0
    return values


def _to_color(image: np.ndarray, color: str) -> np.ndarray:
    if color == "RGB":
        return image
    if color == "BGR":
        return image[..., ::-1]
    if color == "Y":
        return image @ _LUMA[:, None]
    return _lightness(image)[..., None]


def _lightness(image: np.ndarray) -> np.ndarray:
    """CIELAB L of sRGB in [0, 1], divided by 100. Source: IEC 61966-2-1 and CIE 15 (D65 luminance)."""
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    cube = np.where(luminance > 0.008856, np.cbrt(luminance), 7.787 * luminance + 16.0 / 116.0)
    return (116.0 * cube - 16.0).astype(np.float32) / 100.0


def _sample_bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation at pixel centres without smoothing (order 1 of scikit-image's ``resize``)."""

    def taps(length: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = (np.arange(target) + 0.5) * (length / target) - 0.5
        position = np.clip(position, 0.0, length - 1.0)
        low = np.floor(position).astype(int)
        return low, np.minimum(low + 1, length - 1), (position - low).astype(np.float32)

    top, bottom, down = taps(image.shape[0], height)
    left, right, across = taps(image.shape[1], width)
    rows = image[top] * (1.0 - down)[:, None, None] + image[bottom] * down[:, None, None]
    return rows[:, left] * (1.0 - across)[None, :, None] + rows[:, right] * across[None, :, None]
