"""Figures to files."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from tfattr.errors import SettingsError
from tfattr.io import atomic_write

FORMATS = (".png", ".svg", ".pdf")
_LARGE = 200_000  # characters of a picture embedded in an SVG from which on it is compressed
_QUALITY = 90
_EMBEDDED = re.compile(rb"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def save_figure(figure: Figure, *paths: str | os.PathLike[str], dpi: int = 150) -> list[Path]:
    """Writes a figure to each path, whole or not at all, nothing clipped; the suffix says the format.

    PNG is exact. In an SVG, text and lines stay vectors, and large mosaics of maps become JPEG.

    Raises:
        SettingsError: a suffix other than .png, .svg or .pdf.
    """
    targets = [Path(path) for path in paths]
    for target in targets:
        if target.suffix.lower() not in FORMATS:
            raise SettingsError(f"{target}: figures are saved as {', '.join(FORMATS)}, not {target.suffix!r}")
    for target in targets:
        kind, content = target.suffix[1:].lower(), io.BytesIO()
        figure.savefig(content, format=kind, dpi=dpi, bbox_inches="tight", facecolor="white")
        written = content.getvalue()
        with atomic_write(target) as temporary:
            temporary.write_bytes(_EMBEDDED.sub(_compressed, written) if kind == "svg" else written)
    return targets


def _compressed(match: re.Match[bytes]) -> bytes:
    """An embedded PNG as JPEG, if it is large and would be smaller."""
    if len(match[1]) < _LARGE:
        return match[0]
    picture = Image.open(io.BytesIO(base64.b64decode(match[1]))).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    smaller = io.BytesIO()
    Image.alpha_composite(paper, picture).convert("RGB").save(
        smaller, "JPEG", quality=_QUALITY, subsampling=0, optimize=True
    )
    text = b"data:image/jpeg;base64," + base64.b64encode(smaller.getvalue())
    return text if len(text) < len(match[0]) else match[0]
