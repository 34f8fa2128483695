"""The zoo: builders of the originals' graphs, one module a family, and what is known of each model."""

from __future__ import annotations

import importlib
from typing import Any

from tfattr.zoo.families import Family, families, family

_LAZY = {
    "builtin_zoo": "tfattr.zoo.file",
    "Entry": "tfattr.zoo.originals",
    "entries": "tfattr.zoo.originals",
    "entry": "tfattr.zoo.originals",
    "load": "tfattr.zoo.loading",
    "model_spec": "tfattr.zoo.loading",
}

__all__ = ["Family", "families", "family", *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
