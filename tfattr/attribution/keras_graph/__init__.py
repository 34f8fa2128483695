"""A frozen GraphDef as a legacy-Keras functional model.

iNNvestigate analyses Keras models layer by layer; our trunks are frozen graphs. Between the two stands a
:class:`Plan`, plain data: :func:`make_plan` reads it off the graph, :func:`build_keras_model` makes layers
of it, and its ``structure()`` tells whether two trunks differ in their weights alone.
"""

from __future__ import annotations

from tfattr.attribution.keras_graph.convert import make_plan
from tfattr.attribution.keras_graph.graph_view import GraphView
from tfattr.attribution.keras_graph.model import build_keras_model, load_weights, verify
from tfattr.attribution.keras_graph.plan import LayerSpec, Plan

__all__ = ["GraphView", "LayerSpec", "Plan", "build_keras_model", "load_weights", "make_plan", "verify"]
