"""Attribution maps of a trunk's representation: gradients, the authors' epsilon-LRP, iNNvestigate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfattr.attribution.settings import PAPER_METHODS, AttributionSettings

if TYPE_CHECKING:
    from tfattr.attribution.dispatch import attribute, attributions, attributions_and_representation

__all__ = [
    "PAPER_METHODS",
    "AttributionSettings",
    "attribute",
    "attributions",
    "attributions_and_representation",
]


def __getattr__(name: str) -> Any:
    # The engines need TensorFlow, the settings do not.
    if name in ("attribute", "attributions", "attributions_and_representation"):
        from tfattr.attribution import dispatch

        return getattr(dispatch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
