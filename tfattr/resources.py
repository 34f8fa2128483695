"""Where the data that travels with the package lies: beside a clone, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def checkpoints() -> Path:
    """The folder of embedded checkpoints and manifests (``checkpoints/`` of a clone)."""
    return _folder("_checkpoints", "checkpoints")


def probe_data() -> Path:
    """The folder of embedded probe images and lists (``probe_data/`` of a clone)."""
    return _folder("_probe_data", "probe_data")


def _folder(installed: str, cloned: str) -> Path:
    inside = _PACKAGE / installed
    return inside if inside.is_dir() else _PACKAGE.parent / cloned
