"""Preprocessed batches, made ahead by threads while the model computes."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tfattr.probe import ProbeImage, read_photo
from tfattr.trunk.preprocessing import Preprocessing

_PIXELS_PER_BATCH = 8 * 224 * 224
_LARGEST_BATCH = 32


def default_batch_size(size: tuple[int, int]) -> int:
    """Images at a time for an input of ``size``: 8 at 224x224, more for smaller inputs, at least 1."""
    return int(np.clip(_PIXELS_PER_BATCH // (size[0] * size[1]), 1, _LARGEST_BATCH))


def batches(
    images: Sequence[ProbeImage], preprocessing: Preprocessing, size: int, workers: int = 2
) -> Iterator[np.ndarray]:
    """Decoded and preprocessed images in order: float32 ``[n, H, W, C]`` with ``n <= size``.

    At most two batches are held ready.

    Raises:
        ProbeError: an image that was readable before no longer is.
    """

    def make(chunk: Sequence[ProbeImage]) -> np.ndarray:
        return preprocessing([read_photo(image.path) for image in chunk])

    chunks = iter([images[start : start + size] for start in range(0, len(images), size)])
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque(pool.submit(make, chunk) for chunk in itertools.islice(chunks, 2))
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(make, chunk) for chunk in itertools.islice(chunks, 1))
            yield batch
