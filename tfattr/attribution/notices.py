"""What is found out once about each trunk, and told once."""

from __future__ import annotations

import threading
import warnings
import weakref
from typing import Generic, TypeVar

from tfattr.errors import AttributionWarning

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values by trunk and key, for as long as the trunk lives. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: weakref.WeakKeyDictionary[object, dict[object, T]] = weakref.WeakKeyDictionary()

    def get(self, trunk: object, key: object) -> T | None:
        with self._lock:
            return self._values.get(trunk, {}).get(key)

    def keep(self, trunk: object, key: object, value: T) -> T:
        with self._lock:
            return self._values.setdefault(trunk, {}).setdefault(key, value)


_told: Remembered[object] = Remembered()


def tell_once(trunk: object, key: object, text: str) -> None:
    """An AttributionWarning, once for a trunk and key."""
    mine = object()
    if _told.keep(trunk, key, mine) is mine:
        warnings.warn(text, AttributionWarning, stacklevel=3)
