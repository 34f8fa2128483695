"""A control: the same architecture with weights that have learnt nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


def randomised(trunk: Trunk, seed: int = 0) -> Trunk:
    """The trunk with the values of each weight tensor shuffled: same shapes, same distribution, nothing learnt.

    Args:
        trunk: the model; not changed.
        seed: of the shuffles.

    Source: the model parameter randomisation test of Adebayo et al., NeurIPS 2018, by permutation.
    """
    random = np.random.default_rng(seed)
    inference = trunk.inference
    weights = {
        node.name: _shuffled(inference.weights[node.name], random)
        for node in inference.light.node
        if node.name in inference.weights
    }
    inference = dataclasses.replace(inference, weights=weights)
    return type(trunk)(trunk.name, inference, trunk.preprocessing, {**trunk.provenance, "randomised": seed})


def _shuffled(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.permutation(values.ravel()).reshape(values.shape) if values.size > 1 else values
