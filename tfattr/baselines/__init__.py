"""Measures of transferability from representations instead of attribution maps: baselines, one of our own, and controls.

``prepare("rsa", representations).affinity()`` is the affinity of the models, as :mod:`tfattr.affinity` has it for maps:
symmetric, higher is more alike. ``.affinity(rows)`` is the measure on resampled images, for bootstrap intervals; the
heavy part is done once. Representations are a mapping of model to float32 ``[N, h, w, c]`` or ``[N, c]``; each is
loaded once and reduced (N x N values, or its leading directions), so the mapping may be a lazy one over files.

A baseline is a file here and a :func:`register`. The control of random networks needs nothing of its own: the same
measures on the representations of networks with their initial weights.
"""

from __future__ import annotations

from tfattr.baselines.cka import deconfounded_cka, linear_cka
from tfattr.baselines.comparisons import Prepared
from tfattr.baselines.controls import raw_pixel_cosines, symmetrised_truth
from tfattr.baselines.dds import dds
from tfattr.baselines.depara import EDGE_WEIGHT, depara, depara_edges, depara_graph
from tfattr.baselines.predictivity import Predictivity, predictivity
from tfattr.baselines.registry import BASELINES, Baseline, prepare, register
from tfattr.baselines.representations import code_grids
from tfattr.baselines.rsa import rsa
from tfattr.baselines.svcca import svcca

__all__ = [
    "BASELINES",
    "EDGE_WEIGHT",
    "Baseline",
    "Predictivity",
    "Prepared",
    "code_grids",
    "dds",
    "deconfounded_cka",
    "depara",
    "depara_edges",
    "depara_graph",
    "linear_cka",
    "predictivity",
    "prepare",
    "raw_pixel_cosines",
    "register",
    "rsa",
    "svcca",
    "symmetrised_truth",
]

# The plain estimators of CKA rise with the number of units over that of images, and resamples bias them.
_DEBIASED = {"debiased": True}
for _one in (
    Baseline("rsa", rsa, "RSA"),
    Baseline("svcca", svcca, "SVCCA", given={"maps": "grids"}),
    Baseline("linear_cka", linear_cka, "linear CKA", options=_DEBIASED),
    Baseline(
        "deconfounded_cka",
        deconfounded_cka,
        "deconfounded CKA",
        options=_DEBIASED,
        given={"inputs": "images"},
    ),
    Baseline("dds", dds, "DDS"),
    Baseline("depara", depara_graph, "DEPARA", given={"nodes": "maps"}),
    Baseline("predictivity", predictivity, kind="own", given={"grids": "grids"}),
):
    register(_one)
