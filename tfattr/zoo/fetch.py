"""Originals into the cache: downloaded (resumed, shown), checked against the lock, unpacked, and written down."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.errors import ModelFileError, SettingsError
from tfattr.io import file_digest, write_text
from tfattr.safety.unpack import is_archive, unpack
from tfattr.zoo import cache
from tfattr.zoo.originals import ZOOS, Download, Entry, entries, entry

if TYPE_CHECKING:
    import requests

LOCK = "lock.json"
_DRIVE_ID = re.compile(r"(?:[?&]id=|/d/|/folders/)([A-Za-z0-9_-]{10,})")
BLOCK = 1 << 15  # what a cut connection loses at most
ATTEMPTS = 3  # a cut connection is taken up again this many times before the next mirror
TIMEOUT = (10, 60)  # seconds to connect, to wait for the next bytes


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


class _CutError(Exception):
    """The connection ended before the file did."""


def download(
    urls: tuple[str, ...], target: Path, sha256: str = "", *, md5: str = "", progress: bool = True
) -> str:
    """Fetches the first mirror that answers and returns the file's sha256 (hex).

    The bytes go to ``<target>.part``, which a later call takes up where it ended (HTTP Range), and get their
    name only when whole and, where ``sha256`` (or ``md5``) is known, equal to it. Raises ModelFileError in one sentence:
    no mirror answers, the connection is cut again and again, the disk is full, the content is another.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, tag = (target.with_name(f"{target.name}.part{end}") for end in ("", ".etag"))
    reasons = []
    for url in urls:
        try:
            _from_mirror(url, part, tag, progress)
        except _CutError as error:
            reasons.append(f"{url}: {error}")
            continue
        digest = file_digest(part)
        known = [("sha256", digest, sha256), ("md5", file_digest(part, algorithm="md5") if md5 else "", md5)]
        wrong = [
            f"{name} is {found}, expected {wanted}"
            for name, found, wanted in known
            if wanted and found != wanted
        ]
        tag.unlink(missing_ok=True)
        if not wrong:
            os.replace(part, target)
            return digest
        part.unlink()
        reasons.append(f"{url}: its {wrong[0]}, so it was not kept")
    raise ModelFileError(
        f"{'; '.join(reasons)}; run the same command again, or put the file by hand at {target}."
    )


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """A full or read-only disk, said as one sentence about ``what``."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise ModelFileError(
            f"{what}: cannot be written, {reason}; make room or set TFATTR_HOME to another directory, then run "
            "the same command again."
        ) from error


def _from_mirror(url: str, part: Path, tag: Path, progress: bool) -> None:
    """Attempts until the part is whole; raises _CutError with the cause, without urllib3's nest of objects."""
    import requests

    reason = "no attempt was made"
    for _ in range(ATTEMPTS):
        try:
            return _attempt(url, part, tag, progress)
        except requests.HTTPError as error:
            response = error.response
            raise _CutError(f"the server answers {response.status_code} {response.reason}") from error
        except _CutError as error:
            reason = str(error)
        except requests.Timeout:
            reason = "the server does not answer in time"
        except requests.ConnectionError:
            reason = "no connection to the server"
        except requests.RequestException as error:
            reason = f"{type(error).__name__}: {error}"
    raise _CutError(reason)


def _attempt(url: str, part: Path, tag: Path, progress: bool) -> None:
    """One request; ``tag`` holds the ETag or date of the content that ``part`` is a part of."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file, not of a compressed transfer
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text("utf-8")
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # nothing left to send, or another file than the part's
            if _total(response, 0) != have:
                part.unlink(missing_ok=True)
                tag.unlink(missing_ok=True)
                raise _CutError("the partial download does not fit the file on the server")
            return
        response.raise_for_status()
        if response.status_code != 206 or _start(response) != have:
            have = 0
        total = _total(response, have)
        with disk_errors(str(part)):
            stamp = response.headers.get("ETag", "")
            if not stamp or stamp.startswith("W/"):
                stamp = response.headers.get("Last-Modified", "")
            if stamp:
                tag.write_text(stamp, "utf-8")
            else:
                tag.unlink(missing_ok=True)
            got = have + _write(response, part, have, total, progress)
    if total is not None and got != total:
        raise _CutError(f"the connection was cut after {got} of {total} bytes")


def _write(response: requests.Response, part: Path, have: int, total: int | None, progress: bool) -> int:
    """Appends the body (or starts anew at ``have = 0``) and returns the number of bytes written."""
    import requests
    from tqdm import tqdm

    written = 0
    bar = tqdm(
        total=total,
        initial=have,
        unit="B",
        unit_scale=True,
        desc=part.stem,
        disable=not progress,
        leave=False,
    )
    with bar, part.open("ab" if have else "wb") as file:
        try:
            for block in response.iter_content(BLOCK):
                file.write(block)
                written += len(block)
                bar.update(len(block))
        except requests.RequestException:
            if total is None:
                raise  # without a length nobody can say that the file is whole
    return written


def _start(response: requests.Response) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else 0


def _total(response: requests.Response, have: int) -> int | None:
    """Size of the whole file, from ``Content-Range`` or ``Content-Length``."""
    found = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if found:
        return int(found.group(1))
    length = response.headers.get("Content-Length")
    return have + int(length) if length is not None else None
