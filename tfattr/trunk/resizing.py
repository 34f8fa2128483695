"""A photograph fitted to a model's size: which part of it is taken, and how it is interpolated."""

from __future__ import annotations

import numpy as np
from PIL import Image

CROPS = ("square", "native", "central", "short_side", "canvas")
KERNELS = ("bilinear", "lanczos", "nearest", "tensorflow", "skimage")

Size = tuple[int, int]  # height, width
_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
_KEPT = 0.875  # of each side, by slim: the Inceptions' central crop, and the VGGs' 224 of 256


def fit(
    photo: np.ndarray,
    size: Size,
    crop: str,
    kernel: str,
    antialias: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """One photograph at a model's size.

    A photograph that has that size already is taken as it is.

    Args:
        photo: uint8 ``[h, w, 3]``.
        size: height and width.
        crop: ``square``: the centre square of even side (of the model's side where the photograph has just that);
            ``native``: the whole picture, stretched; ``central``: the central 87.5 % of both sides, stretched
            (slim's Inception preprocessing); ``short_side``: aspect kept, so that the size is 87.5 % of the shorter
            side, and cut from the centre (slim's VGG preprocessing: 224 of 256); ``canvas``: aspect kept, the
            largest centred part of the size's aspect.
        kernel: ``bilinear`` and ``lanczos`` (Pillow's, smoothing when they shrink), ``nearest`` (Pillow's),
            ``tensorflow`` (``resize_bilinear`` without aligned corners, as of TensorFlow 1), ``skimage`` (order 1
            of scikit-image 0.12: black outside the picture, clipped to its range).
        antialias: ``False`` makes ``bilinear`` sample at pixel centres without smoothing (OpenCV's INTER_LINEAR).
        out: float32 ``[H, W, 3]`` that may be filled and returned in place of a new array.

    Returns:
        ``[H, W, 3]`` in [0, 1]; float64 for ``skimage``, whose users went on in float64, float32 otherwise.
    """
    if photo.shape[:2] == size:
        return _scaled(photo, kernel, out)
    if crop == "short_side":
        whole = _around((photo.shape[0], photo.shape[1]), size)
        top, left = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
        return _resize(photo, whole, kernel, antialias, (top, left, *size))
    if crop == "square":
        # Of the model's own, odd side where the photograph has just that.
        side = min(photo.shape[:2])
        photo = _cut(photo, size) if size == (side, side) else centre_square(photo)
    elif crop == "central":
        top, left = (int(side * (1 - _KEPT) / 2) for side in photo.shape[:2])
        photo = photo[top : photo.shape[0] - top, left : photo.shape[1] - left]
    elif crop == "canvas":
        photo = _canvas(photo, size)
    return _resize(photo, size, kernel, antialias, (0, 0, *size))


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


def _canvas(photo: np.ndarray, size: Size) -> np.ndarray:
    """The largest centred part with the aspect of ``size``, to the nearest pixel."""
    height, width = photo.shape[:2]
    scale = min(height / size[0], width / size[1])
    return _cut(photo, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))


def _cut(photo: np.ndarray, size: Size) -> np.ndarray:
    top, left = ((have - want) // 2 for have, want in zip(photo.shape[:2], size))
    return photo[top : top + size[0], left : left + size[1]]


def _around(have: Size, size: Size) -> Size:
    """Height and width, aspect kept, of which ``size`` is the centre; slim's ``_smallest_size_at_least``."""
    side = np.float32(round(max(size) / _KEPT))
    scale = side / np.float32(min(have))
    height, width = (int(np.rint(np.float32(length) * scale)) for length in have)
    return height, width


def _scaled(photo: np.ndarray, kernel: str, out: np.ndarray | None = None) -> np.ndarray:
    if kernel == "skimage":
        return photo / 255.0
    image = np.empty(photo.shape, np.float32) if out is None else out
    image[...] = photo
    image /= 255.0  # in place: fresh memory costs more than the arithmetic
    return image


def _resize(
    photo: np.ndarray, size: Size, kernel: str, antialias: bool, part: tuple[int, int, int, int]
) -> np.ndarray:
    """``part`` (top, left, height, width) of the photograph resized to ``size``; no more than that is computed."""
    top, left, height, width = part
    if photo.shape[:2] == size:
        return _scaled(photo[top : top + height, left : left + width], kernel)
    if kernel in _PILLOW and (antialias or kernel != "bilinear"):
        high, wide = photo.shape[0] / size[0], photo.shape[1] / size[1]  # of one new pixel, in old ones
        right = min((left + width) * wide, photo.shape[1])
        bottom = min((top + height) * high, photo.shape[0])
        box = (left * wide, top * high, right, bottom)
        resized = Image.fromarray(photo).resize((width, height), _PILLOW[kernel], box)
        return np.asarray(resized, np.float32) / 255.0
    rows = _taps(photo.shape[0], size[0], kernel, range(top, top + height))
    columns = _taps(photo.shape[1], size[1], kernel, range(left, left + width))
    image = np.zeros((height, width, photo.shape[2]))
    for row, down in rows:
        for column, across in columns:
            image += photo[np.ix_(row, column)] * (down[:, None] * across[None, :])[..., None]
    if kernel == "skimage":
        return np.clip(image, photo.min(), photo.max()) / 255.0
    return (image / 255.0).astype(np.float32)


def _taps(length: int, target: int, kernel: str, wanted: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two pixels (index, weight) that each of the ``wanted`` pixels of ``target`` is made of."""
    if kernel == "tensorflow":
        position = (np.array(wanted, np.float32) * (np.float32(length) / np.float32(target))).astype(float)
    else:
        position = (np.array(wanted) + 0.5) * (length / target) - 0.5
        if kernel != "skimage":
            position = np.clip(position, 0.0, length - 1.0)
    low = np.floor(position).astype(int)
    share = position - low
    taps = [(low, 1.0 - share), (low + 1, share)]
    if kernel == "skimage":  # what lies outside is black
        taps = [(index, np.where((index >= 0) & (index < length), weight, 0.0)) for index, weight in taps]
    return [(np.clip(index, 0, length - 1), weight) for index, weight in taps]
