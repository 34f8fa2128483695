"""How far a run has come, told from the shards that are there: no engine has to report it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from tqdm.auto import tqdm

from tfattr.errors import TfattrError
from tfattr.runs.shard import Plan, Work

_EVERY = 2.0  # seconds


class ShardWatch:
    """Moves a bar by the images of shards that have appeared; a context manager with a thread of its own."""

    def __init__(self, plan: Plan, bar: tqdm) -> None:
        self._plan, self._bar = plan, bar
        self._expected: dict[str, set[int]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def expect(self, model: str, works: Sequence[Work]) -> None:
        """These shards are going to appear."""
        with self._lock:
            self._expected[model] = {work.shard for work in works}

    def __enter__(self) -> ShardWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        with self._lock, suppress(OSError, TfattrError):  # the run itself reports what is wrong
            for model, expected in self._expected.items():
                if not expected:
                    continue
                appeared = expected - {work.shard for work in self._plan.missing(model)}
                expected -= appeared
                self._bar.update(sum(len(self._plan.layout.span(shard)) for shard in appeared))
