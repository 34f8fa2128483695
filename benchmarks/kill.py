"""Kills `tfattr run` at random moments, runs it to the end, and compares with a run that nobody disturbed.

    python benchmarks/kill.py                      # 24 times kill -9
    python benchmarks/kill.py --signal TERM        # the same with SIGTERM (or INT): exit status, nothing left over

Of every round it is checked that affinities, cosines, trees and shards equal the undisturbed run's bit for bit,
that no shard that was whole at a kill was written again (inode, size, time), and that nothing unfinished is left.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

KILLS_PER_ROUND = 4
UNFINISHED = ".*.unfinished-*"


def command(out: Path, wanted: argparse.Namespace) -> list[str]:
    return [
        *(sys.executable, "-m", "tfattr.cli.main", "run", wanted.zoo, "--probe", wanted.probe, "--quiet"),
        *("--models", wanted.models, "--limit", str(wanted.limit)),
        *("--methods", "saliency,grad_input", "--out", str(out)),
    ]


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a process ended: by our signal or by itself, when, and what stood on disk then."""

    killed: bool
    status: int
    seconds: float
    said: str
    whole: dict[str, tuple[int, int, int]]
    unfinished: int
    newest: str


def start_and_kill(words: list[str], out: Path, sent: signal.Signals, wait: float, from_run: bool) -> Ending:
    """Runs the words, and sends the signal ``wait`` seconds after the start (or after its work begins)."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    started = begun = time.monotonic()
    while from_run and process.poll() is None:
        lock = out / ".lock-holder"  # written when the run's work begins
        if lock.exists() and f"process {process.pid} " in _text(lock):
            begun = time.monotonic()
            break
        time.sleep(0.01)
    while time.monotonic() - begun < wait and process.poll() is None:
        time.sleep(0.005)
    killed = process.poll() is None
    if killed:
        process.send_signal(sent)
    said = process.communicate()[1]
    killed = killed and process.returncode != 0  # it may have ended just before the signal
    return Ending(
        killed,
        process.returncode,
        time.monotonic() - started,
        said,
        whole_shards(out),
        unfinished(out),
        newest(out),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


def whole_shards(out: Path) -> dict[str, tuple[int, int, int]]:
    """Path to inode, size and time of every shard that looks whole."""
    found = {}
    for path in sorted(out.rglob("*.tfrecord")):
        told = path.stat()
        found[str(path.relative_to(out))] = (told.st_ino, told.st_size, told.st_mtime_ns)
    return found


def unfinished(out: Path) -> int:
    return sum(1 for _ in out.rglob(UNFINISHED))


def newest(out: Path) -> str:
    """The file that was finished last."""
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return str(max(files, key=lambda path: path.stat().st_mtime_ns).relative_to(out)) if files else "-"


def differences(out: Path, expected: Path) -> list[str]:
    """What of ``out`` is not bit for bit what is expected."""
    wrong = []
    for name in ("affinity.npz", "affinity_images.npz"):
        with np.load(out / name) as found, np.load(expected / name) as wanted:
            wrong += [
                f"{name}: {key}"
                for key in sorted({*found.files, *wanted.files})
                if key not in found.files
                or key not in wanted.files
                or found[key].dtype != wanted[key].dtype
                or found[key].shape != wanted[key].shape
                or found[key].tobytes() != wanted[key].tobytes()
            ]
    for pattern in ("*.tfrecord", "*.nwk"):
        names = {path.relative_to(folder) for folder in (out, expected) for path in folder.rglob(pattern)}
        for name in sorted(names):
            both = [folder / name for folder in (out, expected)]
            if not all(path.exists() for path in both) or both[0].read_bytes() != both[1].read_bytes():
                wrong.append(str(name))
    return wrong


def rewritten(kills: list[Ending], out: Path) -> list[str]:
    """Shards that were whole at a kill and are not the same file now."""
    now = whole_shards(out)
    return sorted({name for kill in kills for name, told in kill.whole.items() if now.get(name) != told})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--zoo", default="rooms")
    parser.add_argument("--probe", default="rooms")
    parser.add_argument("--models", default="autoencoder,curvature,denoise")
    parser.add_argument("--limit", type=int, default=200)
    wanted = parser.parse_args()
    sent = signal.Signals[f"SIG{wanted.signal}"]
    chance, wrong, kills = random.Random(wanted.seed), [], 0
    work = Path(tempfile.mkdtemp(prefix="tfattr-kill-"))
    (work / "tmp").mkdir()
    os.environ["TMPDIR"] = str(work / "tmp")
    try:
        expected, again = work / "undisturbed", work / "again"
        first = start_and_kill(command(expected, wanted), expected, sent, 1e9, False)
        second = start_and_kill(command(again, wanted), again, sent, 1e9, False)
        if first.status or second.status:
            print(first.said, second.said)
            return 1
        wrong += [f"repeated undisturbed: {name}" for name in differences(again, expected)]
        length, total = min(first.seconds, second.seconds), len(first.whole)
        print(f"undisturbed: {length:.1f} s, {total} shards; repeated: {wrong or 'equal'}")
        print(
            f"{'kill':>4} {'round':>5} {'after':>7} {'status':>6} {'whole':>6} {'unfinished':>10}  newest file"
        )
        number = 0
        while kills < wanted.kills:
            number += 1
            out, endings = work / f"round_{number}", []
            while True:
                rest = KILLS_PER_ROUND - len(endings)
                from_run = chance.random() < 0.8
                wait = chance.uniform(0, 0.6 * length if from_run else length) if rest else 1e9
                ending = start_and_kill(command(out, wanted), out, sent, wait, from_run)
                if not ending.killed:
                    break
                endings.append(ending)
                kills += 1
                print(
                    f"{kills:4d} {number:5d} {ending.seconds:6.1f}s {ending.status:6d} {len(ending.whole):3d}/{total:<3d}"
                    f"{ending.unfinished:10d}  {ending.newest}",
                    flush=True,
                )
                wrong += [f"kill {kills}: {one}" for one in _disorder(ending, sent, work / "tmp")]
            length = 0.5 * (length + ending.seconds) if rest else length  # the machine may be shared
            if ending.status:
                wrong.append(f"round {number}: status {ending.status}: {ending.said}")
                break
            wrong += [f"round {number}: not equal: {name}" for name in differences(out, expected)]
            wrong += [f"round {number}: written twice: {name}" for name in rewritten(endings, out)]
            if unfinished(out):
                wrong.append(f"round {number}: {unfinished(out)} unfinished files at the end")
            print(f"     round {number} finished: {wrong or 'equal'}", flush=True)
            shutil.rmtree(out)
        print(
            f"{kills} x SIG{wanted.signal} in {number} rounds: "
            + ("; ".join(wrong) if wrong else "all as undisturbed")
        )
        return 1 if wrong else 0
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _disorder(ending: Ending, sent: signal.Signals, scratch: Path) -> list[str]:
    """What an orderly end would not show (nothing of it is asked of kill -9, but named scratch files)."""
    found = [f"left in the scratch folder: {path.name}" for path in scratch.glob("tfattr-*")]
    if sent == signal.SIGKILL:
        return found if ending.status == -sent else [*found, f"status {ending.status}"]
    if ending.status == -sent and not ending.said and not ending.unfinished:
        return found  # the interpreter was starting or done already: it ends at once
    if ending.status != 128 + sent:
        found.append(f"status {ending.status}, expected {128 + sent}: {ending.said}")
    if len(ending.said.strip().splitlines()) != 1:
        found.append(f"not one sentence: {ending.said!r}")
    if ending.unfinished:
        found.append(f"{ending.unfinished} unfinished files")
    return found


if __name__ == "__main__":
    sys.exit(main())
