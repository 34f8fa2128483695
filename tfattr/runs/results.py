"""What a run has made of its maps, as files and as trees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfattr.affinity import AffinityResult, ImageCosines, Tree, both_directions, similarity_tree
from tfattr.errors import TfattrError

AFFINITY_NAME, IMAGES_NAME = "affinity.npz", "affinity_images.npz"


class AffinityError(TfattrError):
    """An affinity that nothing can be made of."""


def compared_models(matrix: np.ndarray, models: Sequence[str]) -> list[str]:
    """The models with a defined affinity to some other, in order."""
    others = np.isfinite(matrix) & ~np.eye(len(matrix), dtype=bool)
    return [model for model, any_other in zip(models, others.any(axis=1)) if any_other]


def tree_of(result: AffinityResult, entry: str, linkage: str = "single") -> tuple[Tree, list[str]]:
    """The tree of the models that have an affinity by an entry, and those that have none.

    Raises:
        AffinityError: there are no two such models, or pairs of them that have no image in common.
    """
    matrix, models = result.affinity[entry], result.models
    there = compared_models(matrix, models)
    at = [models.index(model) for model in there]
    part = matrix[np.ix_(at, at)]
    if len(there) < 2 or not np.isfinite(part).all():
        raise AffinityError(
            f"no tree by {entry}: some pairs of models have no image on which both maps are usable."
        )
    without = [model for model in models if model not in there]
    return similarity_tree(both_directions(part), there, linkage), without


def complete_cosines(run: str | os.PathLike[str]) -> ImageCosines:
    """A run's comparisons among the models that have some by every method (among all where no two have).

    Raises:
        RecordsError: the run lacks its affinity.
    """
    cosines = ImageCosines.load(Path(run) / IMAGES_NAME)
    there = list(cosines.models)
    for method in cosines.methods:
        there = [model for model in compared_models(cosines.mean(method), cosines.models) if model in there]
    return cosines if len(there) < 2 or len(there) == len(cosines.models) else cosines.only(there)
