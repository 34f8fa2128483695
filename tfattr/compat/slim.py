"""TF-Slim, made to work on TF >= 2.13.

``tf_slim``'s batch norm imports ``keras.legacy_tf_layers``, which TF 2.13 moved to
``keras.src.legacy_tf_layers`` (``tf_keras.src...`` with Keras 3). The modules are aliased under the
name that tf_slim looks for, only where that name is free.
"""

from __future__ import annotations

import importlib
import sys

from tfattr.compat.keras import keras as _keras

_LEGACY_MODULES = ("base", "convolutional", "core", "normalization", "pooling")


def _alias_legacy_layers() -> None:
    try:
        importlib.import_module("keras.legacy_tf_layers")
        return
    except ImportError:
        pass
    root = "tf_keras" if _keras.__name__.startswith("tf_keras") else "keras"
    source = f"{root}.src.legacy_tf_layers"
    sys.modules["keras.legacy_tf_layers"] = importlib.import_module(source)
    for name in _LEGACY_MODULES:
        sys.modules[f"keras.legacy_tf_layers.{name}"] = importlib.import_module(f"{source}.{name}")


_alias_legacy_layers()

import tf_slim as slim  # noqa: E402  (needs the aliases above)

__all__ = ["slim"]
