"""One unit of a run's work: the maps and representations of one model on one shard of the probe images."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfattr.attribution import AttributionSettings
from tfattr.attribution.dispatch import attributions_for_storage
from tfattr.attribution.methods import is_own_method
from tfattr.errors import SettingsError
from tfattr.precision import accelerated
from tfattr.records import (
    REPRESENTATION,
    ShardWriter,
    describe_trunk,
    identity,
    record_key,
    representation_directory,
)
from tfattr.records.stored import MOST_VALUES
from tfattr.runs.batching import BatchSize, batch_size
from tfattr.runs.directory import is_of_the_model
from tfattr.runs.feed import Feed, as_tensor
from tfattr.runs.plan import Plan, Work
from tfattr.runs.writing import Behind

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

_AHEAD = 2  # batches that may wait behind one: a thread more would have none
_SHORT = 0.2  # seconds that a batch takes then, with those before it


class Outcome(NamedTuple):
    """How the works of one model went.

    Attributes:
        failed: the methods (REPRESENTATION for representations) that failed, and how.
        facts: what ``run.json`` keeps of the computation: ``batch_size``, ``lrp_engine``, ``xla``.
    """

    failed: Mapping[str, Exception]
    facts: Mapping[str, Any]


def compute_shards(
    plan: Plan,
    trunk: Trunk,
    feed: Feed,
    works: Iterable[Work],
    progress: Callable[[int], Any] | None = None,
    behind: Behind | None = None,
    check: Callable[[], Any] | None = None,
) -> Outcome:
    """Write what the works name, each whole or not at all.

    This thread feeds the device and does nothing else: images are decoded ahead of it and records written behind
    it. Where a batch does not fit into the device's memory, it is halved and its shard begun again. A method that
    fails is left out from there on, unless ``strict``.

    Args:
        plan, trunk: what is computed.
        feed: the probe images.
        works: shards of this model, in order.
        progress: called with the number of images that were computed, negative where they have to be again.
        behind: writes the shards, and may go on after this returns; None waits until all are written.
        check: called before each shard; an error that it raises ends the work.

    Raises:
        RecordsError: the disk refuses.
        ProbeError: an image cannot be read any more.
        SettingsError: not even one image fits into memory (with ``strict``).
    """
    import tensorflow as tf

    from tfattr.attribution import xla
    from tfattr.precision import float32_only

    failed: dict[str, Exception] = {}
    methods, most = plan.methods, plan.settings.images_per_shard
    size = batch_size(trunk, plan.settings.batch_size, methods, most)
    left = deque(works)
    with contextlib.ExitStack() as stack:
        stack.enter_context(float32_only(plan.settings.tf32))
        stack.enter_context(xla.compiling(plan.settings.xla))
        by_xla = xla.wanted()
        behind = behind or stack.enter_context(Behind())
        while left:
            try:
                _compute(plan, trunk, feed, left, size, progress, behind, check)
            except _FailedError as error:
                failed.update(error.failed)
                left = deque(_without(left, failed))
            except tf.errors.ResourceExhaustedError as error:
                if not size.too_large():
                    reason = SettingsError(
                        f"{trunk.name}: one image of {trunk.preprocessing.size[0]} x {trunk.preprocessing.size[1]} does "
                        "not fit into the device's memory; use a larger device, or the CPU (CUDA_VISIBLE_DEVICES=-1)."
                    )
                    if plan.settings.strict:
                        raise reason from error
                    failed.update(dict.fromkeys(_wanted(left[0]), reason))
                    left = deque(_without(left, failed))
                    continue
                logging.getLogger("tfattr").warning(
                    "%s: out of memory; going on with %d images at a time", trunk.name, size.size
                )
    facts = {"batch_size": size.size}
    if "elrp" not in failed and (engine := lrp_engine(trunk, plan.settings.attribution)):
        facts["lrp_engine"] = engine
    if by_xla and (found := xla.note(trunk)):
        facts["xla"] = found
    return Outcome(failed, facts)


def _compute(
    plan: Plan,
    trunk: Trunk,
    feed: Feed,
    left: deque[Work],
    size: BatchSize,
    progress: Callable[[int], Any] | None,
    behind: Behind,
    check: Callable[[], Any] | None,
) -> None:
    """Computes the works that are left with batches of one size, taking away those that are handed over whole."""
    works, begun_with = list(left), size.size
    spans = [plan.layout.span(work.shard) for work in works]
    batches = feed.batches(trunk.preprocessing, spans, begun_with, as_tensor)
    with (
        contextlib.closing(batches),
        contextlib.closing(_stored(plan, trunk, batches, works, size, behind)) as made,
    ):
        for work, span in zip(works, spans):
            if size.size != begun_with:
                return
            if check is not None:
                check()
            done = 0
            with behind.shard(_writers(plan, trunk, work)) as shard:
                try:
                    while done < len(span):
                        images, stored = next(made)
                        shard.put(stored)
                        done += images
                        if progress is not None:
                            progress(images)
                except BaseException:
                    if progress is not None:
                        progress(-done)
                    raise
            left.popleft()
            size.adapt()


class _FailedError(Exception):
    """Methods fail for a model, each with its reason."""

    def __init__(self, failed: dict[str, Exception]) -> None:
        super().__init__(failed)
        self.failed = failed


def _stored(
    plan: Plan, trunk: Trunk, batches: Iterator[Any], works: Iterable[Work], size: BatchSize, behind: Behind
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the works' writers get of each batch, and its images.

    A CPU gets the next batches before it has done with one, if that takes it no time to speak of: its threads would
    wait for each other at the end of each pass. (Memory is why it does not otherwise.) What fails then is tried alone
    before it is believed, and all that follows is computed alone.
    """
    waiting: deque[_Begun] = deque()
    to_come = ((batch, work) for work in works for batch in _of_a_shard(plan, work, batches))
    beside = not accelerated() and all(is_own_method(method) for method in plan.methods)

    def begin() -> bool:
        began = time.perf_counter()
        try:
            batch, work = next(to_come)
        except StopIteration:
            return False
        except Exception as error:  # of an image: those before it are wanted all the same
            waiting.append(_Begun(began, None, None, _done(_raise, error), True))
            return True
        alone = not beside or size.seconds >= _SHORT
        do = _done if alone else behind.do
        future = do(_computed, plan, trunk, batch, work.methods, work.representation)
        waiting.append(_Begun(began, batch, work, future, alone))
        return True

    try:
        while waiting or begin():
            while beside and size.seconds < _SHORT and len(waiting) <= _AHEAD and begin():
                pass
            began, batch, work, future, alone = waiting.popleft()
            if work is None or (not alone and future.exception() is None):
                stored = future.result()
            elif alone:
                stored = _result(plan, trunk, batch, work, future.result)
            else:
                wait([other.future for other in waiting])
                beside = False
                again = partial(_computed, plan, trunk, batch, work.methods, work.representation)
                stored = _result(plan, trunk, batch, work, again)
            size.took(len(batch), time.perf_counter() - began)
            yield len(batch), stored
    finally:
        for begun in waiting:
            begun.future.cancel()
        wait([begun.future for begun in waiting])


class _Begun(NamedTuple):
    """A batch that is being computed, alone or beside others; without a work, an error that came in its place."""

    began: float
    batch: Any
    work: Work | None
    future: Future
    alone: bool


def _raise(error: Exception) -> None:
    raise error


def _of_a_shard(plan: Plan, work: Work, batches: Iterator[Any]) -> Iterator[Any]:
    left = len(plan.layout.span(work.shard))
    while left:
        batch = next(batches)
        left -= len(batch)
        yield batch


def _done(function: Callable[..., Any], *arguments: Any) -> Future:
    """A function's result or error, at once."""
    future: Future = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future


def _computed(
    plan: Plan, trunk: Trunk, batch: Any, methods: tuple[str, ...], representation: bool
) -> dict[str, Any]:
    maps, outputs = attributions_for_storage(
        trunk,
        batch,
        plan.settings.attribution.with_methods(methods) if methods else None,
        channels=plan.settings.channels,
        dtype=plan.settings.dtype,
        most_values=MOST_VALUES if representation else None,
    )
    return {**maps, REPRESENTATION: outputs}


def _result(
    plan: Plan, trunk: Trunk, batch: Any, work: Work, compute: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What ``compute`` gives; where it fails, methods are tried one by one, and those that fail then are named."""
    try:
        return compute()
    except Exception as error:
        import tensorflow as tf

        short = isinstance(error, tf.errors.ResourceExhaustedError)
        if short or plan.settings.strict or not is_of_the_model(error):
            raise
        failed: dict[str, Exception] = {}
        found: dict[str, Any] = {}
        for what in _wanted(work):
            asked: tuple[tuple[str, ...], bool] = ((), True) if what == REPRESENTATION else ((what,), False)
            try:
                found[what] = _computed(plan, trunk, batch, *asked)[what]
            except Exception as reason:
                if not is_of_the_model(reason):
                    raise
                failed[what] = reason
        if not failed:  # it does not come again
            return found
        raise _FailedError(failed) from error


def _wanted(work: Work) -> tuple[str, ...]:
    return (*work.methods, *((REPRESENTATION,) if work.representation else ()))


def _without(works: Iterable[Work], failed: Container[str]) -> Iterator[Work]:
    """The works less what failed."""
    for work in works:
        methods = tuple(method for method in work.methods if method not in failed)
        representation = work.representation and REPRESENTATION not in failed
        if methods or representation:
            yield dataclasses.replace(work, methods=methods, representation=representation)


def _writers(plan: Plan, trunk: Trunk, work: Work) -> dict[str, ShardWriter]:
    """A writer for each method of a work, and for representations, by REPRESENTATION."""
    model, map_dirs = identity(describe_trunk(trunk)), plan.map_dirs(trunk.name)

    def writer(map_dir: Path, method: str, channels: str, dtype: str) -> ShardWriter:
        key = record_key(plan.run, trunk.name, model, method)
        return ShardWriter(
            map_dir, plan.layout, work.shard, plan.ids, channels=channels, dtype=dtype, record_key=key
        )

    stored = plan.settings.channels, plan.settings.dtype
    writers = {method: writer(map_dirs[method], method, *stored) for method in work.methods}
    if work.representation:
        map_dir = representation_directory(plan.out, trunk.name)
        writers[REPRESENTATION] = writer(map_dir, REPRESENTATION, "all", "float32")
    return writers


def lrp_engine(trunk: Trunk, attribution: AttributionSettings) -> str | None:
    """The engine that computed ``elrp`` of a trunk; None where it was not asked for."""
    from tfattr.attribution.dispatch import engine_used

    return engine_used(trunk, attribution) if "elrp" in attribution.methods else None
