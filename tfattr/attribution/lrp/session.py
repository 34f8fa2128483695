"""One built analyzer: a graph and a session that turn images into relevance for any trunk of one structure."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.attribution.keras_graph import Plan, build_keras_model, load_weights
from tfattr.attribution.lrp.analyzers import make_analyzer
from tfattr.compat.analyzer_keras import graph_mode
from tfattr.compat.innvestigate import relevance_of


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
            self._relevance = relevance_of(built)
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
