"""What is made once and used again: the latest few, for all threads of the process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """At most ``most`` values by their keys; the one that has not been asked for longest goes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, tuple[threading.Lock, list[T]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made by whoever asks for it first; others wait. Threads may call it at the same time."""
        with self._lock:
            lock, made = self._slots.setdefault(key, (threading.Lock(), []))
            self._slots.move_to_end(key)
            while len(self._slots) > self.most:
                self._slots.popitem(last=False)
        with lock:
            if not made:
                made.append(make())
            return made[0]

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._slots.clear()
