"""Originals into the cache: downloaded, checked against the lock, unpacked, and written down."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfattr.errors import ModelFileError, SettingsError
from tfattr.io import file_digest, write_text
from tfattr.safety.unpack import is_archive, unpack
from tfattr.zoo import cache
from tfattr.zoo.download import disk_errors, download
from tfattr.zoo.originals import ZOOS, Download, Entry, entries, entry

LOCK = "lock.json"
_DRIVE_ID = re.compile(r"(?:[?&]id=|/d/|/folders/)([A-Za-z0-9_-]{10,})")


def resolve(names: Sequence[str]) -> tuple[Entry, ...]:
    """The originals of these ids, short names or zoos (``taskonomy``, ``collected``, ``merged``), each once."""
    found: dict[str, Entry] = {}
    for name in names:
        for item in entries(name) if name in ZOOS else (entry(name),):
            found[item.id] = item
    return tuple(found.values())


def fetch(name: str, *, force: bool = False, progress: bool = True) -> Path:
    """Brings an original's weights into the cache and returns their folder.

    What the lock beside the weights says is there already is left alone unless ``force``. The sha256 of each
    download is recorded at the first success; later downloads must agree with it. Raises ModelFileError in
    one sentence, with the address and where to put the file by hand, when something cannot be had.
    """
    original = entry(name)
    root = cache.folder(original)
    if not original.downloads:
        raise ModelFileError(
            f"{original.id}: {original.by_hand or 'no address is known.'} Its place is {root}."
        )
    lock = read_lock(original)
    for item in original.downloads:
        if force or not _complete(root, lock.get(item.file)):
            lock[item.file] = _one(original, item, root, lock.get(item.file, {}), progress)
            with disk_errors(str(root / LOCK)):
                write_text(root / LOCK, json.dumps(lock, indent=1, sort_keys=True) + "\n")
    if cache.find(original) is None:
        raise ModelFileError(
            f"{root}: fetched, but {original.checkpoint} is not among the files "
            f"({', '.join(sorted(_listed(lock))[:8])}); give the right one to load() as checkpoint=."
        )
    return root


def verify(name: str) -> list[str]:
    """Files of a fetched original that no longer have the sha256 of the lock, or are gone; [] if all agree.

    Raises ModelFileError where there is no lock.
    """
    original = entry(name)
    root, lock = cache.folder(original), read_lock(original)
    if not lock:
        raise ModelFileError(f"{root}: nothing fetched to verify; run 'tfattr fetch {original.id}' first.")
    return [
        path
        for path, digest in _listed(lock).items()
        if not (root / path).is_file() or file_digest(root / path) != digest
    ]


def read_lock(original: Entry) -> dict[str, Any]:
    """The lock beside the weights: ``{file: {url, sha256, files: {path: sha256}}}``; {} if there is none."""
    path = cache.folder(original) / LOCK
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict) and all(
            isinstance(item, dict) and isinstance(item.get("files"), dict) for item in found.values()
        ):
            return found
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path}: the lock cannot be read ({error}); remove it to fetch anew."
        ) from error
    raise ModelFileError(f"{path}: not a lock of tfattr; remove it to fetch anew.")


def _one(
    original: Entry, item: Download, root: Path, known: dict[str, Any], progress: bool
) -> dict[str, Any]:
    expected = item.sha256 or known.get("sha256", "")
    if item.kind == "http":
        digest = download(item.urls, root / item.file, expected, md5=item.md5, progress=progress)
    else:
        digest = _from_drive(original, item, root, expected, progress)
    place = root / item.file
    if item.unpack or (item.kind != "http" and place.is_file() and is_archive(place)):
        try:
            with disk_errors(str(root)):
                files = unpack(place, root)
        finally:
            _discard(place)  # taken apart, or not what it should be
    else:
        files = _files(place)
    return {
        "url": item.urls[0],
        "sha256": digest,
        "files": {path.relative_to(root).as_posix(): file_digest(path) for path in files},
    }


def _from_drive(original: Entry, item: Download, root: Path, expected: str, progress: bool) -> str:
    """A file or folder of Google Drive to ``root / item.file``; its sha256 (of names and contents if a folder)."""
    import gdown
    import requests

    url = item.urls[0]
    match = _DRIVE_ID.search(url)
    if match is None:
        raise SettingsError(f"{original.id}: {url} is no link to Google Drive.")
    root.mkdir(parents=True, exist_ok=True)
    part = root / f"{item.file}.part"
    ways = {"folder": gdown.download_folder} if item.kind == "drive_folder" else {}
    reasons = []
    with disk_errors(str(part)):
        for what, way in {**ways, "file": gdown.download}.items():
            try:
                if way(id=match.group(1), output=str(part), quiet=not progress, use_cookies=False):
                    break
                reasons.append(f"no {what} at this link")
            except Exception as error:  # gdown raises its own, requests' and bs4's
                network = isinstance(error, (requests.RequestException, ConnectionError, TimeoutError))
                if isinstance(error, OSError) and error.errno is not None and not network:
                    raise
                reasons.append(_first_line(error))
            _discard(part)
        else:
            raise ModelFileError(
                f"{url}: Google Drive did not give it ({'; '.join(dict.fromkeys(reasons))}); open the link in a "
                f"browser and put its content by hand into {root}."
            )
        digest = _digest(part)
        if expected and digest != expected:
            _discard(part)
            raise ModelFileError(
                f"{url}: its sha256 is {digest}, expected {expected}, so it was not kept; remove {root / LOCK} if the "
                "new content is the right one."
            )
        _discard(root / item.file)
        os.replace(part, root / item.file)
    return digest


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _files(place: Path) -> list[Path]:
    return [path for path in sorted(place.rglob("*")) if path.is_file()] if place.is_dir() else [place]


def _digest(place: Path) -> str:
    if place.is_file():
        return file_digest(place)
    lines = (f"{file.relative_to(place).as_posix()}\0{file_digest(file)}\n" for file in _files(place))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _discard(path: Path) -> None:
    """Removes a file or a folder with all in it; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _complete(root: Path, record: dict[str, Any] | None) -> bool:
    return record is not None and all((root / path).is_file() for path in record["files"])


def _listed(lock: dict[str, Any]) -> dict[str, str]:
    return {path: digest for record in lock.values() for path, digest in record["files"].items()}
