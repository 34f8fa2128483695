"""One process at a time works in a run's directory."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tfattr.errors import SettingsError

LOCK_NAME = ".lock"


@contextmanager
def locked(run: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the directory's lock, which the system drops when the process ends, however it ends.

    Raises:
        SettingsError: another process holds it (named by host and process id).
    """
    run = Path(run)
    run.mkdir(parents=True, exist_ok=True)
    holder = run / f"{LOCK_NAME}-holder"
    lock = FileLock(run / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = holder.read_text("utf-8").strip() if holder.exists() else "unknown"
        raise SettingsError(
            f"{run}: another tfattr is at work in this directory ({who}); wait for it, or use another --out."
        ) from error
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
