"""DEPARA, the deep attribution graph (Song et al., CVPR 2020): nodes are attribution maps, edges are image pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfattr.baselines.comparisons import RankComparison
from tfattr.baselines.representations import centred, checked, cosines, flattened

#: Weight of the edges that the authors' ``plot.py`` has for the Taskonomy probe; .03 for COCO, .27 for indoor.
EDGE_WEIGHT = 0.25


def depara_edges(representations: Mapping[str, np.ndarray]) -> RankComparison:
    """The graph's edges: Spearman correlation of the models' cosine distances between images.

    Args:
        representations: model to float32 ``[N, h, w, c]`` or ``[N, c]``, the same N images in the same order.

    Each unit's mean over the images is taken away first; resampled images keep the means of all images. Raises
    SettingsError where the representations do not fit together.

    Source: zju-vipa/DEPARA, ``tools/spearman_edge.py``.
    """
    return RankComparison.from_dissimilarities(
        (model, 1.0 - cosines(centred(flattened(array)))) for model, array in checked(representations)
    )


def depara(nodes: np.ndarray, edges: np.ndarray, weight: float = EDGE_WEIGHT) -> np.ndarray:
    """Nodes and edges together: ``(nodes + weight * edges) / (1 + weight)``, ``[..., M, M]``.

    Args:
        nodes: the affinity by gradient * input: cosines of the maps averaged over the images, ``[..., M, M]``.
        edges: the affinity of :func:`depara_edges` on the same images and models.
        weight: of the edges. The authors tuned it to the answer, one value a probe set (:data:`EDGE_WEIGHT`); the
            default is theirs for Taskonomy, not tuned here.

    The division keeps the diagonal at 1 and changes no ranking.

    Source: Song et al., CVPR 2020, section 3.3; zju-vipa/DEPARA, ``prcurve/plot.py``.
    """
    return (np.asarray(nodes, np.float64) + weight * np.asarray(edges, np.float64)) / (1.0 + weight)
