"""The similarity tree of models, as the authors draw it, and its export."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from tfattr.errors import SettingsError

LINKAGES = ("single", "complete", "average", "weighted", "centroid", "median", "ward")


@dataclass(frozen=True)
class Tree:
    """A hierarchical clustering of models.

    Attributes:
        linkage: scipy's float64 ``[R - 1, 4]`` (two clusters, height, leaves), leaf order optimal.
        labels: names of the R rows.
        method: name of the linkage.
    """

    linkage: np.ndarray
    labels: tuple[str, ...]
    method: str

    @property
    def order(self) -> list[int]:
        """Rows in leaf order: neighbours are alike."""
        return [int(row) for row in hierarchy.leaves_list(self.linkage)]

    @property
    def leaves(self) -> list[str]:
        """Labels in leaf order."""
        return [self.labels[row] for row in self.order]

    def cophenetic(self) -> np.ndarray:
        """Heights at which two leaves join, float64 ``[R, R]``, in the order of ``labels``."""
        return squareform(hierarchy.cophenet(self.linkage))

    def clusters(self, count: int) -> list[list[str]]:
        """The ``count`` groups (one a leaf at most) that undoing the last merges leaves, each and all in leaf order."""
        if count < 1:
            raise SettingsError(f"{count} clusters asked for; at least 1 is possible")
        leaves = len(self.labels)
        parts = {row: [row] for row in range(leaves)}
        # The first merges, without those that would leave fewer groups.
        for step, (left, right, *_) in enumerate(self.linkage[: max(leaves - count, 0)]):
            parts[leaves + step] = parts.pop(int(left)) + parts.pop(int(right))
        place = {row: index for index, row in enumerate(self.order)}
        ordered = sorted(
            (sorted(part, key=place.__getitem__) for part in parts.values()), key=lambda part: place[part[0]]
        )
        return [[self.labels[row] for row in part] for part in ordered]

    def to_newick(self) -> str:
        """The tree in Newick format; branch lengths are differences of merge heights.

        A label with other than letters, digits and ``. - +`` is quoted, quotes in it doubled. (Centroid and
        median linkage can have inversions: negative lengths.)
        """
        text = [_newick_name(label) for label in self.labels]
        height = [0.0] * len(self.labels)
        for left, right, top, _ in self.linkage:
            parts = [f"{text[int(node)]}:{top - height[int(node)]:.10g}" for node in (left, right)]
            text.append(f"({','.join(parts)})")
            height.append(float(top))
        return text[-1] + ";"


def _newick_name(label: str) -> str:
    # An underscore outside quotes means a blank in Newick, so such names are quoted too.
    return label if re.fullmatch(r"[A-Za-z0-9.+-]+", label) else "'" + label.replace("'", "''") + "'"


def both_directions(matrices: np.ndarray) -> np.ndarray:
    """The mean of target to source and source to target: ``[..., M, M]`` likewise; a symmetric one is unchanged."""
    return (matrices + np.swapaxes(matrices, -1, -2)) / 2


def similarity_tree(A: np.ndarray, labels: Sequence[str], linkage: str = "single") -> Tree:
    """Clusters models by their rows of the affinity matrix.

    Args:
        A: ``[R, M]``: each row describes one model by its affinities (square as a rule; the authors also
            use 18 x 20). Of a measure with target and source give :func:`both_directions`.
        labels: names of the rows.
        linkage: "single" (the authors'), or any of ``LINKAGES``.

    Returns:
        The tree: rows as observations, Euclidean distance, optimal leaf order.

    Raises:
        SettingsError: fewer than two rows, values that are not finite, wrong labels, unknown linkage.

    Source: the authors' ``task_similarity_tree.m``: ``linkage(affinity)`` and
    ``optimalleaforder(Z, pdist(affinity))`` with MATLAB's defaults.
    """
    if linkage not in LINKAGES:
        raise SettingsError(f"the linkage is {linkage!r}, expected one of {', '.join(LINKAGES)}")
    A = np.asarray(A, dtype=np.float64)
    labels = tuple(labels)
    if A.ndim != 2 or A.shape[0] != len(labels):
        raise SettingsError(f"the affinity has shape {A.shape}, expected {len(labels)} rows, one a label")
    if len(set(labels)) != len(labels):
        raise SettingsError("a label is used twice; the tree needs unique names")
    if len(labels) < 2:
        raise SettingsError("a tree needs at least two models")
    broken = [label for label, row in zip(labels, A) if not np.isfinite(row).all()]
    if broken:
        raise SettingsError(
            f"the affinity has undefined values in the rows of {', '.join(broken)} (no image counts there); "
            "leave those models out of the tree"
        )
    distances = pdist(A)
    merges = hierarchy.linkage(A, method=linkage, metric="euclidean")
    return Tree(hierarchy.optimal_leaf_ordering(merges, distances), labels, linkage)
