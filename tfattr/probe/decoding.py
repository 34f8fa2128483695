"""Image files become uint8 RGB arrays, whatever the file's own colours, depth or orientation."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfattr.errors import ProbeError
from tfattr.trunk import preprocessing

# Pillow's own warning level: about a quarter gibibyte of RGB. Larger files are decompression bombs to us.
MAX_PIXELS = 89_478_485


class UnreadablePhotoError(ProbeError):
    """A probe image cannot be read: ``path`` says which, ``reason`` why."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


def read_photo(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads one photograph as uint8 RGB ``[H, W, 3]``.

    Grey, palette, CMYK and 16-bit files are converted; alpha is dropped, not composited (as the authors'
    load_ops do); the EXIF orientation is applied; of an animation the first frame is taken.

    Raises:
        UnreadablePhotoError: missing, empty, truncated, not an image, a directory, or above ``max_pixels``.
    """
    return decode_photo(read_bytes(path), path, max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Reads a probe file's bytes; the errors of the file system become an UnreadablePhotoError."""
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError as error:
        raise UnreadablePhotoError(path, "is a directory, expected an image file") from error
    except FileNotFoundError as error:
        raise UnreadablePhotoError(path, "does not exist") from error
    except OSError as error:
        raise UnreadablePhotoError(path, f"cannot be read ({error.strerror or error})") from error
    if not data:
        raise UnreadablePhotoError(path, "is empty (0 bytes), expected an image file")
    return data


def sha256(data: bytes) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def decode_photo(data: bytes, name: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes an image file's bytes to uint8 RGB ``[H, W, 3]``; ``name`` is used in errors only."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise UnreadablePhotoError(
                    name,
                    f"holds {width} x {height} pixels, more than the {max_pixels:,} allowed; make it smaller",
                )
            return _to_rgb(ImageOps.exif_transpose(image), name)
    except UnreadablePhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadablePhotoError(name, f"holds too many pixels ({error}); make it smaller") from error
    except UnidentifiedImageError as error:
        raise UnreadablePhotoError(
            name, f"is not an image of a known format (it starts with {data[:12]!r})"
        ) from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged bytes
        raise UnreadablePhotoError(name, f"is damaged or truncated ({error})") from error


def _to_rgb(image: Image.Image, name: str | os.PathLike[str]) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit grey; older Pillow opens 16-bit PNG as 32-bit "I"
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise UnreadablePhotoError(name, "holds 32-bit integer pixels, expected 8 or 16 bits a channel")
        grey = ((deep * 255 + 32767) // 65535).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise UnreadablePhotoError(
            name, "holds floating-point pixels of unknown range, expected 8 or 16 bits"
        )
    if image.mode == "P" and "transparency" in image.info:  # the detour spares Pillow's warning
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def centre_square(photo: np.ndarray) -> np.ndarray:
    """Cuts the centre square of even side ``2 * (min(H, W) // 2)`` out of ``[H, W, ...]``.

    Source: ``load_raw_image_center_crop`` in the authors' ``load_ops.py``.

    Raises:
        ProbeError: a side is shorter than 2 pixels.
    """
    height, width = photo.shape[:2]
    if min(height, width) < 2:
        raise ProbeError(f"a photo of {height} x {width} pixels has no centre square; 2 x 2 is the least")
    return preprocessing.centre_square(photo)
