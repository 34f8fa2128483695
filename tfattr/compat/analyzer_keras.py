"""The legacy Keras that analyzers are built of: always ``tf_keras``, never the ``tf.keras`` of the user.

Building layers in graph mode rewrites the bases of Keras's layer *classes* to their TF1 versions, for the whole process
and while user threads may be making models. ``tf_keras`` is a package of its own: what is rewritten there, and put back,
is nobody's ``tf.keras``, be that legacy Keras (TF <= 2.15) or Keras 3. What :func:`graph_mode` does in it, and undoes:

- Keras rewrites the bases of its layer classes, so that eager models of it made before would break; they are put back.
- Each raw operation met on the way is evaluated in a session to find constants, which makes building
  quadratic; Keras' own private switch turns that off, and is put back.
- The default graph and session are thread-local contexts; Keras prefers the default session over its own,
  which therefore is never replaced.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfattr.compat.building import building
from tfattr.errors import MissingExtraError

try:
    import tf_keras as keras
except ImportError as error:
    raise MissingExtraError(
        f"The LRP engine innvestigate needs the package tf-keras; run `pip install tf-keras~={tf.__version__.rsplit('.', 1)[0]}.0`."
    ) from error

_SWITCH = "_UNSAFE_GRAPH_OP_LAYER_CREATION"

__all__ = ["graph_mode", "keras", "sources_of"]


@contextlib.contextmanager
def _float32_layers() -> Iterator[None]:
    """Layers made meanwhile compute in float32, whatever the global policy and ``floatx`` are."""
    policy, floatx = keras.mixed_precision.global_policy(), keras.backend.floatx()
    try:
        if policy.name != "float32":
            keras.mixed_precision.set_global_policy("float32")
        keras.backend.set_floatx("float32")
        yield
    finally:
        keras.backend.set_floatx(floatx)
        if policy.name != "float32":
            keras.mixed_precision.set_global_policy(policy)


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
        with session.graph.as_default(), session.as_default(), _float32_layers():
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


def sources_of(layer: Any) -> list[Any]:
    """The layers whose outputs a layer of a functional model reads."""
    found = []
    for node in layer._inbound_nodes:
        tensors = node.input_tensors
        tensors = tensors if isinstance(tensors, (list, tuple)) else [tensors]
        found += [tensor._keras_history[0] for tensor in tensors]
    return found
