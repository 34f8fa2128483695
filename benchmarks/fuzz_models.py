"""Damaged model files through the doors of tfattr: each is loaded or refused in one sentence, nothing else.

    nice -n 10 python benchmarks/fuzz_models.py [--files 2400] [--seed 0] [--only saved,h5] [--keep FOLDER]

hypothesis damages one file at a time of small models made here (no file is needed): frozen graphs (binary and
text), meta graphs, checkpoints (V2 and V1), saved trunks, Keras files, SavedModels (TF2, TF1, Keras), hub
modules, and the foreign weights that tfattr converts. GraphDefs are also damaged as graphs: attributes, inputs,
operations and shapes changed, so that the file parses. Every file is opened in a worker process that may take
--memory-gib GiB of memory more than TensorFlow does when idle, and --seconds s. A crash is anything but a
model or a TfattrError of one line that names the file: another exception, an abort, lack of memory, lack of time.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
from graph_mutations import damaged_model
from hypothesis import strategies as st

_PER_WORKER = 150
_MIB = 1 << 20


class TooSlow(BaseException):
    """Raised by the alarm; no ``except Exception`` catches it."""


def outcome(seed: Any, folder: Path, expected: Any) -> str:
    """``loaded, same``, ``loaded, other numbers``, the class of a refusal, or ``CRASH`` and what happened."""
    import numpy as np

    from tfattr.errors import TfattrError

    try:
        found = seed.open(folder)
        values = measure(found)
    except TfattrError as error:
        said = str(error)
        if str(folder) not in said or "\n" in said:
            return f"CRASH: not one line that names the file: {said!r}"
        return type(error).__name__
    except BaseException as error:  # what the fuzzer is for
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "/tfattr/" in frame.filename]
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return f"CRASH: {type(error).__name__} at {at}: {' '.join(str(error).split())[:200]}"
    same = set(values) == set(expected) and all(
        np.shape(values[key]) == np.shape(expected[key]) and np.array_equal(values[key], expected[key])
        for key in expected
    )
    return "loaded, same" if same else "loaded, other numbers"


def measure(found: Any) -> dict[str, Any]:
    """What is compared of an opened model: its output on fixed images, or the arrays."""
    import numpy as np

    from tfattr.trunk import Trunk

    if isinstance(found, dict):
        return found
    if isinstance(found, Trunk):
        x = np.linspace(-1, 1, 2 * int(np.prod(found.input_shape)), dtype=np.float32)
        return {"y": found(x.reshape(2, *found.input_shape)).numpy()}
    return {"layers": np.array([name for name, *_ in found.layers])}


def work(files: int, number: int, only: list[str], folder: Path, memory: int, seconds: int) -> None:
    """The worker: its tally goes to ``tally.json`` of ``folder``; the file at hand is named in ``at_hand``."""
    import seed_models
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    warnings.simplefilter("ignore")
    seeds = seed_models.write(folder / "whole")
    for name in ("hub", "inspect"):
        shutil.copytree(folder / "whole/saved", folder / f"whole/{name}")
    expected = {seed.name: measure(seed.open(folder / "whole" / seed.name)) for seed in seeds}
    chosen = [(seed, file) for seed in seeds for file in seed.files if not only or seed.name in only]
    contents = {
        (seed.name, file): (folder / "whole" / seed.name / file).read_bytes() for seed, file in chosen
    }
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + memory, base + memory))
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    tally: collections.Counter[tuple[str, str]] = collections.Counter()
    crashes: list[str] = []
    slowest = [0.0]

    def alarm(*_: object) -> None:
        raise TooSlow(f"more than {seconds} s")

    signal.signal(signal.SIGALRM, alarm)

    @hypothesis.seed(number)
    @hypothesis.settings(
        max_examples=files,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        st.sampled_from(chosen).flatmap(
            lambda pair: st.tuples(
                st.just(pair), damaged_model(contents[pair[0].name, pair[1]], pair[0].name, pair[1])
            )
        )
    )
    def one(drawn: Any) -> None:
        (seed, file), content = drawn
        at = folder / "damaged" / seed.name
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(folder / "whole" / seed.name, at)
        (at / file).write_bytes(content)
        (folder / "at_hand").write_text(f"{seed.name}/{file}")
        started = time.perf_counter()
        signal.alarm(seconds)
        try:
            found = outcome(seed, at, expected[seed.name])
        except TooSlow as error:
            found = f"CRASH: {error}"
        finally:
            signal.alarm(0)
        slowest[0] = max(slowest[0], time.perf_counter() - started)
        tally[f"{seed.name}/{file}", found] += 1
        if found.startswith("CRASH"):
            crashes.append(f"{seed.name}/{file}: {found}")
            shutil.copytree(at, folder / f"crash_{number}_{len(crashes)}_{seed.name}", dirs_exist_ok=True)
            (folder / f"crash_{number}_{len(crashes)}_{seed.name}" / "what").write_text(found)
        dump()

    def dump() -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        counts = [[which, found, count] for (which, found), count in tally.items()]
        (folder / "tally.json").write_text(
            json.dumps(
                {"counts": counts, "crashes": crashes, "peak": peak, "idle": idle, "slowest": slowest[0]}
            )
        )

    one()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of seeds, with commas")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--memory-gib", type=float, default=3.0)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    memory = int(arguments.memory_gib * 1024 * _MIB)
    if arguments.worker:
        work(arguments.files, arguments.seed, only, arguments.worker, memory, arguments.seconds)
        return 0

    started = time.perf_counter()
    tally: collections.Counter[tuple[str, str]] = collections.Counter()
    crashes: list[str] = []
    peak, idle, slowest, done, number = 0, 0, 0.0, 0, arguments.seed
    while done < arguments.files:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [
                sys.executable, __file__, "--worker", name, "--seed", str(number), "--only", arguments.only,
                "--files", str(min(_PER_WORKER, arguments.files - done)),
                "--memory-gib", str(arguments.memory_gib), "--seconds", str(arguments.seconds),
            ]  # fmt: skip
            ended = subprocess.run(command, capture_output=True, text=True)
            if (folder / "tally.json").exists():
                found = json.loads((folder / "tally.json").read_text())
                tally.update({(which, what): count for which, what, count in found["counts"]})
                crashes += found["crashes"]
                peak, idle = max(peak, found["peak"]), max(idle, found["idle"])
                slowest = max(slowest, found["slowest"])
                done += sum(count for *_, count in found["counts"])
            if ended.returncode:
                if not (folder / "at_hand").exists():
                    sys.exit(f"the worker cannot start:\n{ended.stderr[-3000:]}")
                at_hand = (folder / "at_hand").read_text()
                said = [line for line in ended.stderr.strip().splitlines() if line] or ["nothing said"]
                dead = f"CRASH: worker ended with {ended.returncode}: {said[-1][:200]}"
                crashes.append(f"{at_hand}: {dead}")
                tally[at_hand, dead] += 1
                done += 1
                seed_name = at_hand.split("/")[0]
                shutil.copytree(folder / "damaged" / seed_name, folder / f"crash_{number}_dead_{seed_name}")
                (folder / f"crash_{number}_dead_{seed_name}" / "what").write_text(ended.stderr[-3000:])
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                for crash in folder.glob("crash_*"):
                    shutil.copytree(crash, arguments.keep / crash.name, dirs_exist_ok=True)
        number += 1
    report(tally, crashes, peak, idle, slowest, time.perf_counter() - started)
    return 1 if crashes else 0


def report(
    tally: collections.Counter[tuple[str, str]],
    crashes: list[str],
    peak: int,
    idle: int,
    slowest: float,
    took: float,
) -> None:
    columns = (
        "loaded, same",
        "loaded, other numbers",
        "ModelFileError",
        "GraphError",
        "other error",
        "crash",
    )
    rows: dict[str, collections.Counter[str]] = {}
    for (which, found), count in tally.items():
        column = "crash" if found.startswith("CRASH") else found if found in columns else "other error"
        rows.setdefault(which, collections.Counter())[column] += count
    rows["all"] = sum(rows.values(), collections.Counter())
    print(f"{'file':46s}{'files':>7s}" + "".join(f"{column:>23s}" for column in columns))
    for which in sorted(rows, key=lambda name: (name == "all", name)):
        row = rows[which]
        print(f"{which:46s}{sum(row.values()):7d}" + "".join(f"{row[column]:23d}" for column in columns))
    print(
        f"\n{sum(tally.values())} files, {len(crashes)} crashes, peak memory {peak} MiB (idle {idle} MiB), "
        f"slowest file {slowest:.1f} s, {took:.0f} s in all"
    )
    for crash, count in collections.Counter(crashes).most_common():
        print(f"  {count} x {crash}")


if __name__ == "__main__":
    sys.exit(main())
