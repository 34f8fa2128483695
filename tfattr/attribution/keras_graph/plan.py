"""A plan: the layers that a frozen graph amounts to, as plain data (no TensorFlow objects)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

KERNELS = ("conv", "depthwise", "transposed", "dense")
"""Kinds whose first weight is a kernel and whose optional second weight is a bias."""


@dataclass
class Draft:
    """One layer of a plan before it has a place: its kind, settings and weights."""

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: list[np.ndarray] = field(default_factory=list)


@dataclass
class LayerSpec:
    """One layer of a plan.

    ``inputs`` are positions of earlier layers in the plan (0 is the fed tensor), ``config`` holds what
    defines the layer's structure (JSON values), ``weights`` what may differ between two trunks of one
    architecture, ``node`` the graph node that it stands for, ``shape`` the output without the batch.
    """

    kind: str
    inputs: tuple[int, ...]
    config: dict[str, Any]
    weights: list[np.ndarray]
    node: str
    shape: tuple[int, ...]


@dataclass
class Plan:
    """Layers in an order in which each comes after its inputs; ``layers[0]`` is the fed tensor."""

    layers: list[LayerSpec]
    output: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.layers[0].shape

    def structure(self) -> str:
        """A key that is equal for two plans that differ in nothing but the values of their weights."""
        rows = [
            [spec.kind, spec.inputs, spec.config, [[w.shape, str(w.dtype)] for w in spec.weights], spec.shape]
            for spec in self.layers
        ]
        text = json.dumps([rows, self.output], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(weight.nbytes for spec in self.layers for weight in spec.weights)
