"""How many images a device takes at a time: fixed on the CPU, found out on a GPU and remembered for the architecture."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

_PIXELS_PER_BATCH = 8 * 224 * 224
_LARGEST_BATCH = 32
_FIRST = 8  # on a GPU
_RISE = 1.1  # a doubled batch must be this much faster


def default_batch_size(size: tuple[int, int]) -> int:
    """Images at a time for an input of ``size``: 8 at 224x224, more for smaller inputs, at least 1."""
    return int(np.clip(_PIXELS_PER_BATCH // (size[0] * size[1]), 1, _LARGEST_BATCH))


class BatchSize:
    """Images at a time; one that adapts is doubled until the rate stops rising by 10 % or memory is short.

    Args:
        size: to begin with.
        most: the largest to try; ``size`` itself keeps it fixed.

    Attributes:
        seconds: that the last batch took, infinite before the first.
    """

    def __init__(self, size: int, most: int | None = None) -> None:
        self.size, self._most = size, size if most is None else most
        self._before: tuple[int, float] | None = None  # the last size that was worth it, and its rate
        self._seen, self._rate = 0, 0.0
        self.seconds = float("inf")

    @property
    def settled(self) -> bool:
        """Whether this size stays."""
        return self.size >= self._most

    def took(self, images: int, seconds: float) -> None:
        """What a batch took. The first of a size also pays for the device's preparations: it does not count."""
        self.seconds = seconds
        if images == self.size:
            self._seen += 1
            if self._seen > 1:
                self._rate = max(self._rate, images / max(seconds, 1e-9))

    def adapt(self) -> None:
        """Between two shards: goes on with twice as many images, or settles."""
        if self.settled or not self._rate:
            return
        if self._before is not None and self._rate < _RISE * self._before[1]:
            self._settle(self._before[0])
            return
        self._before = self.size, self._rate
        self.size, self._seen, self._rate = min(2 * self.size, self._most), 0, 0.0

    def too_large(self) -> bool:
        """Takes a smaller size for good; False if one image was too much."""
        if self.size == 1:
            return False
        fitted = self._before[0] if self._before is not None else self.size
        self._settle(fitted if fitted < self.size else self.size // 2)
        return True

    def _settle(self, size: int) -> None:
        self.size = self._most = size


_by_trunk: weakref.WeakKeyDictionary[Trunk, BatchSize] = weakref.WeakKeyDictionary()
_by_architecture: dict[tuple, BatchSize] = {}


def batch_size(trunk: Trunk, given: int | None, methods: tuple[str, ...], most: int) -> BatchSize:
    """The batch size of a trunk in this process.

    Args:
        trunk: the model.
        given: what the user asked for; then it does not adapt.
        methods: of the attribution; on a GPU it is remembered for an architecture and methods.
        most: images of a shard, no more of which fit into a batch.
    """
    from tfattr.precision import accelerated

    if given is None and accelerated() and not trunk.batch_dependent:
        key = (trunk.architecture.key, methods)
        return _by_architecture.setdefault(key, BatchSize(min(_FIRST, most), most))
    return _by_trunk.setdefault(trunk, BatchSize(given or default_batch_size(trunk.preprocessing.size)))
