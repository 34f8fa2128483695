"""One file from the web to its place: resumed, shown, checked, and there only when whole."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tfattr.errors import ModelFileError
from tfattr.io import file_digest

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 15  # what a cut connection loses at most
ATTEMPTS = 3  # a cut connection is taken up again this many times before the next mirror
TIMEOUT = (10, 60)  # seconds to connect, to wait for the next bytes


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
