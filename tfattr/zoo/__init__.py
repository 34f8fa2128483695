"""The zoo: builders of the originals' graphs, one module a family, and what is known of each model."""

from __future__ import annotations

from tfattr.zoo.families import Family, families, family

__all__ = ["Family", "families", "family"]
