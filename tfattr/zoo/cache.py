"""Where fetched weights lie, and which of an original's files are there."""

from __future__ import annotations

import os
from pathlib import Path

from tfattr.errors import ModelFileError
from tfattr.zoo.originals import Entry


def home() -> Path:
    """The cache directory: ``TFATTR_HOME``, or the platform's own."""
    chosen = os.environ.get("TFATTR_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tfattr"))


def folder(entry: Entry) -> Path:
    """The folder of one original's files, whether it exists or not."""
    return home() / "models" / entry.id


def find(entry: Entry) -> str | None:
    """The checkpoint of an original in the cache: a V2 prefix, a file, or None if it is not there.

    Raises ModelFileError where several files fit.
    """
    root = folder(entry)
    found = set()
    pattern = entry.checkpoint.rstrip("*") + "*"
    for path in root.rglob(pattern) if root.is_dir() else ():
        if not path.is_file() or path.name.endswith(".part") or "converted" in path.relative_to(root).parts:
            continue
        if path.name.endswith(".index"):
            found.add(str(path)[: -len(".index")])
        elif path.match(entry.checkpoint) and path.suffix != ".meta" and ".data-" not in path.name:
            found.add(str(path))
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise ModelFileError(
            f"{root}: several checkpoints of {entry.id} ({names}); give the one you mean as checkpoint=."
        )
    return found.pop() if found else None


def locate(entry: Entry) -> str:
    """As :func:`find`, but ModelFileError says how to get the checkpoint where it is not there."""
    found = find(entry)
    if found is not None:
        return found
    if entry.downloads:
        advice = f"run 'tfattr fetch {entry.id}', or put {entry.checkpoint} there by hand"
    else:
        advice = entry.by_hand.rstrip(".") or f"put {entry.checkpoint} there by hand"
    raise ModelFileError(f"{folder(entry)}: the weights of {entry.id} are not there; {advice}.")
