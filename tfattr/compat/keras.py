"""Legacy Keras (the Keras of TF <= 2.15), from wherever the installed TensorFlow keeps it; Keras 3 beside it.

TF 2.14 ships it as ``tf.keras``; from TF 2.16 on, ``tf.keras`` is Keras 3 and the legacy one is the
package ``tf-keras``. Models of users may be of either; analyzers are built of a Keras of their own
(:mod:`tfattr.compat.analyzer_keras`).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import zipfile
from types import ModuleType
from typing import Any

import tensorflow as tf

from tfattr.errors import MissingExtraError

if tuple(int(part) for part in tf.__version__.split(".")[:2]) < (2, 16):
    keras = tf.keras
else:
    try:
        import tf_keras as keras
    except ImportError as error:
        raise MissingExtraError(
            f"TensorFlow {tf.__version__} comes without the legacy Keras that tfattr needs; run "
            f"`pip install tf-keras~={tf.__version__.rsplit('.', 1)[0]}.0`."
        ) from error

__all__ = ["application_layers", "keras", "keras_3", "keras_of", "saved_by", "saved_metadata", "sublayers"]


def keras_3() -> ModuleType | None:
    """Keras 3, which TF >= 2.16 comes with; None on older ones."""
    if keras is tf.keras:
        return None
    import keras as found

    return found if found.__version__.startswith("3.") else None


def keras_of(model: Any) -> ModuleType | None:
    """The Keras, legacy or 3, that a model is made of; None for what is no Keras model."""
    if isinstance(model, keras.Model):
        return keras
    found = keras_3() if "keras" in sys.modules else None
    return found if found is not None and isinstance(model, found.Model) else None


def saved_by(path: str) -> str | None:
    """The version of Keras that a ``.keras`` or ``.h5`` file says it was saved by; None if it says nothing."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        import h5py

        with h5py.File(path, "r") as file:
            found, config = (_text(file.attrs.get(key, "")) for key in ("keras_version", "model_config"))
            # Only Keras 3 writes this class; some converters leave the version out.
            return "3.x" if "DTypePolicy" in config and not found.startswith("3.") else found or None
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return None  # a folder, or damaged: loading it says what is wrong


def saved_metadata() -> type[Any]:
    """The message that holds the configurations of layers beside a SavedModel of legacy Keras; Keras 3 has none."""
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    return SavedMetadata


def _text(stored: Any) -> str:
    return stored.decode() if isinstance(stored, bytes) else str(stored)


def application_layers(of: ModuleType) -> dict[str, Any]:
    """Layers that a Keras's own applications are made of, and that it does not find by itself in their files."""
    found = {}
    for module, names in (
        ("convnext", ("LayerScale", "StochasticDepth")),
        ("inception_resnet_v2", ("CustomScaleLayer",)),
    ):
        with contextlib.suppress(ImportError):
            loaded = importlib.import_module(f"{of.__name__.split('.')[0]}.src.applications.{module}")
            found.update({name: getattr(loaded, name) for name in names if hasattr(loaded, name)})
    return found


def sublayers(layer: Any) -> list[Any]:
    """The layers that a layer or model is directly made of, in order; wrappers and attributes included."""
    find = getattr(layer, "_flatten_layers", None)  # legacy and Keras 3; Layer has no public way
    if find is not None:
        return list(find(recursive=False, include_self=False))
    return list(getattr(layer, "layers", ()))
