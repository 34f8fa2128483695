"""Threads beside the one that feeds the device: shards encoded and written, a bounded queue each; further batches."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from tfattr.records import ShardWriter
from tfattr.records.stored import StoredMaps

_THREADS = 2  # one shard is synced to the disk while the next is being written
_WAITING = 4  # batches of a shard that may wait to be written
_END, _ABANDON = object(), object()


class Behind:
    """Writes shards in threads of its own; a context manager that ends when all is on the disk.

    The first error of a writer is raised to whoever computes, at the latest when the block ends; an error of the
    block itself leaves no half-written shard.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "tfattr-writer")
        self._computing = ThreadPoolExecutor(_THREADS, "tfattr-computing")
        self._shards: list[_Shard] = []

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                self.drain()
        finally:
            self._computing.shutdown(wait=True, cancel_futures=True)
            self._pool.shutdown(wait=True)  # what was computed whole is written whole

    def do(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """A function's result, which a thread computes with the settings of this one (precision, XLA)."""
        return self._computing.submit(contextvars.copy_context().run, function, *arguments)

    def drain(self) -> None:
        """Waits until every finished shard is on the disk; raises the first error."""
        while self._shards:
            self._shards[0].future.result()
            del self._shards[0]

    @contextmanager
    def shard(self, writers: Mapping[Any, ShardWriter]) -> Iterator[_Shard]:
        """Writers of one shard, which get what is put; finished behind, or left without a trace after an error."""
        while len(self._shards) >= _THREADS:
            self._shards.pop(0).future.result()
        shard = _Shard(writers)
        shard.future = self._pool.submit(shard.write)
        self._shards.append(shard)
        try:
            yield shard
            shard.finish()
        except BaseException:
            self._shards.remove(shard)
            shard.abandon()
            raise


class _Shard:
    """The files of one shard while they are written."""

    future: Future

    def __init__(self, writers: Mapping[Any, ShardWriter]) -> None:
        self._writers = writers
        self._waiting: queue.Queue = queue.Queue(_WAITING)
        self._open = threading.Event()
        self._error: BaseException | None = None

    def put(self, batch: Mapping[Any, StoredMaps | np.ndarray]) -> None:
        """The next maps of each writer, by its key; waits while too many are waiting."""
        self._open.wait()
        if self._error is not None:
            raise self._error
        self._waiting.put(batch)

    def finish(self) -> None:
        self._waiting.put(_END)

    def abandon(self) -> None:
        """Ends without the shard; returns when its files are gone."""
        self._waiting.put(_ABANDON)
        with suppress(Exception):
            self.future.result()

    def write(self) -> None:
        ended = False
        try:
            with ExitStack() as stack:
                try:
                    for writer in self._writers.values():
                        stack.enter_context(writer)
                finally:
                    self._open.set()
                while (batch := self._waiting.get()) is not _END and batch is not _ABANDON:
                    for key, writer in self._writers.items():
                        writer.add(batch[key])
                ended = True
                if batch is _ABANDON:
                    raise _AbandonedError
        except BaseException as error:
            self._error = error
            while not ended:  # so that whoever puts is never left waiting
                batch = self._waiting.get()
                ended = batch is _END or batch is _ABANDON
            raise


class _AbandonedError(Exception):
    """Takes the half-written files away."""
