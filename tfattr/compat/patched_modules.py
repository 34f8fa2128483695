"""Module names lent to other modules while a library that asks for them is being imported."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

_lock = threading.RLock()
_ABSENT = object()


@contextlib.contextmanager
def patched_modules(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """``import name`` gives ``modules[name]`` for as long as this lasts, also as ``from package import name``."""
    with _lock, contextlib.ExitStack() as undo:
        for name, module in modules.items():
            undo.callback(_put_back, name, sys.modules.get(name, _ABSENT))
            sys.modules[name] = module
            package, _, last = name.rpartition(".")
            if package and package not in modules:
                owner = sys.modules[package]
                undo.callback(setattr, owner, last, vars(owner)[last])
                setattr(owner, last, module)
        yield


@contextlib.contextmanager
def without_modules(package: str) -> Iterator[None]:
    """``import package`` makes a new copy of it for as long as this lasts; what was imported before is there again after."""
    with _lock:
        before = _take(package)
        try:
            yield
        finally:
            _take(package)
            sys.modules.update(before)


def _take(package: str) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}


def _put_back(name: str, module: Any) -> None:
    if module is _ABSENT:
        del sys.modules[name]
    else:
        sys.modules[name] = module
