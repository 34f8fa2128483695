"""Preprocessed batches, made ahead by threads while a model computes, and made once for all models alike."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from tfattr.probe import ProbeImage, read_photo
from tfattr.trunk.preprocessing import Preprocessing

_PIXELS_PER_BATCH = 8 * 224 * 224
_LARGEST_BATCH = 32
_ROOM = 8 << 30  # bytes of scratch space at most, and at most a quarter of what is free


def default_batch_size(size: tuple[int, int]) -> int:
    """Images at a time for an input of ``size``: 8 at 224x224, more for smaller inputs, at least 1."""
    return int(np.clip(_PIXELS_PER_BATCH // (size[0] * size[1]), 1, _LARGEST_BATCH))


class Feed:
    """Preprocessed probe images; a context manager that owns scratch space while it is open.

    Images are decoded and preprocessed once for each distinct preprocessing: the first model that asks leaves
    them, as float32, in a nameless temporary file (which the system drops with the process, however it ends),
    later ones read them from there. Where space is short, or the disk refuses, they are made anew for each
    model.

    Args:
        images: the run's readable probe images, in order.
        workers: threads that make batches ahead.
        shared: False makes them anew each time (nothing on disk).

    Attributes:
        waited: seconds that consumers have spent waiting for a batch.
    """

    def __init__(self, images: Sequence[ProbeImage], workers: int = 2, shared: bool = True) -> None:
        self.images = tuple(images)
        self.waited = 0.0
        self._workers, self._shared = workers, shared
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

    def batches(self, preprocessing: Preprocessing, span: range, size: int) -> Iterator[np.ndarray]:
        """Images ``span`` in order, at most two batches ready: float32 ``[n, H, W, C]`` with ``n <= size``.

        Raises:
            ProbeError: an image that was readable before no longer is.
        """
        kept = self._keeping(preprocessing)
        chunks = iter(
            [range(start, min(start + size, span.stop)) for start in range(span.start, span.stop, size)]
        )
        waiting: deque = deque(
            self._pool.submit(self._make, preprocessing, kept, one) for one in islice(chunks, 2)
        )
        try:
            while waiting:
                started = time.perf_counter()
                batch = waiting.popleft().result()
                self.waited += time.perf_counter() - started
                waiting.extend(
                    self._pool.submit(self._make, preprocessing, kept, one) for one in islice(chunks, 1)
                )
                yield batch
        finally:
            for future in waiting:
                future.cancel()

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

    def _make(self, preprocessing: Preprocessing, kept: _Kept | None, chunk: range) -> np.ndarray:
        if kept is not None:
            try:
                found = kept.read(chunk)
            except OSError as error:
                self._give_up(error)
                found = None
            if found is not None:
                return found
        batch = preprocessing(
            [read_photo(self.images[index].path, exif=self.images[index].exif) for index in chunk]
        )
        if kept is not None and self._room >= 0:
            try:
                kept.write(chunk, batch)
            except OSError as error:
                self._give_up(error)
        return batch

    def _give_up(self, error: OSError) -> None:
        """Goes on without scratch space; what was kept whole is still used."""
        if self._room >= 0:
            self._room = -1
            logging.getLogger("tfattr").warning(
                "no scratch space for preprocessed images (%s; TMPDIR moves it): each model's are made anew",
                error.strerror or error,
            )


class _Kept:
    """Preprocessed images in a file without a name; each is there whole or not at all."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self._file = tempfile.TemporaryFile(prefix="tfattr-feed-", buffering=0)  # noqa: SIM115  closed by Feed
        self._shape = shape
        self._bytes = 4 * int(np.prod(shape))
        self._there = np.zeros(count, bool)

    def close(self) -> None:
        self._file.close()

    def read(self, chunk: range) -> np.ndarray | None:
        """float32 ``[n, H, W, C]``, or None if one of the images is not there."""
        if not self._there[chunk.start : chunk.stop].all():
            return None
        wanted, data = self._bytes * len(chunk), bytearray()
        while len(data) < wanted:
            part = os.pread(self._file.fileno(), wanted - len(data), self._bytes * chunk.start + len(data))
            if not part:
                raise OSError("the scratch file ends early")
            data += part
        return np.frombuffer(data, np.float32).reshape(len(chunk), *self._shape)

    def write(self, chunk: range, batch: np.ndarray) -> None:
        data = memoryview(np.ascontiguousarray(batch, np.float32)).cast("B")
        done = 0
        while done < len(data):  # a write may stop early, above all just before the disk is full
            done += os.pwrite(self._file.fileno(), data[done:], self._bytes * chunk.start + done)
        self._there[chunk.start : chunk.stop] = True
