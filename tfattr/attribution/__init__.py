"""Attribution maps of a trunk's representation: gradients, the authors' epsilon-LRP, iNNvestigate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfattr.attribution.settings import PAPER_METHODS, AttributionSettings

if TYPE_CHECKING:
    from tfattr.attribution.constant_target import refuse_constant_target
    from tfattr.attribution.dispatch import (
        attribute,
        attributions,
        attributions_and_representation,
        engine_used,
    )

__all__ = [
    "PAPER_METHODS",
    "AttributionSettings",
    "attribute",
    "attributions",
    "attributions_and_representation",
    "refuse_constant_target",
    "engine_used",
]


def __getattr__(name: str) -> Any:
    # The engines need TensorFlow, the settings do not.
    if name == "refuse_constant_target":
        from tfattr.attribution.constant_target import refuse_constant_target

        return refuse_constant_target
    if name in ("attribute", "attributions", "attributions_and_representation", "engine_used"):
        from tfattr.attribution import dispatch

        return getattr(dispatch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
