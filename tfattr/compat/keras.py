"""Legacy Keras (the Keras of TF <= 2.15), from wherever the installed TensorFlow keeps it.

TF 2.14 ships it as ``tf.keras``; from TF 2.16 on, ``tf.keras`` is Keras 3 and the legacy one is the
package ``tf-keras``. iNNvestigate and the conversion of graphs to layers need the legacy one.
"""

from __future__ import annotations

import tensorflow as tf

if tuple(int(part) for part in tf.__version__.split(".")[:2]) < (2, 16):
    keras = tf.keras
else:
    import tf_keras as keras

__all__ = ["keras"]
