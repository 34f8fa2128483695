"""One built analyzer: a graph and a session that turn images into relevance for any trunk of one structure.

Graph mode for as long as an analyzer is being built, leaving the process as it was.

iNNvestigate needs Keras in graph mode. Making Keras layers there has three effects outside the graph, all of them
confined to ``tf_keras``, the Keras of the analyzers:

- Keras rewrites the bases of its layer *classes* to their TF1 versions, so that eager models of it made before
  would break; the bases are put back.
- Each raw operation met on the way is evaluated in a session to find constants, which makes building
  quadratic; Keras' own private switch turns that off, and is put back.
- The default graph and session are thread-local contexts; Keras prefers the default session over its own,
  which therefore is never replaced.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfattr.attribution.keras_graph import Plan, build_keras_model, load_weights
from tfattr.attribution.lrp.analyzers import make_analyzer
from tfattr.compat.analyzer_keras import float32_layers, keras
from tfattr.compat.building import building

_SWITCH = "_UNSAFE_GRAPH_OP_LAYER_CREATION"


@contextlib.contextmanager
def graph_mode(session: tf.compat.v1.Session, *, fast: bool = True) -> Iterator[None]:
    """The session and its graph as default, Keras ready to build in it; all is restored at the end.

    ``fast=False`` leaves Keras' switch alone (the slow way; the numbers are the same).
    """
    with building:
        yield from _graph_mode(session, fast)


def _graph_mode(session: tf.compat.v1.Session, fast: bool) -> Iterator[None]:
    bases = {layer: layer.__bases__ for layer in _layer_classes()}
    utilities = importlib.import_module("tf_keras.src.engine.base_layer_utils")
    before = getattr(utilities, _SWITCH, None)
    try:
        if fast and before is not None:
            setattr(utilities, _SWITCH, True)
        with session.graph.as_default(), session.as_default(), float32_layers():
            yield
    finally:
        if before is not None:
            setattr(utilities, _SWITCH, before)
        for layer, original in bases.items():
            if layer.__bases__ != original:
                layer.__bases__ = original


def _layer_classes() -> list[type]:
    """Every Keras layer and model class of the process; parents come before their children."""
    found, queue = {}, [keras.layers.Layer]
    while queue:
        layer = queue.pop(0)
        if layer not in found:
            found[layer] = True
            queue.extend(layer.__subclasses__())
    return list(found)


class AnalyzerSession:
    """Model and analyzer of a plan's structure in a graph of their own; weights come with :meth:`load`.

    Args:
        plan: layers of the trunk; only their structure is used here.
        analyzer: one of iNNvestigate's names, see :mod:`tfattr.attribution.lrp.analyzers`.
        fast: False builds it Keras' slow way (for tests).
    """

    def __init__(self, plan: Plan, analyzer: str, *, fast: bool = True) -> None:
        options = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(allow_growth=True))
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=options)
        with graph_mode(self._session, fast=fast):
            self._model = build_keras_model(plan)
            self._epsilon = tf.compat.v1.placeholder_with_default(np.float32(1e-4), (), name="epsilon")
            self._energy = tf.compat.v1.placeholder_with_default(False, (), name="energy")
            built = make_analyzer(analyzer, self._model, self._epsilon, self._energy)
            built.create_analyzer_model()
            (self._relevance,) = built._analyzer_model.outputs
        self._fed, self._units = self._model.inputs[0], self._model.outputs[0]
        self._session.graph.finalize()

    def load(self, plan: Plan) -> None:
        """Weights of a trunk with the same structure."""
        load_weights(self._session, self._model, plan)

    def units(self, x: np.ndarray) -> np.ndarray:
        """The representation of a batch, flattened: [N, units]."""
        return self._session.run(self._units, {self._fed: x})

    def relevance(self, x: np.ndarray, epsilon: float, energy: bool) -> np.ndarray:
        """Relevance of every input value, of the shape of ``x``."""
        feeds = {self._fed: x, self._epsilon: epsilon, self._energy: energy}
        return self._session.run(self._relevance, feeds)

    def close(self) -> None:
        self._session.close()
