"""iNNvestigate on the Keras of :mod:`tfattr.compat.analyzer_keras`, a copy of our own.

It says ``import tensorflow.keras...`` and binds those modules when it is imported. The names that it asks for are lent
to ``tf_keras`` meanwhile, and given back; so is the name ``innvestigate``: ``tf.keras``, and an iNNvestigate that the user
imports, stay what they are.

Raises MissingExtraError when imported without iNNvestigate.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf  # also owns the names lent below

from tfattr.compat import installed
from tfattr.compat.analyzer_keras import keras
from tfattr.compat.patched_modules import patched_modules, without_modules
from tfattr.errors import MissingExtraError

_SUBMODULES = ("backend", "layers", "models", "utils")

if not installed.has_innvestigate():
    raise MissingExtraError(installed.missing_innvestigate("The LRP engine innvestigate"))

_names = {f"tensorflow.keras.{name}": getattr(keras, name) for name in _SUBMODULES}
with patched_modules({**_names, "tensorflow.keras": keras}), without_modules("innvestigate"):
    innvestigate = importlib.import_module("innvestigate")

__all__ = ["complete_rules", "innvestigate", "relevance_of"]


def complete_rules(analyzer: Any, reads_input: Callable[[Any], bool]) -> None:
    """The presets name Keras classes: other kernel layers get the convolutions' rule, that of the first layer holds behind
    padding too."""
    if analyzer._input_layer_rule is not None:
        analyzer._rules[0] = (reads_input, analyzer._rules[0][1])
    analyzer._rules = [*analyzer._rules, (lambda layer: True, analyzer._rules[-1][1])]


def relevance_of(analyzer: Any) -> tf.Tensor:
    """The relevance of the model's input, of an analyzer that is built now."""
    analyzer.create_analyzer_model()
    (relevance,) = analyzer._analyzer_model.outputs
    return relevance
