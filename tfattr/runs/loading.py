"""The next model is read while the present one computes: one at a time, in a thread."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from tfattr.compat.building import building
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


class Loaded(NamedTuple):
    """A trunk, and the seconds of wall clock and processor that loading it took."""

    trunk: Trunk
    wall: float
    core: float


class LoadAhead:
    """Loads models, the next one ahead; a context manager. At most one trunk waits in memory."""

    def __enter__(self) -> LoadAhead:
        self._pool = ThreadPoolExecutor(1, "tfattr-loader")
        self._next: tuple[ModelSpec, Future] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._next = None
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, models: Iterable[ModelSpec | Trunk]) -> None:
        """Starts to load the first of ``models`` that is a spec, unless one is on its way."""
        model = next((one for one in models if isinstance(one, ModelSpec)), None)
        if model is not None and self._next is None:
            self._next = model, self._pool.submit(_load, model)

    def load(self, model: ModelSpec | Trunk) -> Loaded:
        """The model's trunk; raises what loading it raised."""
        if not isinstance(model, ModelSpec):
            return Loaded(model, 0.0, 0.0)
        ahead, self._next = self._next, None
        if ahead is not None and ahead[0] is model:
            return ahead[1].result()
        if ahead is not None:
            ahead[1].cancel()
        return _load(model)


def _load(model: ModelSpec) -> Loaded:
    # An analyzer that is built in another thread turns Keras to graph mode for the whole process.
    with building:
        wall, core = time.perf_counter(), time.thread_time()
        trunk = model.load()
        return Loaded(trunk, time.perf_counter() - wall, time.thread_time() - core)
