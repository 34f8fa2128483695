"""TensorFlow Hub, made to work beside setuptools >= 82.

tensorflow-hub 0.16 compares versions by ``pkg_resources``, which left setuptools in 2026; for the import the
name is lent to what ``packaging`` offers instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
from types import ModuleType

from packaging import version

from tfattr.compat.patched_modules import patched_modules


def _pkg_resources() -> ModuleType:
    module = ModuleType("pkg_resources")
    module.parse_version = version.parse
    return module


_there = importlib.util.find_spec("pkg_resources") is not None
with contextlib.nullcontext() if _there else patched_modules({"pkg_resources": _pkg_resources()}):
    import tensorflow_hub as hub

__all__ = ["hub"]
