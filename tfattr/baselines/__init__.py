"""Baseline measures of transferability: from representations instead of attribution maps, and controls.

``prepare("rsa", representations).affinity()`` is the affinity of the models, as :mod:`tfattr.affinity` has it for maps:
symmetric, higher is more alike. ``.affinity(rows)`` is the measure on resampled images, for bootstrap intervals; the
heavy part is done once. Representations are a mapping of model to float32 ``[N, h, w, c]`` or ``[N, c]``; each is
loaded once and reduced (N x N values, or its leading directions), so the mapping may be a lazy one over files.

The control of random networks needs nothing of its own: the same measures on the representations of networks with
their initial weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfattr.baselines.cka import deconfounded_cka, linear_cka
from tfattr.baselines.comparisons import Prepared
from tfattr.baselines.controls import raw_pixel_cosines, symmetrised_truth
from tfattr.baselines.dds import dds
from tfattr.baselines.depara import EDGE_WEIGHT, depara, depara_edges
from tfattr.baselines.representations import code_grids
from tfattr.baselines.rsa import rsa
from tfattr.baselines.svcca import svcca
from tfattr.errors import SettingsError

#: Name of a measure to the function that prepares it from representations.
BASELINES: dict[str, Callable[..., Prepared]] = {
    "rsa": rsa,
    "svcca": svcca,
    "linear_cka": linear_cka,
    "deconfounded_cka": deconfounded_cka,
    "dds": dds,
    "depara_edges": depara_edges,
}

__all__ = [
    "EDGE_WEIGHT",
    "BASELINES",
    "Prepared",
    "code_grids",
    "dds",
    "deconfounded_cka",
    "depara",
    "depara_edges",
    "linear_cka",
    "prepare",
    "raw_pixel_cosines",
    "rsa",
    "svcca",
    "symmetrised_truth",
]


def prepare(name: str, representations: Mapping[str, np.ndarray], **options: Any) -> Prepared:
    """The measure ``name`` with its heavy part done; ``options`` are those of its function in ``BASELINES``.

    Raises:
        SettingsError: no measure of this name, or representations that do not fit together.
    """
    if name not in BASELINES:
        raise SettingsError(f"no baseline measure is named {name!r}; expected one of {', '.join(BASELINES)}")
    return BASELINES[name](representations, **options)
