"""Figures to files."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure

from tfattr.errors import SettingsError
from tfattr.records.whole import whole_file

FORMATS = (".png", ".svg", ".pdf")


def save_figure(figure: Figure, *paths: str | os.PathLike[str], dpi: int = 150) -> list[Path]:
    """Writes a figure to each path, whole or not at all, nothing clipped; the suffix says the format.

    Raises:
        SettingsError: a suffix other than .png, .svg or .pdf.
    """
    targets = [Path(path) for path in paths]
    for target in targets:
        if target.suffix.lower() not in FORMATS:
            raise SettingsError(f"{target}: figures are saved as {', '.join(FORMATS)}, not {target.suffix!r}")
    for target in targets:
        with whole_file(target) as temporary, open(temporary, "wb") as file:
            figure.savefig(
                file, format=target.suffix[1:].lower(), dpi=dpi, bbox_inches="tight", facecolor="white"
            )
    return targets
