"""Attribution maps of a trunk's representation: gradients, the authors' epsilon-LRP, iNNvestigate."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfattr.attribution.methods import method_settings, register_method
from tfattr.attribution.settings import PAPER_METHODS, AttributionSettings

if TYPE_CHECKING:
    from tfattr.attribution.constant_target import refuse_constant_target
    from tfattr.attribution.dispatch import (
        attribute,
        attributions,
        attributions_and_representation,
        engine_used,
    )

# The engines need TensorFlow, methods and settings do not.
_LAZY = {
    "refuse_constant_target": "constant_target",
    **dict.fromkeys(
        ("attribute", "attributions", "attributions_and_representation", "engine_used"), "dispatch"
    ),
}
__all__ = [
    "PAPER_METHODS",
    "AttributionSettings",
    "attribute",
    "attributions",
    "attributions_and_representation",
    "engine_used",
    "method_settings",
    "refuse_constant_target",
    "register_method",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
