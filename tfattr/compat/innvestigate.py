"""iNNvestigate on legacy Keras, whatever ``tf.keras`` is.

It says ``import tensorflow.keras...`` and binds those modules when it is imported. From TF 2.16 on that is
Keras 3, unless the variable TF_USE_LEGACY_KERAS was set before TensorFlow was imported. So the names that
it asks for are lent to legacy Keras while it is being imported, and given back: ``tf.keras`` stays what it is
for everybody else.

Raises MissingExtraError when imported without iNNvestigate.
"""

from __future__ import annotations

import importlib
import sys

import tensorflow as tf

from tfattr.compat import installed
from tfattr.compat.keras import keras
from tfattr.compat.patched_modules import patched_modules
from tfattr.errors import MissingExtraError

_SUBMODULES = ("backend", "layers", "models", "utils")

if not installed.has_innvestigate():
    raise MissingExtraError(installed.missing_innvestigate("The LRP engine innvestigate"))

_names = {}
if tf.keras is not keras:
    _names = {f"tensorflow.keras.{name}": getattr(keras, name) for name in _SUBMODULES}
    _names["tensorflow.keras"] = keras
if "innvestigate" not in sys.modules:
    # A plain import of it fails on Keras 3 and leaves those of its modules behind that did not fail.
    for _name in [name for name in sys.modules if name.startswith("innvestigate.")]:
        del sys.modules[_name]
with patched_modules(_names):
    innvestigate = importlib.import_module("innvestigate")

__all__ = ["innvestigate"]
