"""What a run's directory keeps beside maps: its lock, what took how long, what lacks and why, which files were loaded."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfattr import __version__
from tfattr.errors import IncompleteError, ProbeError, RecordsError, SettingsError
from tfattr.io import plain, read_json, write_json
from tfattr.records import REPRESENTATION, RunManifest
from tfattr.zoo.spec import ModelSpec

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


def fingerprint(spec: ModelSpec) -> str | None:
    """A hash over the spec and the names, sizes and times of its files.

    None where that would not tell: files that are somewhere else (Hub addresses), builders that are code of
    the user's.
    """
    if "://" in spec.path or ":" in (spec.builder or ""):
        return None
    path = Path(spec.path)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    else:
        files = sorted(path.parent.glob(f"{glob.escape(path.name)}*")) if path.parent.is_dir() else []
    if not files:
        return None
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    said = dataclasses.asdict(dataclasses.replace(spec, loader=getattr(spec.loader, "same_as", spec.loader)))
    told = [
        __version__,
        plain({key: value for key, value in said.items() if key != "loader" or value}),
        stats,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


TIMING_NAME = "timing.json"


class Stopwatch:
    """Wall-clock and processor seconds (all threads of this process) of a ``with`` block."""

    wall = core = 0.0

    def __enter__(self) -> Stopwatch:
        self._wall, self._core = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.core = time.process_time() - self._core


def read_timing(run: str | os.PathLike[str]) -> dict[str, Any]:
    """``{"models": {name: {...}}, "affinity": {...}}`` as far as known; empty parts if nothing is."""
    found = read_json(Path(run) / TIMING_NAME)
    return {"models": {}, "affinity": {}, **(found if isinstance(found, dict) else {})}


def add_timing(run: str | os.PathLike[str], model: str, **amounts: float) -> None:
    """Add seconds and counts to what is known of a model (a resumed run adds up)."""
    timing = read_timing(run)
    known = timing["models"].setdefault(model, {})
    for name, amount in amounts.items():
        known[name] = round(known.get(name, 0) + amount, 6)
    write_json(Path(run) / TIMING_NAME, timing)


def set_affinity(run: str | os.PathLike[str], **amounts: float) -> None:
    """Set what the last computation of the affinity took."""
    timing = read_timing(run)
    timing["affinity"] = {name: round(amount, 6) for name, amount in amounts.items()}
    write_json(Path(run) / TIMING_NAME, timing)


MODEL = "model"  # in the place of a method: the model itself cannot be loaded


def is_of_the_model(error: BaseException) -> bool:
    """Whether a run may go on after an error: not where it is an interruption's, the images' or the disk's."""
    seen: BaseException | None = error
    while seen is not None:
        if not isinstance(seen, Exception):  # libraries make errors of their own of what interrupts them
            return False
        seen = seen.__cause__ or seen.__context__
    return not isinstance(error, (ProbeError, RecordsError))


def record_lacking(
    run: str | os.PathLike[str], model: str, tried: Iterable[str], found: Mapping[str, str]
) -> RunManifest:
    """Set what of ``tried`` (methods, REPRESENTATION, MODEL) a model lacks, with reasons; the rest of it is mended."""
    manifest = RunManifest.load(run)
    lacking = {what: why for what, why in manifest.lacking.get(model, {}).items() if what not in set(tried)}
    lacking.update(found)
    together = {**manifest.lacking, model: lacking}
    changed = dataclasses.replace(manifest, lacking={name: one for name, one in together.items() if one})
    if changed != manifest:
        changed.save(run)
    return changed


def record_facts(
    run: str | os.PathLike[str], device: Mapping[str, Any], model: str, facts: Mapping[str, Any]
) -> None:
    """Keep what computed a model's maps, and how."""
    manifest = RunManifest.load(run)
    models = dict(manifest.computing.get("models", {}))
    models[model] = {**models.get(model, {}), **plain(facts)}
    changed = dataclasses.replace(manifest, computing={"device": plain(device), "models": models})
    if changed != manifest:
        changed.save(run)


def lacking_lines(manifest: RunManifest, models: Iterable[str], methods: Iterable[str]) -> list[str]:
    """What these models lack of these methods, a line each."""
    wanted, told = {*methods, MODEL, REPRESENTATION}, []
    for model in models:
        for what, why in manifest.lacking.get(model, {}).items():
            if what in wanted:
                kind = {MODEL: "cannot be loaded", REPRESENTATION: "no representations"}.get(
                    what, f"no {what}"
                )
                told.append(f"{model}: {kind}: {why}")
    return told


def is_lacking(manifest: RunManifest, model: str, method: str) -> bool:
    """Whether a run went on without these maps (or representations)."""
    return bool({MODEL, method} & set(manifest.lacking.get(model, {})))


def raise_if_incomplete(told: Iterable[str]) -> None:
    """The end of a command whose results are there, but not of all.

    Raises:
        IncompleteError: ``told`` (see :func:`lacking_lines`) says what lacks.
    """
    told = list(told)
    if told:
        raise IncompleteError(
            "finished without:\n  "
            + "\n  ".join(told)
            + "\nThe same command continues once they are mended; --strict stops at the first."
        )
