"""Maps to affinity matrices (an associative state), similarity trees, rankings."""

from __future__ import annotations

from tfattr.affinity.area import DEFAULT_GRID, area_matrix, area_resize, common_grid
from tfattr.affinity.images import ImageCosines
from tfattr.affinity.ranking import rank
from tfattr.affinity.result import AffinityResult, AffinityWarning, load_authors_layout
from tfattr.affinity.state import AffinityState, DroppedMap
from tfattr.affinity.streaming import affinity_from_records
from tfattr.affinity.tree import LINKAGES, Tree, similarity_tree

__all__ = [
    "DEFAULT_GRID",
    "LINKAGES",
    "AffinityResult",
    "AffinityState",
    "AffinityWarning",
    "DroppedMap",
    "ImageCosines",
    "Tree",
    "affinity_from_records",
    "area_matrix",
    "area_resize",
    "common_grid",
    "load_authors_layout",
    "rank",
    "similarity_tree",
]
