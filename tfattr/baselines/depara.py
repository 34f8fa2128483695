"""DEPARA, the deep attribution graph (Song et al., CVPR 2020): nodes are attribution maps, edges are image pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfattr.affinity.images import ImageCosines
from tfattr.baselines.comparisons import RankComparison, multiplicities
from tfattr.baselines.representations import centred, checked, cosines, flattened
from tfattr.errors import SettingsError

NODES = "grad_input"  # the maps whose cosines are the graph's nodes

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


@dataclass(frozen=True)
class GraphComparison:
    """:func:`depara` of the nodes and edges of the same models and images (see :class:`tfattr.baselines.Prepared`)."""

    nodes: ImageCosines
    edges: RankComparison

    @property
    def models(self) -> tuple[str, ...]:
        return self.edges.models

    @property
    def images(self) -> int:
        return self.edges.images

    def affinity(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        nodes = self.nodes.mean(NODES, multiplicities(rows, self.images))
        return depara(nodes, self.edges.affinity(rows))


def depara_graph(
    representations: Mapping[str, np.ndarray], nodes: ImageCosines | None = None
) -> GraphComparison:
    """The whole graph, from representations and the maps' cosines.

    Args:
        representations: as of :func:`depara_edges`.
        nodes: comparisons of the same models' gradient * input maps on the same images.

    Raises:
        SettingsError: no such maps, or representations that do not fit together.
    """
    if nodes is None or NODES not in nodes.methods:
        raise SettingsError("its nodes are the grad_input maps, which the run does not have")
    return GraphComparison(nodes.only(list(representations)), depara_edges(representations))
