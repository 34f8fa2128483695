"""Which of these trained models is the best source for my task? Transferability from attribution maps.

One road: checkpoint -> Trunk -> attribution maps -> TFRecord shards -> affinity -> tree, figures, metrics.
Every public name is imported on use, so that ``import tfattr`` and ``tfattr --help`` do not wait for TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Preprocessing": "tfattr.trunk.preprocessing",
    "Trunk": "tfattr.trunk.trunk",
    "load_model": "tfattr.trunk.trunk",
    "TfattrError": "tfattr.errors",
    "load": "tfattr.zoo.loading",
    "open_zoo": "tfattr.zoo.file",
    "attribute": "tfattr.attribution",
    "attributions": "tfattr.attribution",
    "AttributionSettings": "tfattr.attribution",
    "list_probe": "tfattr.probe",
    "find_probe": "tfattr.runs.probes",
    "read_photo": "tfattr.probe",
    "run": "tfattr.runs.run",
    "open_run": "tfattr.runs.run",
    "Run": "tfattr.runs.run",
    "RunSettings": "tfattr.runs.settings",
    "reproduce": "tfattr.runs.reproducing",
    "open_study": "tfattr.runs.reproducing",
    "maps_figure": "tfattr.figures",
    "rank": "tfattr.affinity",
    "similarity_tree": "tfattr.affinity",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
