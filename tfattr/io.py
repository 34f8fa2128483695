"""Files: written whole or not at all; JSON and TOML."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path
from typing import Any

import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "aligned",
    "atomic_write",
    "file_digest",
    "plain",
    "read_json",
    "remove_unfinished",
    "tomllib",
    "write_json",
    "write_text",
]
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


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a UTF-8 file, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 1) -> None:
    """Writes a value as JSON (see :func:`plain`), whole or not at all."""
    write_text(path, json.dumps(plain(value), indent=indent, ensure_ascii=False) + "\n")


def read_json(path: str | os.PathLike[str], default: Any = None) -> Any:
    """What a JSON file holds; ``default`` where it is missing or cannot be read, for what can be derived again."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        return default


def file_digest(*paths: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """One hash (hex) over the contents of files, in the order given."""
    digest = hashlib.new(algorithm)
    for path in paths:
        with open(path, "rb") as file:
            for block in iter(lambda file=file: file.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """The JSON form of a value: tuples to lists, dataclasses to dicts, numpy scalars and paths to plain ones."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def aligned(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """A table's rows as lines of text, columns side by side."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
