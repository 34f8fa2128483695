"""What a worker does: some shards of one model from its saved trunk, whichever engine brings the task."""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfattr.distributed import WorkersError
from tfattr.distributed.saved import read_outcome, trunk_folder, write_note, write_outcome
from tfattr.records import REPRESENTATION
from tfattr.runs.failures import record, record_facts, sentence
from tfattr.runs.shard import Plan, Work, compute_shards
from tfattr.runs.timing import Stopwatch

if TYPE_CHECKING:
    from tfattr.runs.feed import Feed
    from tfattr.trunk.trunk import Trunk

SHARDS_PER_TASK = 4  # 256 images: a trunk's loading is a small part of a task, a lost task is little work
_MOST_TRUNKS = 2  # that a worker keeps

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
    from tfattr.precision import describe_device

    folder = trunk_folder(plan.out, task.model)
    with _one_at_a_time:
        with Stopwatch() as loading:
            trunk = _trunk(str(folder), task.graph)
        works, waited = list(_lacking(plan, task)), feed.waited
        images = sum(len(plan.layout.span(work.shard)) for work in works)

        def check() -> None:
            if not folder.is_dir():
                raise WorkersError(f"{plan.out}: the run was ended; {task.model} is left as it is.")

        with Stopwatch() as watch:
            outcome = compute_shards(plan, trunk, feed, works, check=check)
        if images:
            told = {
                "lacking": {what: sentence(why) for what, why in outcome.failed.items()},
                "facts": dict(outcome.facts),
                "device": describe_device(plan.tf32),
            }
            write_outcome(plan.out, task.model, task.works[0].shard, told)
        if images:
            amounts = {
                "images": images,
                "load_s": loading.wall,
                "load_core_s": loading.core,
                "maps_s": watch.wall,
                "maps_core_s": watch.core,
                "wait_s": feed.waited - waited,
            }
            write_note(plan.out, task.model, task.works[0].shard, amounts)


def record_outcome(plan: Plan, model: str) -> None:
    """Keeps in ``run.json`` how the tasks of a model went, and says what failed."""
    told = read_outcome(plan.out, model)
    found = told["lacking"]
    record(plan.out, model, (*plan.attribution.methods, REPRESENTATION), found)
    if told["facts"]:
        record_facts(plan.out, told["device"], model, told["facts"])
    for what, why in found.items():
        logging.getLogger("tfattr").warning("%s: goes on without %s: %s", model, what, why)


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
    from tfattr.runs.devices import grow_memory
    from tfattr.trunk.trunk import Trunk

    grow_memory()
    gc.collect()  # trunks that were dropped go before the next comes
    trunk = Trunk.load(folder)
    if trunk.provenance["graph_sha256"] != graph:
        raise WorkersError(f"{folder}: found the trunk of another run, expected graph {graph[:12]}...")
    return trunk
