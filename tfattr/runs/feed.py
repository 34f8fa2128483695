"""Preprocessed batches, made ahead by threads while a model computes, and made once for all models alike."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from tfattr.probe import ProbeImage, read_photo
from tfattr.tensors import aligned, shared_tensor
from tfattr.trunk.preprocessing import Preprocessing

_MOST_WORKERS = 16
_PART = 8  # images that one thread makes at a time
_ROOM = 8 << 30  # bytes of scratch space at most, and at most a quarter of what is free


class Feed:
    """Preprocessed probe images; a context manager that owns scratch space while it is open.

    Images are decoded and preprocessed once for each distinct preprocessing: the first model that asks leaves
    them, as float32, in a nameless temporary file (which the system drops with the process, however it ends),
    later ones read them from there. Where space is short, or the disk refuses, they are made anew for each
    model.

    Args:
        images: the run's readable probe images, in order.
        workers: threads that make batches ahead; None takes one a core, 16 at most.
        shared: False makes them anew each time (nothing on disk).

    Attributes:
        waited: seconds that consumers have spent waiting for a batch.
    """

    def __init__(self, images: Sequence[ProbeImage], workers: int | None = None, shared: bool = True) -> None:
        self.images = tuple(images)
        self.waited = 0.0
        self._workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
        self._shared = shared
        self._kept: dict[Preprocessing, _Kept] = {}
        self._room = 0

    def __enter__(self) -> Feed:
        self._pool = ThreadPoolExecutor(self._workers)
        if self._shared:
            try:
                self._room = min(_ROOM, shutil.disk_usage(tempfile.gettempdir()).free // 4)
            except OSError as error:
                self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for kept in self._kept.values():
            kept.close()
        self._kept = {}

    def batches(
        self,
        preprocessing: Preprocessing,
        spans: range | Iterable[range],
        size: int,
        convert: Callable[[np.ndarray], Any] = lambda batch: batch,
    ) -> Iterator[Any]:
        """Images ``spans`` in order, float32 ``[n, H, W, C]`` with ``n <= size``; no batch reaches into two spans.

        Some batches are made ahead, in parts, by threads of this feed; ``convert`` is called there too.

        Raises:
            ProbeError: an image that was readable before no longer is.
        """
        kept = self._keeping(preprocessing)
        chunks = (
            range(start, min(start + size, span.stop))
            for span in ([spans] if isinstance(spans, range) else spans)
            for start in range(span.start, span.stop, size)
        )
        ahead = max(2, _PART * self._workers // size + 1)
        waiting: deque[Future] = deque(
            self._begin(preprocessing, kept, one, convert) for one in islice(chunks, ahead)
        )
        try:
            while waiting:
                started = time.perf_counter()
                batch = waiting.popleft().result()
                self.waited += time.perf_counter() - started
                waiting.extend(self._begin(preprocessing, kept, one, convert) for one in islice(chunks, 1))
                yield batch
        finally:
            for future in waiting:
                future.cancel()

    def _begin(
        self, preprocessing: Preprocessing, kept: _Kept | None, chunk: range, convert: Callable
    ) -> Future:
        """A batch in the making; parts of a cancelled or failed one are not begun."""
        batch = aligned((len(chunk), *preprocessing.size, preprocessing.channels))
        parts = [chunk[start : start + _PART] for start in range(0, len(chunk), _PART)]
        made, left, lock = Future(), [len(parts)], threading.Lock()

        def make(part: range) -> None:
            if made.done():
                return
            try:
                start = part.start - chunk.start
                self._make(preprocessing, kept, part, batch[start : start + len(part)])
                with lock:
                    left[0] -= 1
                    last = not left[0]
                if last:
                    _settle(made, convert(batch), None)
            except BaseException as error:
                _settle(made, None, error)

        for part in parts:
            self._pool.submit(make, part)
        return made

    def _keeping(self, preprocessing: Preprocessing) -> _Kept | None:
        """Where images of this preprocessing are kept; None where there is no room for all of them."""
        if preprocessing not in self._kept:
            shape = (*preprocessing.size, preprocessing.channels)
            needed = len(self.images) * 4 * int(np.prod(shape))
            if needed > self._room:
                return None
            try:
                self._kept[preprocessing] = _Kept(len(self.images), shape)
            except OSError as error:
                self._give_up(error)
                return None
            self._room -= needed
        return self._kept[preprocessing]

    def _make(
        self, preprocessing: Preprocessing, kept: _Kept | None, chunk: range, batch: np.ndarray
    ) -> None:
        if kept is not None:
            try:
                if kept.read(chunk, batch):
                    return
            except OSError as error:
                self._give_up(error)
        photos = [read_photo(self.images[index].path, exif=self.images[index].exif) for index in chunk]
        preprocessing(photos, out=batch)
        if kept is not None and self._room >= 0:
            try:
                kept.write(chunk, batch)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Goes on without scratch space; what was kept whole is still used."""
        if self._room >= 0:
            self._room = -1
            logging.getLogger("tfattr").warning(
                "no scratch space for preprocessed images (%s; TMPDIR moves it): each model's are made anew",
                error.strerror or error,
            )


def as_tensor(batch: np.ndarray) -> Any:
    """A batch of a feed as a tensor: on a GPU, or on a CPU in the same memory."""
    import tensorflow as tf

    from tfattr.precision import accelerated

    return tf.convert_to_tensor(batch) if accelerated() else shared_tensor(batch)


def _settle(future: Future, result: Any, error: BaseException | None) -> None:
    """Sets what a future gives, unless it was cancelled or has failed meanwhile."""
    with suppress(InvalidStateError):
        future.set_result(result) if error is None else future.set_exception(error)


class _Kept:
    """Preprocessed images in a file without a name; each is there whole or not at all."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self._file = tempfile.TemporaryFile(prefix="tfattr-feed-", buffering=0)  # noqa: SIM115  closed by Feed
        self._shape = shape
        self._bytes = 4 * int(np.prod(shape))
        self._there = np.zeros(count, bool)

    def close(self) -> None:
        self._file.close()

    def read(self, chunk: range, batch: np.ndarray) -> bool:
        """Fills ``batch``, float32 ``[n, H, W, C]``; False if one of the images is not there."""
        if not self._there[chunk.start : chunk.stop].all():
            return False
        data, done = memoryview(batch).cast("B"), 0
        while done < len(data):
            part = os.preadv(self._file.fileno(), [data[done:]], self._bytes * chunk.start + done)
            if not part:
                raise OSError("the scratch file ends early")
            done += part
        return True

    def write(self, chunk: range, batch: np.ndarray) -> None:
        data = memoryview(np.ascontiguousarray(batch, np.float32)).cast("B")
        done = 0
        while done < len(data):  # a write may stop early, above all just before the disk is full
            done += os.pwrite(self._file.fileno(), data[done:], self._bytes * chunk.start + done)
        self._there[chunk.start : chunk.stop] = True
