"""TF-Slim, made to work on TF >= 2.13.

TF-Slim 1.1 (2020) is built on TensorFlow's inside, of which parts have moved since. Its batch norm is TensorFlow's
v1 layer, which TensorFlow looks for in ``keras.legacy_tf_layers`` (TF <= 2.15) or ``tf_keras.legacy_tf_layers``
(later), while Keras 2.13 moved the package into ``src``: the modules are aliased under the name that is looked for,
only where it is free. ``ops.Tensor`` and ``control_flow_ops.cond``, by which slim layers decide about
``is_training``, are given to the one module of TF-Slim that asks for them; TensorFlow's modules stay as they are.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import tensorflow as tf

from tfattr.compat.keras import keras as _keras

_LEGACY_MODULES = ("base", "convolutional", "core", "normalization", "pooling")


def _alias_legacy_layers() -> None:
    root = "tf_keras" if _keras.__name__.startswith("tf_keras") else "keras"
    try:
        importlib.import_module(f"{root}.legacy_tf_layers")
        return
    except ImportError:
        pass
    source = f"{root}.src.legacy_tf_layers"
    sys.modules[f"{root}.legacy_tf_layers"] = importlib.import_module(source)
    for name in _LEGACY_MODULES:
        sys.modules[f"{root}.legacy_tf_layers.{name}"] = importlib.import_module(f"{source}.{name}")


class _Completed:
    """A module with some names beside its own."""

    def __init__(self, module: ModuleType, **names: Any) -> None:
        self._module = module
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


_alias_legacy_layers()

import tf_slim as slim  # noqa: E402  (needs the aliases above)

for _module, _name, _value in (("ops", "Tensor", tf.Tensor), ("control_flow_ops", "cond", tf.compat.v1.cond)):
    _utils = importlib.import_module("tf_slim.layers.utils")
    if not hasattr(getattr(_utils, _module), _name):
        setattr(_utils, _module, _Completed(getattr(_utils, _module), **{_name: _value}))

# Said at each of slim's layers, of a call that TF-Slim makes and no user can change.
warnings.filterwarnings("ignore", message="`layer.apply` is deprecated", category=UserWarning)

__all__ = ["slim"]
