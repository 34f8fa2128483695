"""One process at a time works in a run's directory."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tfattr.errors import SettingsError

LOCK_NAME = ".lock"


@contextmanager
def locked(run: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the directory's lock, which the system drops when the process ends, however it ends.

    Raises:
        SettingsError: another process holds it (named by host and process id), or the directory cannot be
            written.
    """
    run = Path(run)
    holder = run / f"{LOCK_NAME}-holder"
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / LOCK_NAME)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SettingsError(
            f"{run}: another tfattr is at work in this directory ({_who(holder)}); wait for it, or use another --out."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{run}: cannot be written ({error.strerror or error}); use another --out, or change its permissions."
        ) from error
    try:
        with suppress(OSError):  # a full disk: only the name of the holder is lost
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _who(holder: Path) -> str:
    try:
        return holder.read_text("utf-8").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"
