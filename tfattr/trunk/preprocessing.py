"""From uint8 RGB photographs to the frame that a model is fed: crop, resize, colour, range, mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfattr.errors import SettingsError
from tfattr.trunk.resizing import CROPS, KERNELS, centre_square, fit

__all__ = ["COLORS", "RANGES", "Preprocessing", "centre_square"]

COLORS = ("RGB", "BGR", "Y", "gray", "L", "raw")
LAYOUTS = ("NHWC", "NCHW")
RANGES = ("[0,1]", "[-1,1]", "[0,255]")

PRESETS: dict[str, dict[str, Any]] = {
    "imagenet-torch": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    "imagenet-caffe": {"color": "BGR", "range": "[0,255]", "mean": (103.939, 116.779, 123.68)},
    "tf": {"range": "[-1,1]"},
}
"""What ``preset`` stands for: torchvision's models, Caffe's (also VGG and ResNet of Keras), Inception's and MobileNet's."""

_LUMA = {
    "Y": np.array([0.299, 0.587, 0.114], np.float32),  # ITU-R BT.601, as the super-resolution literature
    "gray": np.array([0.2989, 0.587, 0.114], np.float32),  # tf.image.rgb_to_grayscale
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What stands between a photograph and the fed tensor.

    The steps, in order: ``crop`` and ``resize`` to ``size`` (see :func:`tfattr.trunk.resizing.fit`; a photograph of
    that size is taken as it is), values to [0, 1], ``clip``, colour, ``range``, subtraction of ``mean`` and
    division by ``std`` (in the units of ``range``, one value or one a channel), multiplication by ``scale``, ``hole``.

    Attributes:
        size: height and width of the fed tensor, in pixels.
        color: channels of the fed tensor: ``RGB``, ``BGR``, or one channel: ``Y`` (BT.601 luma), ``gray``
            (TensorFlow's luma) or ``L`` (CIELAB lightness / 100, scikit-image 0.12's constants). ``raw`` takes arrays
            of ``bands`` channels as they are, in place of photographs.
        range: values of white and black: ``[0,1]``, ``[-1,1]`` or ``[0,255]``.
        mean: subtracted after scaling, in the order of ``color``'s channels.
        std: divides what is left, likewise.
        scale: factor at the end (Caffe's ``scale``).
        clip: ``(low, high)`` on the [0, 1] scale after the resize (Taskonomy's "low saturation").
        hole: ``(top, bottom, left, right)``: rows and columns set to 0 at the end (context encoder).
        antialias: smooth before shrinking (Pillow's way); ``False``: ``bilinear`` samples at pixel centres.
        crop: ``square``, ``native`` (the whole picture), ``central``, ``short_side`` or ``canvas``.
        resize: ``bilinear``, ``lanczos``, ``nearest``, ``tensorflow`` or ``skimage``.
        bands: channels of ``color="raw"``.
        layout: of the model's own input, ``NHWC`` or ``NCHW``; batches and maps are ``[N, H, W, C]`` all the same.
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
    std: tuple[float, ...] = ()
    scale: float = 1.0
    bands: int = 0
    layout: str = "NHWC"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _integers(self.size, 2, "size", "[height, width]"))
        for field in ("mean", "std"):
            object.__setattr__(self, field, _floats(getattr(self, field), field))
        object.__setattr__(self, "scale", *_floats(self.scale, "scale", 1))
        if self.clip is not None:
            object.__setattr__(self, "clip", (float(self.clip[0]), float(self.clip[1])))
        if self.hole is not None:
            object.__setattr__(self, "hole", _integers(self.hole, 4, "hole", "[top, bottom, left, right]"))
        for field, value, allowed in (
            ("color", self.color, COLORS),
            ("range", self.range, RANGES),
            ("crop", self.crop, CROPS),
            ("resize", self.resize, KERNELS),
            ("layout", self.layout, LAYOUTS),
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
        if (self.color == "raw") != (self.bands > 0) or isinstance(self.bands, float):
            raise SettingsError(
                f'Preprocessing: color is {self.color!r} and bands is {self.bands}; expected color = "raw" with bands, the '
                "number of channels, or neither."
            )
        for field, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, self.channels):
                raise SettingsError(
                    f"Preprocessing: {field} has {len(values)} values; expected 1 or {self.channels} for {self.color}."
                )
        if not all(value > 0 for value in self.std) or self.scale == 0:
            raise SettingsError(
                f"Preprocessing: std is {list(self.std)} and scale {self.scale}; expected positive values and a factor "
                "that is not 0."
            )

    @classmethod
    def from_preset(cls, preset: str, size: tuple[int, int], **fields: Any) -> Preprocessing:
        """A frame by name, one of ``PRESETS``; ``fields`` given beside it go before it.

        Raises SettingsError for another name.
        """
        return cls(size=size, **{**preset_fields(preset), **fields})

    @property
    def channels(self) -> int:
        """Channels of the fed tensor: 3 for RGB and BGR, 1 for Y, gray and L, ``bands`` for raw."""
        return self.bands or (3 if self.color in ("RGB", "BGR") else 1)

    @property
    def model_shape(self) -> tuple[int, int, int]:
        """Shape of one image in the model's own layout."""
        height, width = self.size
        return (height, width, self.channels) if self.layout == "NHWC" else (self.channels, height, width)

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that a pixel can take in the fed frame."""
        low, high = self.clip or (0.0, 1.0)
        ends = _to_range(np.array([low, high], np.float32), self.range)
        fed = np.repeat(ends[:, None].astype(np.float32), self.channels, axis=1)
        self._normalise(fed)
        return float(fed.min()), float(fed.max())

    def _normalise(self, values: np.ndarray) -> None:
        if self.mean:
            values -= np.array(self.mean, np.float32)
        if self.std:
            values /= np.array(self.std, np.float32)
        if self.scale != 1.0:
            values *= np.float32(self.scale)

    def __call__(
        self, photos: np.ndarray | Iterable[np.ndarray], out: np.ndarray | None = None
    ) -> np.ndarray:
        """Photographs in the fed frame.

        Args:
            photos: uint8 RGB, ``[N, h, w, 3]`` or a sequence of ``[h, w, 3]`` arrays of any sizes (``bands`` channels
                where ``color`` is raw).
            out: float32 ``[N, H, W, C]`` that is filled and returned; a new array if None.

        Returns:
            float32 ``[N, H, W, C]``.

        Raises:
            SettingsError: a photograph is not uint8 with three channels.
        """
        photos = [np.asarray(photo) for photo in photos]
        batch = np.empty((len(photos), *self.size, self.channels), np.float32) if out is None else out
        for row, photo in zip(batch, photos):
            self._fill(row, photo)
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

    def _fill(self, row: np.ndarray, photo: np.ndarray) -> None:
        expected = (self.bands, "") if self.bands else (3, "RGB ")
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != expected[0] or not photo.size:
            if photo.dtype.kind in "UO":
                raise SettingsError(
                    f"Preprocessing: a photograph is {photo.item() if not photo.ndim else photo.dtype}; expected an array: "
                    "tfattr.read_photo reads a file."
                )
            raise SettingsError(
                f"Preprocessing: a photograph has dtype {photo.dtype} and shape {photo.shape}; "
                f"expected uint8 {expected[1]}[height, width, {expected[0]}]."
            )
        image = self._fitted(photo, row if self.color == "RGB" else None)
        if self.clip is not None:
            np.clip(image, *self.clip, out=image)
        image = _to_range(_to_color(image, self.color).astype(np.float32, copy=False), self.range)
        self._normalise(image)
        if self.hole is not None:
            top, bottom, left, right = self.hole
            image[top:bottom, left:right] = 0.0
        if image is not row:
            row[...] = image

    def resized(self, photo: np.ndarray) -> np.ndarray:
        """One photograph cropped and resized: uint8 ``[h, w, 3]`` to float32 ``[H, W, 3]`` in [0, 1]."""
        return self._fitted(photo).astype(np.float32, copy=False)

    def _fitted(self, photo: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if not self.bands:
            return fit(photo, self.size, self.crop, self.resize, self.antialias, out)
        bands = [np.repeat(photo[..., band : band + 1], 3, axis=2) for band in range(self.bands)]
        fitted = [fit(band, self.size, self.crop, self.resize, self.antialias)[..., :1] for band in bands]
        return np.concatenate(fitted, axis=2)


# Fields that older files do not have: written only where they are not the default, so that the marks of older
# records stay valid.
_LATER = {"resize": "bilinear", "std": (), "scale": 1.0, "bands": 0, "layout": "NHWC"}
_ABSENT = object()


def preset_fields(preset: str) -> dict[str, Any]:
    """What a preset stands for; SettingsError for another name."""
    if preset not in PRESETS:
        raise SettingsError(f"Preprocessing: preset is {preset!r}; expected one of {', '.join(PRESETS)}.")
    return PRESETS[preset]


def _floats(values: Any, field: str, count: int | None = None) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in np.atleast_1d(values))
    except (TypeError, ValueError):
        found = (np.nan,)
    if not np.isfinite(found).all() or (count is not None and len(found) != count):
        raise SettingsError(f"Preprocessing: {field} is {values!r}; expected numbers.")
    return found


def _integers(values: Sequence[int], count: int, field: str, form: str) -> tuple[int, ...]:
    try:
        found = tuple(int(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        found = ()
    if len(found) != count or any(whole != value for whole, value in zip(found, values)):
        raise SettingsError(f"Preprocessing: {field} is {values!r}; expected {form}, whole numbers.")
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
    if color in ("RGB", "raw"):
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
