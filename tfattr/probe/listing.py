"""Which probe images there are: a directory or a list file becomes an ordered list of ids and paths."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tfattr.errors import ProbeError, SettingsError
from tfattr.probe.decoding import EXIF, printable

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
))
# fmt: on
LIST_SUFFIXES = frozenset((".txt", ".lst"))


@dataclass(frozen=True)
class ProbeImage:
    """One probe image: ``id`` is its path relative to the probe's root, with ``/`` on every system.

    In the id, bytes of a file name that are no UTF-8 and control characters are written ``\\xe9``, ``\\x0a``:
    ids go into JSON, records and messages. ``path`` is the name as it is. ``exif``: how it is to be read, see
    :func:`tfattr.probe.read_photo`.
    """

    id: str
    path: Path
    exif: str = "upright"


def list_probe(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    exif: str = "upright",
) -> list[ProbeImage]:
    """Lists the probe images of a directory or of a list file.

    A directory is searched recursively for image files (by suffix; hidden names are left out) and sorted
    naturally (``img2`` before ``img10``). A list file (``.txt``, one path a line, blank lines ignored) keeps
    its own order, as the authors' ``imlist.txt`` do.

    Args:
        path: the directory or the list file.
        root: where the lines of a list file start; the list file's own folder if None.
        limit: keeps the first ``limit`` images; all if None.
        exif: ``upright`` or ``stored``, see :func:`tfattr.probe.read_photo`.

    Returns:
        The images, ids unique. A line of the list that names no file is kept: reading it says so.

    Raises:
        ProbeError: nothing there, no image in it, a folder that cannot be searched, a line named twice, two names
            that are written alike, or none of the listed files exists.
        SettingsError: ``limit`` is not positive, or another ``exif``.
    """
    if exif not in EXIF:
        raise SettingsError(f"exif is {exif!r}; expected one of {', '.join(EXIF)}")
    if limit is not None and limit < 1:
        raise SettingsError(f"limit is {limit}; it must be at least 1, or None for every probe image")
    path = Path(path)
    if os.path.isdir(path):
        if root is not None:
            raise SettingsError(f"root={root} goes with a list file, but {path} is a directory; leave it out")
        images = _from_directory(path)
    elif not os.path.exists(path):
        raise ProbeError(
            f"{printable(str(path))}: no such probe directory or list file; give one that exists"
        )
    elif path.suffix.lower() in LIST_SUFFIXES:
        images = _from_list(path, Path(root) if root is not None else path.parent)
    else:
        raise ProbeError(
            f"{printable(str(path))}: probe images come from a directory or a .txt list file, and this is neither"
        )
    return [replace(image, exif=exif) for image in images[:limit]]


def _from_directory(root: Path) -> list[ProbeImage]:
    found = [ProbeImage(printable(file.relative_to(root).as_posix()), file) for file in _image_files(root)]
    ids = [image.id for image in found]
    if len(set(ids)) < len(ids):
        twice = next(identity for identity in ids if ids.count(identity) > 1)
        raise ProbeError(f"{root}: two files are both written {twice}; rename one of them")
    if not found:
        raise ProbeError(
            f"{root}: no image file in this directory (looked for {', '.join(sorted(IMAGE_SUFFIXES))}); "
            "put the probe images there or give another directory"
        )
    return sorted(found, key=lambda image: _natural(image.id))


def _image_files(root: Path) -> Iterator[Path]:
    """Yields image files below ``root``; links are followed, each real folder once (no loops)."""

    def refuse(error: OSError) -> None:  # its images would be missing in silence
        raise ProbeError(
            f"{printable(os.fspath(error.filename))}: this folder of the probe cannot be searched ({error.strerror}); "
            "make it readable, or give another directory"
        ) from error

    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(folder, name)


def _natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key: digits by value, the rest case-folded; the raw text last, for a total order."""
    parts = re.split(r"([0-9]+)", text)
    key = [(0, int(part), "") if at % 2 else (1, 0, part.casefold()) for at, part in enumerate(parts)]
    return key, text


def _from_list(listing: Path, root: Path) -> list[ProbeImage]:
    if not os.path.isfile(listing):
        raise ProbeError(f"{listing}: is no plain file; expected a UTF-8 list of image paths")
    try:
        lines = listing.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ProbeError(f"{listing}: cannot be read as a UTF-8 list of image paths ({error})") from error
    images: list[ProbeImage] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name:
            continue
        file = root / name
        try:
            identity = printable(posixpath.normpath(file.relative_to(root).as_posix()))
        except ValueError:  # an absolute line outside the root keeps its whole path
            identity = printable(posixpath.normpath(file.as_posix()))
        if identity in first_line:
            raise ProbeError(
                f"{listing}: lines {first_line[identity]} and {number} both name {identity}; list it once"
            )
        first_line[identity] = number
        images.append(ProbeImage(identity, file))
    if not images:
        raise ProbeError(f"{listing}: the list is empty; write one image path a line")
    if not any(os.path.exists(image.path) for image in images):
        raise ProbeError(
            f"{listing}: none of its {len(images)} files exists (the first would be {printable(str(images[0].path))}); "
            "name the folder that the lines start from with root="
        )
    return images
