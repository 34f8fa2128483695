"""The published feature spec of a map's record, for plain TensorFlow.

Maps of one model and method, read without anything else of tfattr (float16 is what a run stores unless it
was asked for float32; ``dtype`` says which)::

    import tensorflow as tf
    from tfattr.records import FEATURE_SPEC
    files = sorted(tf.io.gfile.glob(f"{directory}/*.tfrecord"))
    records = tf.data.TFRecordDataset(files).map(lambda record: tf.io.parse_single_example(record, FEATURE_SPEC))
    maps = records.map(lambda r: tf.reshape(tf.cast(tf.io.decode_raw(r["map"], tf.float16), tf.float32), r["shape"]) * r["scale"])

Features
    id      string       the probe image's id
    index   int64        its position among the run's readable probe images
    map     string       the stored map, little-endian, row-major [H, W, C]; stored * scale = the map
    dtype   string       "float16" or "float32", of the stored map
    shape   int64 [3]    H, W, C; C is 1 for the channel mean, K for the parts of a target channels:K
    scale   float32      the largest absolute finite value of the map (1 if that is 0, and for float32)
    norm    float32      Euclidean norm of the map; NaN if the map is not finite
    finite  int64        1 if every value is finite, else 0
    origin  string       model/method/hash: the same in all records of one model and method of a run, and only there
"""  # noqa: E501  the five lines are meant to be copied

from __future__ import annotations

import tensorflow as tf

FEATURE_SPEC = {
    "id": tf.io.FixedLenFeature([], tf.string),
    "index": tf.io.FixedLenFeature([], tf.int64),
    "map": tf.io.FixedLenFeature([], tf.string),
    "dtype": tf.io.FixedLenFeature([], tf.string),
    "shape": tf.io.FixedLenFeature([3], tf.int64),
    "scale": tf.io.FixedLenFeature([], tf.float32),
    "norm": tf.io.FixedLenFeature([], tf.float32),
    "finite": tf.io.FixedLenFeature([], tf.int64),
    "origin": tf.io.FixedLenFeature([], tf.string, default_value=""),  # tfattr 0.1 wrote none
}
