"""Model files become trunks: one frozen inference graph from the fed tensor to the representation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfattr.trunk.preprocessing import Preprocessing, centre_square

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

__all__ = ["Preprocessing", "Trunk", "centre_square"]


def __getattr__(name: str) -> Any:
    # Trunk needs TensorFlow, which takes seconds to import; Preprocessing does not.
    if name == "Trunk":
        from tfattr.trunk.trunk import Trunk

        return Trunk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
