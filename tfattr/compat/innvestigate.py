"""iNNvestigate on the Keras of :mod:`tfattr.compat.analyzer_keras`, a copy of our own.

It says ``import tensorflow.keras...`` and binds those modules when it is imported. The names that it asks for are lent
to ``tf_keras`` meanwhile, and given back; so is the name ``innvestigate``: ``tf.keras``, and an iNNvestigate that the user
imports, stay what they are.

Raises MissingExtraError when imported without iNNvestigate.
"""

from __future__ import annotations

import importlib

import tensorflow as tf  # noqa: F401  (owns the names lent below)

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

__all__ = ["innvestigate"]
