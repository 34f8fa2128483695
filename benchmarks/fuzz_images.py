"""Damaged images of every format through tfattr.probe: each is decoded or refused by name, nothing else.

    nice -n 10 python benchmarks/fuzz_images.py [--files 12000] [--seed 0] [--keep FOLDER] [--memory-gib 2]

hypothesis damages small images made here (no file is needed) by turned bits, truncation, exchanged, repeated and
inserted blocks, and numbers written over sizes in headers. Every file is decoded in a worker process that may
take --memory-gib GiB of address space and --seconds s a file. A crash is anything but a uint8 array
[H, W, 3] or an UnreadablePhotoError of one line that names the file: another exception, a dead worker, lack of
memory, lack of time. --keep keeps the files that crashed.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import hypothesis
import numpy as np
from hypothesis import strategies as st
from mutations import damaged
from seed_images import seed_images

from tfattr.probe import UnreadablePhotoError, read_photo

_PER_WORKER = 2000
_KIB = 1024


def outcome(path: Path) -> str:
    """``decoded``, the reason of a refusal without its details, or ``CRASH`` and what happened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            photo = read_photo(path)
    except UnreadablePhotoError as error:
        sentence = str(error)
        if path.name not in sentence or "\n" in sentence:
            return f"CRASH: not one line that names the file: {sentence!r}"
        if "emory" in error.reason:
            return f"CRASH: memory: {error.reason}"
        return re.split(r"[(:;,]", re.sub(r"[0-9][0-9,]*", "N", error.reason))[0].strip()
    except BaseException as error:  # what the fuzzer is for
        return f"CRASH: {type(error).__name__}: {error}"
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or 0 in photo.shape:
        return f"CRASH: decoded to {photo.dtype} {photo.shape}"
    return "decoded"


def work(files: int, seed: int, folder: Path, memory: int, slow: float) -> None:
    """The worker: its tally goes to ``tally.json`` of ``folder``, the file at hand always lies there."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    seeds = seed_images()
    kinds = st.sampled_from(sorted(seeds)).flatmap(
        lambda name: st.tuples(st.just(name), damaged(seeds[name]))
    )
    tally: collections.Counter[tuple[str, str]] = collections.Counter()
    crashes: list[str] = []
    slowest = [0.0]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=files,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(kinds)
    def one(drawn: tuple[str, bytes]) -> None:
        name, content = drawn
        path = folder / f"damaged{Path(name).suffix}"
        path.write_bytes(content)
        (folder / "at_hand").write_text(path.name)
        started = time.perf_counter()
        found = outcome(path)
        took = time.perf_counter() - started
        slowest[0] = max(slowest[0], took)
        if took > slow:
            found = f"CRASH: {took:.1f} s"
        if found.startswith("CRASH"):
            crashes.append(found)
            path.rename(folder / f"crash_{seed}_{len(crashes)}_{name}")
        tally[Path(name).suffix, found] += 1

    one()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB
    counts = [[suffix, found, count] for (suffix, found), count in tally.items()]
    (folder / "tally.json").write_text(
        json.dumps({"counts": counts, "crashes": crashes, "peak_mib": peak, "slowest_s": slowest[0]})
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--memory-gib", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    memory = int(arguments.memory_gib * 2**30)
    if arguments.worker:
        work(arguments.files, arguments.seed, arguments.worker, memory, arguments.seconds)
        return 0

    started = time.perf_counter()
    tally: collections.Counter[tuple[str, str]] = collections.Counter()
    crashes: list[str] = []
    peak, slowest, left, seed = 0, 0.0, arguments.files, arguments.seed
    while left > 0:
        count = min(left, _PER_WORKER)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [
                sys.executable, __file__, "--worker", name, "--files", str(count), "--seed", str(seed),
                "--memory-gib", str(arguments.memory_gib), "--seconds", str(arguments.seconds),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                at_hand = folder / (folder / "at_hand").read_text()
                said = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
                crashes.append(f"worker {seed} ended with {done.returncode} at {at_hand.name}: {said}")
                if at_hand.exists():
                    at_hand.rename(folder / f"crash_{seed}_dead_{at_hand.name}")
            else:
                found = json.loads((folder / "tally.json").read_text())
                tally.update({(suffix, what): number for suffix, what, number in found["counts"]})
                crashes += found["crashes"]
                peak, slowest = max(peak, found["peak_mib"]), max(slowest, found["slowest_s"])
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                for file in folder.glob("crash_*"):
                    (arguments.keep / file.name).write_bytes(file.read_bytes())
        left, seed = left - count, seed + 1
    report(tally, crashes, peak, slowest, time.perf_counter() - started)
    return 1 if crashes else 0


def report(
    tally: collections.Counter[tuple[str, str]], crashes: list[str], peak: int, slowest: float, took: float
) -> None:
    suffixes = sorted({suffix for suffix, _ in tally})
    reasons = sorted({found for _, found in tally if found != "decoded"})
    total = sum(tally.values())
    print(f"{'':58s}{'all':>8s}" + "".join(f"{suffix:>8s}" for suffix in suffixes))
    for row in ("files", "decoded", *reasons):
        cells = [
            sum(n for (at, found), n in tally.items() if at == suffix and row in ("files", found))
            for suffix in suffixes
        ]
        print(f"{row[:57]:58s}{sum(cells):8d}" + "".join(f"{cell:8d}" for cell in cells))
    print(
        f"\n{total} files, {len(crashes)} crashes, peak memory {peak} MiB, slowest file {slowest:.2f} s, {took:.0f} s in all"
    )
    for crash, count in collections.Counter(crashes).most_common():
        print(f"  {count} x {crash}")


if __name__ == "__main__":
    sys.exit(main())
