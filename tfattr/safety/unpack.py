"""Archives into a folder: plain files below it and nothing else, all of them or none."""

from __future__ import annotations

import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tfattr.errors import ModelFileError

# What the modules raise for a damaged archive, or for one packed as they do not know (NotImplementedError).
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpacks a tar (any compression) or zip below ``folder`` and returns the files' paths.

    Members are written as plain files with plain permissions. Links, devices, absolute names and names with
    ``..`` are refused before anything is put in place. Raises ModelFileError that names the member, or says
    that the archive is damaged, and OSError where the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as scratch:
        names = []
        for name, content in _members(archive):
            place = Path(scratch, *name.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as file:
                _copy(content, file, archive)
            names.append(name)
        if not names:
            raise ModelFileError(f"{archive}: the archive holds no file; fetch it again.")
        placed = []
        for name in dict.fromkeys(names):
            target = Path(folder, *name.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(scratch, *name.parts), target)
            placed.append(target)
    return placed


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Every file of the archive with its checked name; all names are checked before the first is given."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                infos = [info for info in opened.infolist() if not info.is_dir()]
                for info in infos:
                    if stat.S_ISLNK(info.external_attr >> 16):
                        raise _refusal(archive, info.filename, "a link")
                checked = [(_safe(archive, info.filename), info) for info in infos]
                for name, info in checked:
                    yield name, opened.open(info)
        else:
            with tarfile.open(archive) as opened:
                members = [member for member in opened.getmembers() if not member.isdir()]
                for member in members:
                    if not member.isreg():
                        link = member.issym() or member.islnk()
                        raise _refusal(archive, member.name, "a link" if link else "no plain file")
                checked = [(_safe(archive, member.name), member) for member in members]
                for name, member in checked:
                    yield name, opened.extractfile(member)
    except _DAMAGED as error:
        raise _damage(archive, error) from error


def _copy(content: IO[bytes], file: IO[bytes], archive: Path) -> None:
    def read() -> bytes:
        try:
            return content.read(1 << 20)
        except _DAMAGED as error:
            raise _damage(archive, error) from error

    for block in iter(read, b""):
        file.write(block)


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in name:
        raise _refusal(archive, name, "a path out of its folder")
    return path


def _refusal(archive: Path, name: str, what: str) -> ModelFileError:
    return ModelFileError(
        f"{archive}: the archive was not unpacked, because its member {name!r} is {what}; it is not what it should be."
    )


def _damage(archive: Path, error: Exception) -> ModelFileError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
    return ModelFileError(f"{archive}: the archive is damaged or none ({reason}); fetch it again.")


def is_archive(path: Path) -> bool:
    """Whether :func:`unpack` takes the file."""
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
