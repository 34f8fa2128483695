"""Preprocessed batches, made ahead by threads while a model computes, and made once for all models alike."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

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

    Images are decoded and preprocessed once for each distinct preprocessing: the first model that asks writes
    them, as float32, to the scratch folder, later ones read them from there. Where space is short they are made
    anew for each model.

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
        self._scratch: Path | None = None
        self._written = 0

    def __enter__(self) -> Feed:
        self._pool = ThreadPoolExecutor(self._workers)
        if self._shared:
            self._scratch = Path(tempfile.mkdtemp(prefix="tfattr-feed-"))
            self._room = min(_ROOM, shutil.disk_usage(self._scratch).free // 4)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def batches(self, preprocessing: Preprocessing, span: range, size: int) -> Iterator[np.ndarray]:
        """Images ``span`` in order, at most two batches ready: float32 ``[n, H, W, C]`` with ``n <= size``.

        Raises:
            ProbeError: an image that was readable before no longer is.
        """
        chunks = iter(
            [range(start, min(start + size, span.stop)) for start in range(span.start, span.stop, size)]
        )
        waiting: deque = deque(self._pool.submit(self._make, preprocessing, one) for one in islice(chunks, 2))
        try:
            while waiting:
                started = time.perf_counter()
                batch = waiting.popleft().result()
                self.waited += time.perf_counter() - started
                waiting.extend(self._pool.submit(self._make, preprocessing, one) for one in islice(chunks, 1))
                yield batch
        finally:
            for future in waiting:
                future.cancel()

    def _make(self, preprocessing: Preprocessing, chunk: range) -> np.ndarray:
        kept = self._kept(preprocessing, chunk)
        if kept is not None and kept.exists():
            return np.load(kept, allow_pickle=False)
        batch = preprocessing([read_photo(self.images[index].path) for index in chunk])
        if kept is not None and self._written + batch.nbytes <= self._room:
            self._written += batch.nbytes
            kept.parent.mkdir(exist_ok=True)
            part = kept.with_suffix(".part")
            with open(part, "wb") as file:
                np.save(file, batch)
            part.replace(kept)
        return batch

    def _kept(self, preprocessing: Preprocessing, chunk: range) -> Path | None:
        if self._scratch is None:
            return None
        text = json.dumps(preprocessing.to_dict(), sort_keys=True)
        return (
            self._scratch / hashlib.sha256(text.encode()).hexdigest()[:16] / f"{chunk.start}-{chunk.stop}.npy"
        )
