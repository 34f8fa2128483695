"""Relevance of a frozen graph's whole output, by iNNvestigate; analyzers are built once and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfattr.attribution.analyzers import ANALYZERS
from tfattr.attribution.keras_graph import GraphView, Plan, make_plan, verify
from tfattr.attribution.lrp.session import AnalyzerSession
from tfattr.errors import GraphError, SettingsError

KEPT_ANALYZERS = 8
KEPT_BYTES = 2 << 30  # of weights in kept analyzers; the one in use stays whatever its size
KEPT_TRUNKS = 2
_TARGETS = ("sum", "energy")


@dataclass
class _Trunk:
    """A graph's plan, and what its verification needs."""

    graph_def: tf.compat.v1.GraphDef  # held so that its identity cannot be taken by another
    view: GraphView
    plan: Plan
    structure: str


@dataclass
class _Built:
    session: AnalyzerSession
    weight_bytes: int
    loaded: _Trunk | None = None


_lock = threading.RLock()  # one user at a time: building switches Keras to graph mode for the process
_trunks: OrderedDict[tuple, _Trunk] = OrderedDict()
_built: OrderedDict[tuple, _Built] = OrderedDict()


def analyzers() -> tuple[str, ...]:
    """iNNvestigate's names of the analyzers that :func:`relevance` takes."""
    return ANALYZERS


def relevance(
    graph_def: tf.compat.v1.GraphDef,
    input: str,
    output: str,
    x: np.ndarray,
    analyzer: str = "lrp.epsilon",
    epsilon: float = 1e-4,
    target: str = "sum",
    batch_size: int = 16,
) -> np.ndarray:
    """Relevance of each input value for the whole tensor ``output``.

    Batch norm on constants is folded into the kernels before it (iNNvestigate's own rule for it is noisy), then the
    graph becomes a Keras functional model (checked against the graph on two random images
    in the range of the first batch), the model
    an iNNvestigate analyzer. Both are kept for the next call; trunks of one structure share an analyzer.
    The graph must not be changed in place between calls.

    Args:
        graph_def: frozen graph with one placeholder ``[None, H, W, C]``, weights as constants.
        input, output: tensor names.
        x: float32 ``[N, H, W, C]`` in the fed frame.
        analyzer: one of :func:`analyzers`.
        epsilon: stabiliser of ``lrp.epsilon``, > 0 (the presets keep iNNvestigate's own 0.1 at dense layers).
        target: what is attributed. ``"sum"``: all units; relevance starts as the units' values (LRP, deep
            Taylor) or as ones (gradient analyzers). ``"energy"``: half their squared norm; it starts as the
            squares, or as the values.
        batch_size: images analysed at a time.

    Returns:
        float32 ``[N, H, W, C]``.

    Raises:
        UnsupportedOpError: an operation of the graph has no layer or no rule; it is named.
        GraphError: a tensor is missing, a size is unknown, or the Keras model is not equal to the graph.
        SettingsError: unknown analyzer or target, epsilon not positive.

    Source: Bach et al. 2015 (LRP); Alber et al. 2019 (iNNvestigate 2.1).
    """
    if analyzer not in ANALYZERS:
        raise SettingsError(f"no iNNvestigate analyzer {analyzer!r}; choose one of {', '.join(ANALYZERS)}.")
    if target not in _TARGETS:
        raise SettingsError(f"no attribution target {target!r}; choose one of {', '.join(_TARGETS)}.")
    if not epsilon > 0:
        raise SettingsError(f"epsilon must be positive, found {epsilon}.")
    x = np.asarray(x, np.float32)
    with _lock:
        built = _analyzer_for(_trunk_for(graph_def, input, output), analyzer, x)
        parts = [
            built.session.relevance(x[start : start + batch_size], epsilon, target == "energy")
            for start in range(0, len(x), batch_size)
        ]
    return np.concatenate(parts) if parts else np.zeros_like(x)


def clear_cache() -> None:
    """Closes every kept analyzer and forgets every trunk."""
    with _lock:
        while _built:
            _built.popitem()[1].session.close()
        _trunks.clear()


def refusal(graph_def: tf.compat.v1.GraphDef, input: str, output: str) -> str | None:
    """Why the graph cannot become a Keras model for iNNvestigate, read off its operations; None if it can."""
    try:
        with _lock:
            _trunk_for(graph_def, input, output)
    except GraphError as error:
        return str(error)
    return None


def _analyzer_for(trunk: _Trunk, analyzer: str, x: np.ndarray) -> _Built:
    key = (trunk.structure, analyzer)
    if key not in _built:
        size = trunk.plan.weight_bytes()
        while _built and (len(_built) >= KEPT_ANALYZERS or _kept_bytes() + size > KEPT_BYTES):
            _built.popitem(last=False)[1].session.close()
        _built[key] = _Built(AnalyzerSession(trunk.plan, analyzer), size)
    _built.move_to_end(key)
    built = _built[key]
    if built.loaded is not trunk:
        built.loaded = None
        built.session.load(trunk.plan)
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
        trial, expected = trunk.view.trial(*((low, high) if low < high else (-1.0, 1.0)))
        verify(expected, built.session.units(trial), trunk.view.output)
        built.loaded = trunk
    return built


def _kept_bytes() -> int:
    return sum(built.weight_bytes for built in _built.values())


def _trunk_for(graph_def: tf.compat.v1.GraphDef, input: str, output: str) -> _Trunk:
    key = (id(graph_def), input, output)
    if key not in _trunks:
        view = GraphView(graph_def, input, output)
        plan = make_plan(view)
        while len(_trunks) >= KEPT_TRUNKS:
            _trunks.popitem(last=False)
        _trunks[key] = _Trunk(graph_def, view, plan, plan.structure())
    _trunks.move_to_end(key)
    return _trunks[key]
