"""The legacy Keras that analyzers are built of: always ``tf_keras``, never the ``tf.keras`` of the user.

Building layers in graph mode rewrites the bases of Keras's layer *classes* to their TF1 versions, for the whole process
and while user threads may be making models. ``tf_keras`` is a package of its own: what is rewritten there, and put back,
is nobody's ``tf.keras``, be that legacy Keras (TF <= 2.15) or Keras 3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from tfattr.errors import MissingExtraError

try:
    import tf_keras as keras
except ImportError as error:
    raise MissingExtraError(
        f"The LRP engine innvestigate needs the package tf-keras; run `pip install tf-keras~={tf.__version__.rsplit('.', 1)[0]}.0`."
    ) from error

__all__ = ["float32_layers", "keras"]


@contextlib.contextmanager
def float32_layers() -> Iterator[None]:
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
