"""Maps to affinity matrices (an associative state), similarity trees, rankings."""

from __future__ import annotations

from tfattr.affinity.area import DEFAULT_GRID, area_matrix, area_resize, common_grid
from tfattr.affinity.images import ImageCosines
from tfattr.affinity.measures import (
    DEFAULT_MEASURE,
    Measure,
    entry_name,
    find_measure,
    measure_names,
    register,
)
from tfattr.affinity.ranking import rank
from tfattr.affinity.result import AffinityResult, AffinityWarning, load_authors_layout
from tfattr.affinity.state import AffinityState, DroppedMap
from tfattr.affinity.streaming import affinity_from_records
from tfattr.affinity.tree import LINKAGES, Tree, both_directions, similarity_tree

__all__ = [
    "DEFAULT_GRID",
    "DEFAULT_MEASURE",
    "LINKAGES",
    "AffinityResult",
    "AffinityState",
    "AffinityWarning",
    "DroppedMap",
    "ImageCosines",
    "Measure",
    "Tree",
    "affinity_from_records",
    "area_matrix",
    "area_resize",
    "both_directions",
    "common_grid",
    "entry_name",
    "find_measure",
    "load_authors_layout",
    "measure_names",
    "rank",
    "register",
    "similarity_tree",
]
