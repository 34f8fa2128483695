"""Baselines by name: how each is prepared, and what of a run it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfattr.baselines.comparisons import Prepared
from tfattr.errors import SettingsError

#: What a run has for a baseline: ``grids`` (of :func:`code_grids`), ``images`` (the probe images, float32
#: ``[N, 64, 64, 3]`` in 0 .. 1), ``maps`` (its :class:`tfattr.affinity.ImageCosines`, or None).
INGREDIENTS = ("grids", "images", "maps")


@dataclass(frozen=True)
class Baseline:
    """A measure of transferability from representations.

    Attributes:
        name: in tables, files and ``--by``.
        prepare: representations, a mapping of model to float32 ``[N, h, w, c]`` or ``[N, c]``, to :class:`Prepared`; a
            SettingsError says why it cannot be had.
        title: how figures and the report call it; the name if empty.
        kind: ``baseline``, or ``own`` for tfattr's own.
        options: passed to ``prepare``.
        given: an option of ``prepare`` to what a run has for it, one of :data:`INGREDIENTS`.
    """

    name: str
    prepare: Callable[..., Prepared]
    title: str = ""
    kind: str = "baseline"
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)


#: Every registered baseline by its name.
BASELINES: dict[str, Baseline] = {}


def register(baseline: Baseline) -> Baseline:
    """Makes a baseline known to ``tfattr evaluate``, ``tfattr rank --by``, figures and the report.

    Raises:
        SettingsError: another one has this name, or it asks for what no run has.
    """
    strange = [what for what in baseline.given.values() if what not in INGREDIENTS]
    if strange:
        raise SettingsError(f"{baseline.name} asks for {strange[0]!r}; a run has {', '.join(INGREDIENTS)}")
    if BASELINES.setdefault(baseline.name, baseline) is not baseline:
        raise SettingsError(f"there is a baseline {baseline.name!r} already; give yours another name")
    return baseline


def prepare(name: str, representations: Mapping[str, np.ndarray], **options: Any) -> Prepared:
    """The baseline ``name`` with its heavy part done; ``options`` go before those of its registration.

    Raises:
        SettingsError: no baseline of this name, or representations that do not fit together.
    """
    if name not in BASELINES:
        raise SettingsError(f"no baseline measure is named {name!r}; expected one of {', '.join(BASELINES)}")
    found = BASELINES[name]
    return found.prepare(representations, **{**found.options, **options})
