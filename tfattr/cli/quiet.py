"""The import of TensorFlow without the lines that its C++ writes to stderr meanwhile, which no setting stops."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """While this lasts, the first ``import tensorflow`` is silent, unless it fails."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def silently(module: ModuleType) -> None:
                with _stderr_kept_back():
                    execute(module)

            spec.loader.exec_module = silently
        return spec


@contextlib.contextmanager
def _stderr_kept_back() -> Iterator[None]:
    """What is written to the file descriptor 2 is dropped; if an import fails it is shown."""
    try:
        before = os.dup(2)
    except OSError:  # closed by whoever started us
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        said = b""
        try:
            yield
        except ImportError:
            kept.seek(0)
            said = kept.read()
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.write(2, said)
