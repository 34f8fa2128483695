"""What a worker does: some shards of one model from its saved trunk, whichever engine brings the task.

Trunks travel as files below the run's directory, and so does what the workers have to say.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tfattr.errors import TfattrError, WorkersError, sentence
from tfattr.io import read_json, remove_unfinished, write_json
from tfattr.precision import describe_device, grow_memory
from tfattr.records import REPRESENTATION, representation_directory
from tfattr.runs.directory import Stopwatch, add_timing, record_facts, record_lacking
from tfattr.runs.plan import Plan, Work
from tfattr.runs.shard import compute_shards

if TYPE_CHECKING:
    from tfattr.runs.feed import Feed
    from tfattr.trunk.trunk import Trunk

TRUNKS_NAME = ".trunks"
SHARDS_PER_TASK = 4  # 256 images: a trunk's loading is a small part of a task, a lost task is little work
_MOST_TRUNKS = 2  # that a worker keeps
_EVERY = 2.0  # seconds between two looks at the shards

_one_at_a_time = threading.Lock()  # a process has one accelerator, and engines may bring it threads


@dataclasses.dataclass(frozen=True)
class Task:
    """Shards of one model.

    Attributes:
        model: its name.
        graph: sha256 of its trunk's graph, so that a worker never takes another run's trunk for it.
        works: what each shard lacked when the run began.
    """

    model: str
    graph: str
    works: tuple[Work, ...]


def tasks_of(model: str, graph: str, works: Sequence[Work], shards: int = SHARDS_PER_TASK) -> list[Task]:
    """A model's works in tasks of at most ``shards`` shards."""
    return [
        Task(model, graph, tuple(works[start : start + shards])) for start in range(0, len(works), shards)
    ]


def perform(task: Task, plan: Plan, feed: Feed) -> None:
    """Computes what a task names and the run's directory still lacks, one task at a time in this process.

    So an attempt after a killed one goes on where that stopped, and one that comes too late does nothing.

    Raises:
        WorkersError: the run was ended meanwhile.
        ModelFileError: the saved trunk cannot be read here.
        RecordsError, ProbeError, SettingsError: see :func:`tfattr.runs.shard.compute_shards`.
    """
    folder = trunk_folder(plan.out, task.model)
    with _one_at_a_time:
        with Stopwatch() as loading:
            trunk = _trunk(str(folder), task.graph)
        works, waited = list(_lacking(plan, task)), feed.waited

        def check() -> None:
            if not folder.is_dir():
                raise WorkersError(f"{plan.out}: the run was ended; {task.model} is left as it is.")

        with Stopwatch() as watch:
            outcome = compute_shards(plan, trunk, feed, works, check=check)
        if works:  # a repetition of the task replaces what it said
            told = {
                "took": {
                    "images": plan.images(works),
                    "load_s": loading.wall,
                    "load_core_s": loading.core,
                    "maps_s": watch.wall,
                    "maps_core_s": watch.core,
                    "wait_s": feed.waited - waited,
                },
                "lacking": {what: sentence(why) for what, why in outcome.failed.items()},
                "facts": dict(outcome.facts),
                "device": describe_device(plan.settings.tf32),
            }
            write_json(folder / f"told-{task.works[0].shard:05d}.json", told)


def told_by_workers(out: str | os.PathLike[str], model: str) -> dict[str, dict[str, Any]]:
    """Over a model's tasks: the sums of what they ``took``, methods that failed with reasons, facts, the device."""
    found: dict[str, dict[str, Any]] = {"took": {}, "lacking": {}, "facts": {}, "device": {}}
    for path in sorted(trunk_folder(out, model).glob("told-*.json")):
        told = read_json(path, {})
        for name, amount in told.pop("took", {}).items():
            found["took"][name] = found["took"].get(name, 0) + amount
        for part, values in told.items():
            found[part].update(values)
    return found


def record_outcome(plan: Plan, model: str) -> None:
    """Keeps in the run's directory how the tasks of a model went and what they took, and says what failed."""
    told = told_by_workers(plan.out, model)
    add_timing(plan.out, model, **told["took"])
    record_lacking(plan.out, model, (*plan.methods, REPRESENTATION), told["lacking"])
    if told["facts"]:
        record_facts(plan.out, told["device"], model, told["facts"])
    for what, why in told["lacking"].items():
        logging.getLogger("tfattr").warning("%s: goes on without %s: %s", model, what, why)


def trunk_folder(out: str | os.PathLike[str], model: str) -> Path:
    """Where a model's trunk lies while a run is computed: ``<out>/.trunks/<model>``."""
    return Path(out) / TRUNKS_NAME / model


def save_trunk(out: str | os.PathLike[str], trunk: Trunk) -> str:
    """Writes a trunk for the workers; returns the sha256 of its graph."""
    trunk.save(trunk_folder(out, trunk.name))
    return trunk.provenance["graph_sha256"]


def remove_trunks(out: str | os.PathLike[str]) -> None:
    """Removes the trunks; tasks that still run stop at their next shard."""
    shutil.rmtree(Path(out) / TRUNKS_NAME, ignore_errors=True)


def remove_halves(plan: Plan, models: Iterable[str]) -> None:
    """Removes what killed workers left of shards that others finished; for when no task runs any more."""
    for model in models:
        for map_dir in (*plan.map_dirs(model).values(), representation_directory(plan.out, model)):
            remove_unfinished(map_dir)


def forget_trunks() -> None:
    """Drops the trunks that this process keeps."""
    _trunk.cache_clear()


def _lacking(plan: Plan, task: Task) -> Iterator[Work]:
    missing = {work.shard: work for work in plan.missing(task.model)}
    for wanted in task.works:
        now = missing.get(wanted.shard)
        if now is None:
            continue
        methods = tuple(method for method in wanted.methods if method in now.methods)
        if methods or (wanted.representation and now.representation):
            yield Work(task.model, wanted.shard, methods, wanted.representation and now.representation)


@functools.lru_cache(maxsize=_MOST_TRUNKS)
def _trunk(folder: str, graph: str) -> Trunk:
    from tfattr.trunk.trunk import Trunk

    grow_memory()
    gc.collect()  # trunks that were dropped go before the next comes
    trunk = Trunk.load(folder)
    if trunk.provenance["graph_sha256"] != graph:
        raise WorkersError(f"{folder}: found the trunk of another run, expected graph {graph[:12]}...")
    return trunk


class ShardWatch:
    """Moves a bar by the images of shards that have appeared: no engine has to report how far it is.

    A context manager with a thread of its own.
    """

    def __init__(self, plan: Plan, bar: tqdm) -> None:
        self._plan, self._bar = plan, bar
        self._expected: dict[str, set[int]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def expect(self, model: str, works: Sequence[Work]) -> None:
        """These shards are going to appear."""
        with self._lock:
            self._expected[model] = {work.shard for work in works}

    def __enter__(self) -> ShardWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        with self._lock, suppress(OSError, TfattrError):  # the run itself reports what is wrong
            for model, expected in self._expected.items():
                if not expected:
                    continue
                appeared = expected - {work.shard for work in self._plan.missing(model)}
                expected -= appeared
                self._bar.update(sum(len(self._plan.layout.span(shard)) for shard in appeared))
