"""A run as Apache Beam pipelines: (model, shards) -> maps -> TFRecords; shards -> partial affinity -> merge.

Any Beam runner whose workers have this package and see the run's directory and the probe images by the same
paths can carry them. Partial affinities merge to the whole, to the bit.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from tfattr.affinity import AffinityState, affinity_from_records
from tfattr.affinity.measures import DEFAULT_MEASURE, entry_name, find_measure
from tfattr.affinity.state import DroppedMap
from tfattr.errors import MissingExtraError, RecordsError, SettingsError, TfattrError, WorkersError
from tfattr.extensions import import_extensions
from tfattr.io import atomic_write
from tfattr.probe import ProbeImage, ProbeSurvey
from tfattr.records import find_shards, map_directory
from tfattr.runs.beam_cluster import local_cluster, subdued
from tfattr.runs.directory import Stopwatch
from tfattr.runs.feed import Feed
from tfattr.runs.plan import Plan, Work
from tfattr.runs.workers import (
    SHARDS_PER_TASK,
    ShardWatch,
    Task,
    forget_trunks,
    perform,
    record_outcome,
    remove_halves,
    remove_trunks,
    save_trunk,
    tasks_of,
)

if TYPE_CHECKING:
    from tfattr.affinity import AffinityState
    from tfattr.trunk.trunk import Trunk

_PARTIAL_NAME = ".affinity"
_LONGEST = 300  # characters of a message that is not ours
# Beam's list of short names lacks this one.
_DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
_EXPECTED = (
    "expected workers=N (processes on this machine), address=tcp://HOST:PORT (a running Dask cluster), or "
    "runner=NAME with that Beam runner's own options"
)


@dataclasses.dataclass(frozen=True)
class BeamOptions:
    """How a pipeline is run.

    Attributes:
        flags: for Beam's ``PipelineOptions``.
        workers: start a Dask cluster of so many processes on this machine; 0 starts none.
        shards_per_task: the most shards that one task computes.
    """

    flags: tuple[str, ...]
    workers: int = 0
    shards_per_task: int = SHARDS_PER_TASK

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> BeamOptions:
        """From ``KEY=VALUE``: ``workers``, ``address``, ``shards_per_task``; all others are Beam's.

        Raises:
            SettingsError: no pair, a bad number, or nothing that says where to run.
        """
        given: dict[str, str] = {}
        for pair in pairs:
            key, mark, value = pair.strip().lstrip("-").partition("=")
            if not mark or not key or not value:
                raise SettingsError(f"--runner-options {pair!r}: found no KEY=VALUE; {_EXPECTED}.")
            given[key] = value
        workers = _count(given, "workers", 0)
        shards = _count(given, "shards_per_task", SHARDS_PER_TASK)
        if "address" in given:
            given["dask_client_address"] = given.pop("address")
        on_dask = [key for key in given if key in ("dask_client_address", "dask_scheduler_file")]
        if workers and (on_dask or "runner" in given):
            raise SettingsError(
                f"--runner-options: workers=N starts a cluster of its own, {(on_dask or ['runner'])[0]} names another; "
                "give one of them."
            )
        runner = given.pop("runner", "dask" if workers or on_dask else "")
        if not runner:
            raise SettingsError(f"--runner-options: nothing says where to run; {_EXPECTED}.")
        if runner.lower() in ("dask", "daskrunner"):
            runner = _DASK
            if "dask_npartitions" not in given:
                given.setdefault("dask_partition_size", "1")  # Dask's own 128 tasks would go to one worker
        flags = (f"--runner={runner}", *(f"--{key}={value}" for key, value in given.items()))
        return cls(flags, workers, shards)


def _count(given: dict[str, str], key: str, default: int) -> int:
    text = given.pop(key, None)
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"--runner-options {key}={text}: expected a number of at least 1.")
    return int(text)


class BeamEngine:
    """Carries the two stages of a run; a context manager that owns the cluster if it was asked to start one.

    Attributes:
        core_s: processor seconds of the workers for the last :meth:`affinity`.
    """

    def __init__(self, options: BeamOptions) -> None:
        self._options, self._flags = options, options.flags
        self._stack = ExitStack()
        self.core_s = 0.0

    def __enter__(self) -> BeamEngine:
        _need_beam()
        self._stack.enter_context(subdued())
        if self._options.workers:
            address = self._stack.enter_context(local_cluster(self._options.workers))
            self._flags = (*self._flags, f"--dask_client_address={address}")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)

    def runner(self, plan: Plan, survey: ProbeSurvey, bar: tqdm) -> BeamRunner:
        """For ``attribute_zoo(runner=engine.runner)``."""
        return BeamRunner(self.run, self._options.shards_per_task, plan, survey, bar)

    def affinity(
        self,
        run: Path,
        models: Sequence[str],
        methods: Sequence[str],
        ids: Sequence[str],
        grid: tuple[int, int] | None,
        keep_images: bool,
        measures: Sequence[str] = (DEFAULT_MEASURE,),
    ) -> dict[str, AffinityState]:
        """For ``analyse(executor=engine)``: by method and measure, the states that one process would compute.

        Raises:
            RecordsError: a shard is missing or damaged.
            WorkersError: see :meth:`run`.
        """
        import apache_beam as beam

        run = run.absolute()
        entries = tuple((method, measure) for method in methods for measure in measures)
        comparison = Comparison(run, tuple(models), entries, tuple(ids), grid, keep_images)
        parts, folder = parts_of(comparison), run / _PARTIAL_NAME

        def build(pipeline: Any) -> None:
            partials = (
                pipeline | "parts" >> beam.Create(parts) | "compare" >> beam.Map(partial_of, comparison)
            )
            whole = partials | "merge" >> beam.CombinePerKey(merged)
            whole | "save" >> beam.Map(save_partial, folder)

        shutil.rmtree(folder, ignore_errors=True)
        try:
            self.run(build)
            found = [load_partial(folder, number) for number in range(len(entries))]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.core_s = sum(partial.core_s for partial in found)
        states = {entry_name(*entry): in_order(partial.state, ids) for entry, partial in zip(entries, found)}
        for method, state in states.items():
            if state.images != len(ids):
                raise RecordsError(
                    f"{run}: the parts of {method} hold {state.images} images, expected {len(ids)}; "
                    "run the same command again"
                )
        return states

    def run(self, build: Callable[[Any], None]) -> None:
        """Builds a pipeline, runs it, waits for its end.

        Raises:
            TfattrError: of the workers, where the engine brings it back as it was.
            WorkersError: everything else.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        result = None
        try:
            pipeline = beam.Pipeline(options=PipelineOptions(list(self._flags)))
            build(pipeline)
            result = pipeline.run()
            state = result.wait_until_finish()
        except TfattrError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())[:_LONGEST]
            raise WorkersError(
                f"the pipeline failed ({self._flags[0]}): {type(error).__name__}: {text}; what is done is kept, the "
                "same command continues."
            ) from error
        finally:
            _close(result)
        if state not in (None, "DONE"):
            raise WorkersError(
                f"the pipeline ended as {state} ({self._flags[0]}); the same command continues."
            )


class BeamRunner:
    """The first stage: models are saved as they come, and computed when all are there."""

    def __init__(
        self,
        run: Callable[[Callable[[Any], None]], None],
        shards_per_task: int,
        plan: Plan,
        survey: ProbeSurvey,
        bar: tqdm,
    ) -> None:
        self._run, self._shards = run, shards_per_task
        # Workers have folders of their own to start from.
        self._plan = dataclasses.replace(plan, out=plan.out.absolute())
        self._images = tuple(
            dataclasses.replace(image, path=Path(image.path).absolute()) for image in survey.images
        )
        self._bar = bar
        self._tasks: list[Task] = []
        self._works: dict[str, list[Work]] = {}

    def __enter__(self) -> BeamRunner:
        remove_trunks(self._plan.out)
        return self

    def submit(self, trunk: Trunk, works: list[Work]) -> None:
        self._tasks += tasks_of(trunk.name, save_trunk(self._plan.out, trunk), works, self._shards)
        self._works[trunk.name] = works

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None and self._tasks:
                self._compute()
        finally:
            remove_trunks(self._plan.out)
            forget_trunks()

    def _compute(self) -> None:
        import apache_beam as beam

        def build(pipeline: Any) -> None:
            # Nothing may follow the maps here: an engine that holds work back for a shuffle mixes the models.
            tasks = pipeline | "tasks" >> beam.Create(self._tasks)
            tasks | "maps" >> beam.Map(_perform, self._plan, self._images)

        self._bar.set_postfix_str("on the workers")
        with ShardWatch(self._plan, self._bar) as watch:
            for model, works in self._works.items():
                watch.expect(model, works)
            self._run(build)
        remove_halves(self._plan, self._works)
        for model in self._works:
            record_outcome(self._plan, model)


def _perform(task: Task, plan: Plan, images: tuple[ProbeImage, ...]) -> str:
    import_extensions()
    with Feed(images, shared=False) as feed:  # a worker that is killed leaves nothing behind
        perform(task, plan, feed)
    return task.model


def _close(result: Any) -> None:
    """Drops what still runs, and the connection that Beam's Dask runner would keep open."""
    client = getattr(result, "client", None)
    if client is not None:
        with suppress(Exception):
            result.cancel()
        with suppress(Exception):
            client.close()


def _need_beam() -> None:
    if find_spec("apache_beam") is None or find_spec("distributed") is None:
        raise MissingExtraError(
            "--runner beam needs Apache Beam with its Dask runner; install it with: pip install 'tfattr[beam]'."
        )


_MOST_PARTS = 16  # of an entry


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared: the maps of ``models`` in the run ``out``, on its images ``ids``.

    ``entries``: pairs of a method and the name of the measure that its maps are compared by.
    """

    out: Path
    models: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    grid: tuple[int, int] | None = None
    keep_images: bool = False

    def map_dirs(self, method: str) -> dict[str, Path]:
        return {model: map_directory(self.out, model, method) for model in self.models}


@dataclasses.dataclass(frozen=True)
class Part:
    """Shards of one of the comparison's entries, given by its number."""

    entry: int
    shards: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Partial:
    """The state of a part, and the processor seconds that it took."""

    state: AffinityState
    core_s: float


def parts_of(comparison: Comparison) -> list[Part]:
    """The whole comparison in parts.

    Raises:
        RecordsError: a method has no shards.
    """
    parts = []
    for number, (method, _) in enumerate(comparison.entries):
        count = len(find_shards(comparison.map_dirs(method)[comparison.models[0]]))
        shards = np.array_split(np.arange(count), min(count, _MOST_PARTS))
        parts += [Part(number, tuple(map(int, some))) for some in shards]
    return parts


def partial_of(part: Part, comparison: Comparison) -> tuple[int, Partial]:
    """A part computed, by its entry's number."""
    import_extensions()
    method, measure = comparison.entries[part.entry]
    with Stopwatch() as watch:
        state = affinity_from_records(
            comparison.map_dirs(method),
            ids=comparison.ids,
            grid=comparison.grid,
            shards=part.shards,
            keep_images=comparison.keep_images,
            measure=measure,
        )
    return part.entry, Partial(state, watch.core)


def merged(partials: Iterable[Partial]) -> Partial:
    """One of several; their order does not matter."""
    return reduce(lambda one, two: Partial(one.state.merge(two.state), one.core_s + two.core_s), partials)


def in_order(state: AffinityState, ids: Iterable[str]) -> AffinityState:
    """The state with its lists as one process would have made them, image by image."""
    at = {image: number for number, image in enumerate(ids)}
    model_at = {model: number for number, model in enumerate(state.models)}
    dropped = sorted(state.dropped, key=lambda one: (at[one.image], model_at[one.model]))
    kept = None if state.kept is None else {image: state.kept[image] for image in at if image in state.kept}
    return dataclasses.replace(state, dropped=dropped, kept=kept)


def save_partial(numbered: tuple[int, Partial], folder: str | os.PathLike[str]) -> None:
    """Writes ``<folder>/<entry's number>.npz``, plain arrays without pickles."""
    number, partial = numbered
    state = partial.state
    kept = state.kept or {}
    with atomic_write(Path(folder) / f"{number}.npz") as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            models=np.array(state.models, dtype=str),
            grid=np.array(state.grid or (0, 0), np.int64),
            total=state.total,
            counts=state.counts,
            images=state.images,
            dropped=np.array(state.dropped, dtype=str).reshape(-1, 3),
            kept_images=np.array(list(kept), dtype=str),
            kept=np.array(list(kept.values()), np.float32),
            keeps=state.kept is not None,
            measure=state.measure.name,
            core_s=partial.core_s,
        )


def load_partial(folder: str | os.PathLike[str], number: int) -> Partial:
    """Reads what :func:`save_partial` wrote."""
    with np.load(Path(folder) / f"{number}.npz", allow_pickle=False) as file:
        grid = tuple(map(int, file["grid"]))
        state = AffinityState(
            models=tuple(map(str, file["models"])),
            grid=grid if all(grid) else None,
            total=file["total"],
            counts=file["counts"],
            images=int(file["images"]),
            dropped=[DroppedMap(*map(str, row)) for row in file["dropped"]],
            kept=dict(zip(map(str, file["kept_images"]), file["kept"])) if file["keeps"] else None,
            measure=find_measure(str(file["measure"])),
        )
        return Partial(state, float(file["core_s"]))
