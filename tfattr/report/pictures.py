"""Figures as data URIs: without loss where that is small, else as WebP, together below a limit."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tfattr.errors import RecordsError

LIMIT = 7_500_000  # letters of base64 for all pictures of a page
_EXACT = 120_000  # bytes up to which a picture is kept without loss
_TALLEST = 16_000  # pixels; WebP ends at 16,383
# Width and quality, tried in turn until all pictures together are small enough.
_STEPS = ((1600, 82), (1300, 70), (1000, 60), (700, 50))


@dataclass(frozen=True)
class Picture:
    """A picture to embed: its data URI, and its size in the page's pixels."""

    uri: str
    width: int
    height: int


def embed(paths: Sequence[Path], limit: int = LIMIT) -> tuple[dict[Path, Picture], list[Path]]:
    """Pictures for a page, and those left out because even small they are too large together.

    A PNG is kept exactly if that takes at most 120 kB, else it becomes a WebP, with as much loss as ``limit``
    (letters of all data URIs together) makes necessary. An SVG is kept as it is if it fits.

    Raises:
        RecordsError: a file cannot be read as a picture.
    """
    found = {path: _vector(path) if path.suffix == ".svg" else _exact(path) for path in paths}
    lossy = [path for path, picture in found.items() if picture is None]
    for width, quality in _STEPS:
        found.update({path: _lossy(path, width, quality) for path in lossy})
        if _letters(found) <= limit:
            return found, []
    left_out = []
    while _letters(found) > limit:
        largest = max(found, key=lambda path: len(found[path].uri))
        left_out.append(largest)
        del found[largest]
    return found, left_out


def embed_photo(photo: np.ndarray) -> Picture:
    """A small photograph, uint8 ``[h, w, 3]``."""
    return _webp(Image.fromarray(photo), quality=85)[0]


def _letters(found: Mapping[Path, Picture]) -> int:
    return sum(len(picture.uri) for picture in found.values())


def _vector(path: Path) -> Picture:
    # The page lays it out by its own view box; in an <img> a script in it does not run.
    return Picture(_uri("image/svg+xml", path.read_bytes()), 800, 600)


def _exact(path: Path) -> Picture | None:
    """Without loss, unless that is too large."""
    opened = _opened(path)
    if path.stat().st_size > 4 * _EXACT:  # WebP is not that much smaller than PNG
        return None
    picture, size = _webp(opened, lossless=True, quality=60, method=3)
    return picture if size <= _EXACT else None


def _lossy(path: Path, width: int, quality: int) -> Picture:
    picture = _opened(path)
    shown = picture.size
    scale = min(1.0, width / picture.width, _TALLEST / picture.height)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return Picture(_webp(picture, quality=quality, method=2)[0].uri, *shown)


def _webp(picture: Image.Image, **options: Any) -> tuple[Picture, int]:
    """Embedded, and its size in bytes."""
    data = io.BytesIO()
    picture.save(data, "WEBP", **options)
    return Picture(_uri("image/webp", data.getvalue()), *picture.size), data.tell()


def _opened(path: Path) -> Image.Image:
    """RGB, on white where it is transparent."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGBA")
    except OSError as error:
        raise RecordsError(
            f"{path}: cannot be read as a picture ({error}); make the figures again."
        ) from error
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
