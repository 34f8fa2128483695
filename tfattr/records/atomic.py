"""Files that exist whole or not at all: written under a temporary name, synced, renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path

_MARK = ".unfinished-"


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on a clean exit its file is synced and renamed to ``path``.

    On an error the temporary file is removed and ``path`` is left as it was. The temporary name starts with
    a dot and ends otherwise than ``path``, so that no pattern for whole files finds it.

    Raises:
        OSError: the disk refuses; ``filename`` is ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{_MARK}{secrets.token_hex(4)}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # where nothing can be removed, nothing was written
            temporary.unlink()
        if isinstance(error, OSError) and _is_of(error, temporary):
            if error.errno is None:  # numpy counts what was written instead of saying why
                raise OSError(EIO, f"cannot be written whole ({error})", str(path)) from error
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    _sync(path.parent)  # the rename itself must outlive a power cut


def _is_of(error: OSError, temporary: Path) -> bool:
    """Whether the disk refused this file: by a name that no user knows, or by none, as writes to open files do."""
    plain = type(error).__module__ == "builtins"  # not those of network libraries
    return plain and error.filename in (None, str(temporary))


def remove_unfinished(directory: str | os.PathLike[str]) -> list[Path]:
    """Removes what killed writers left in ``directory`` (not below it); returns the removed paths.

    Only for a directory that nobody else is writing to.
    """
    left = sorted(Path(directory).glob(f".*{_MARK}*"))
    for file in left:
        file.unlink(missing_ok=True)
    return left


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
