"""Image files become uint8 RGB arrays, whatever the file's own colours, depth or orientation."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import unicodedata
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tfattr.errors import ProbeError, SettingsError

# Pillow's own warning level: about a quarter gibibyte of RGB. Larger files are decompression bombs to us.
MAX_PIXELS = 89_478_485
# Read whole, so bounded too: the largest picture allowed, raw, at 16 bits a channel.
MAX_BYTES = 6 * MAX_PIXELS
# A progressive JPEG goes through all its pixels once a scan. Encoders write about ten scans; a few bytes suffice
# for one, so that a small file could take hours.
_MAX_SCANNED = 32 * MAX_PIXELS
# No others are tried, whatever the file's name: Pillow also opens formats that start other programs (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_STRIP = 1 << 20  # pixels converted at a time
EXIF = ("upright", "stored")


class UnreadablePhotoError(ProbeError):
    """A probe image cannot be read: ``path`` says which, ``reason`` why."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{printable(os.fspath(path))}: {reason}")
        self.path = Path(path)
        self.reason = reason


def printable(name: str) -> str:
    """A file's name as valid text of one line: bytes that are no UTF-8 and control characters are written ``\\x..``."""
    return "".join(
        _escaped(character) if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in name
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no UTF-8 (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def read_photo(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, exif: str = "upright"
) -> np.ndarray:
    """Reads one photograph as uint8 RGB ``[H, W, 3]``.

    Grey, palette, CMYK and 16-bit files are converted; alpha is dropped, not composited (as the authors'
    load_ops do); of an animation the first frame is taken. What the file is is told by its content, one of
    ``FORMATS``, not by its name. ``exif``: ``upright`` turns the picture as its EXIF orientation says, ``stored``
    leaves the pixels as they lie in the file (as scikit-image 0.12 did for the authors).

    Raises:
        UnreadablePhotoError: missing, empty, truncated, not an image, no plain file (a directory, a pipe), above
            ``max_pixels`` or ``MAX_BYTES``, or made to keep the decoder busy.
    """
    return decode_photo(read_bytes(path), path, max_pixels=max_pixels, exif=exif)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Reads a probe file's bytes; the errors of the file system become an UnreadablePhotoError."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise UnreadablePhotoError(path, "is a directory, expected an image file")
        if not stat.S_ISREG(found.st_mode):  # reading a pipe or a device need not end
            raise UnreadablePhotoError(path, "is no plain file, expected an image file")
        if found.st_size > MAX_BYTES:
            raise UnreadablePhotoError(
                path, f"holds {found.st_size:,} bytes, more than the {MAX_BYTES:,} allowed; make it smaller"
            )
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UnreadablePhotoError(path, "does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UnreadablePhotoError(
            path, f"cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    if not data:
        raise UnreadablePhotoError(path, "is empty (0 bytes), expected an image file")
    return data


def sha256(data: bytes) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def decode_photo(
    data: bytes,
    name: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    exif: str = "upright",
) -> np.ndarray:
    """Decodes an image file's bytes to uint8 RGB ``[H, W, 3]``; ``name`` is used in errors only."""
    if exif not in EXIF:
        raise SettingsError(f"exif is {exif!r}; expected one of {', '.join(EXIF)}.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_bombs(image, data, name, max_pixels)
            return _to_rgb(image, name, exif)
    except UnreadablePhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadablePhotoError(
            name, f"holds too many pixels ({_line(error)}); make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadablePhotoError(
            name, f"is not an image of a known format (it starts with {data[:12]!r})"
        ) from error
    except MemoryError as error:
        raise UnreadablePhotoError(name, "needs more memory than there is; make it smaller") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged bytes
        raise UnreadablePhotoError(name, f"is damaged or truncated ({_line(error)})") from error


def _line(error: BaseException) -> str:
    """What an error says, in one line of bounded length."""
    return printable(" ".join(str(error).split()) or type(error).__name__)[:200]


def _refuse_bombs(image: Image.Image, data: bytes, name: str | os.PathLike[str], max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise UnreadablePhotoError(
            name, f"holds {width} x {height} pixels, more than the {max_pixels:,} allowed; make it smaller"
        )
    if image.format in ("JPEG", "MPO"):
        scans = data.count(b"\xff\xda")
        if scans * width * height > _MAX_SCANNED:
            raise UnreadablePhotoError(
                name,
                f"holds {width} x {height} pixels in {scans} scans, which no encoder writes; save it anew",
            )


def _to_rgb(image: Image.Image, name: str | os.PathLike[str], exif: str) -> np.ndarray:
    image.load()  # for some formats the orientation is known only then
    if image.mode == "F":
        raise UnreadablePhotoError(
            name, "holds floating-point pixels of unknown range, expected 8 or 16 bits"
        )
    width, height = image.size
    if not width or not height:
        raise UnreadablePhotoError(name, f"holds {width} x {height} pixels, expected at least one")
    orientation = image.getexif().get(ExifTags.Base.Orientation) if exif == "upright" else 1
    turned = orientation in (5, 6, 7, 8)
    if image.mode == "RGB" and orientation in (None, 1) and width * height <= _STRIP:
        return np.asarray(image)  # most photographs: as they are, without further copies
    photo = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    stored = _as_stored(photo, orientation)
    rows = max(_STRIP // width, 1)
    for top in range(0, height, rows):  # by strips: memory for one more whole picture is not needed
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom))
        stored[top:bottom] = _eight_bits(strip, name) if image.mode.startswith("I") else _rgb(strip)
    return photo


def _as_stored(photo: np.ndarray, orientation: object) -> np.ndarray:
    """The view of an upright picture that has its pixels where the file does (EXIF 2.3, tag 0x0112)."""
    views = {
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.swapaxes(0, 1),
        6: photo[:, ::-1].swapaxes(0, 1),
        7: photo[::-1, ::-1].swapaxes(0, 1),
        8: photo[::-1].swapaxes(0, 1),
    }
    return views.get(orientation, photo) if isinstance(orientation, int) else photo


def _rgb(strip: Image.Image) -> np.ndarray:
    if strip.mode == "P" and "transparency" in strip.info:  # the detour spares Pillow's warning
        strip = strip.convert("RGBA")
    return np.asarray(strip.convert("RGB"))


def _eight_bits(strip: Image.Image, name: str | os.PathLike[str]) -> np.ndarray:
    """16-bit grey, which older Pillow opens as 32-bit "I", scaled to 8 bits: ``[h, w, 1]``."""
    deep = np.asarray(strip).astype(np.int64)
    if deep.min() < 0 or deep.max() > 65535:
        raise UnreadablePhotoError(name, "holds 32-bit integer pixels, expected 8 or 16 bits a channel")
    return ((deep * 255 + 32767) // 65535).astype(np.uint8)[:, :, None]
