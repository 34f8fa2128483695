"""Attribution maps of a trunk's representation: gradients, the authors' epsilon-LRP, iNNvestigate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfattr.attribution.settings import PAPER_METHODS, AttributionSettings

if TYPE_CHECKING:
    from tfattr.attribution.dispatch import attribute, attributions

__all__ = ["PAPER_METHODS", "AttributionSettings", "attribute", "attributions"]


def __getattr__(name: str) -> Any:
    # The engines need TensorFlow, the settings do not.
    if name in ("attribute", "attributions"):
        from tfattr.attribution import dispatch

        return getattr(dispatch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
