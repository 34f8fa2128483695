"""The training graph of one rooms encoder: encoder, decoder, loss, optimiser, in TF1 graph code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from studies.rooms.networks import dense_decoder, encoder_scopes, vector_head
from studies.rooms.tasks import IMAGE_SIZE
from studies.rooms.train_plan import Entry
from tfattr.errors import SettingsError
from tfattr.zoo.rooms_encoder import encoder

v1 = tf.compat.v1


@dataclass(frozen=True)
class Statistics:
    """Centre [channels] and scale of a regression label, so that all tasks train on one footing."""

    centre: np.ndarray
    scale: float

    @staticmethod
    def of(labels: np.ndarray) -> Statistics:
        """Mean per channel and one standard deviation over all channels of [..., channels] labels."""
        flat = labels.reshape(-1, labels.shape[-1])
        centre = flat.mean(axis=0, dtype=np.float64)
        spread = np.sqrt(np.mean([np.var(flat[:, c], dtype=np.float64) for c in range(flat.shape[1])]))
        return Statistics(centre.astype(np.float32), float(max(spread, 1e-6)))


@dataclass(frozen=True)
class TrainingGraph:
    """Handles of a built graph. Losses are per image [N], in the label's own units."""

    images: tf.Tensor
    labels: tf.Tensor
    step: tf.Tensor
    train: tf.Operation
    train_loss: tf.Tensor
    code: tf.Tensor
    prediction: tf.Tensor
    losses: tf.Tensor
    correct: tf.Tensor | None
    state_saver: v1.train.Saver
    encoder_saver: v1.train.Saver
    encoder_parameters: int


def image_losses(loss: str, prediction: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Loss of each image, float32 [N]: ``l1`` or ``l2`` mean error, or mean ``softmax`` cross-entropy."""
    if loss == "softmax":
        error = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=prediction)
    elif loss == "l1":
        error = tf.abs(prediction - labels)
    else:
        error = tf.square(prediction - labels)
    return tf.reduce_mean(tf.reshape(error, [tf.shape(error)[0], -1]), axis=1)


def _predict(
    entry: Entry, images: tf.Tensor, step: tf.Tensor, is_training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    code, _ = encoder(images, entry.arch, entry.prefix, is_training)
    channels = entry.spec.channels
    if entry.prefix:
        seed = tf.stack([tf.constant(entry.seed, tf.int64), step])
        return code, vector_head(code, channels, seed, is_training, keep=entry.keep)
    return code, dense_decoder(code, channels, is_training)


def build(entry: Entry, statistics: Statistics | None, seed: int | None = None) -> TrainingGraph:
    """Training and inference towers of ``entry`` with shared variables, in the current v1 graph.

    statistics: of the training labels for regression, None for softmax tasks. seed: of the initial
    weights, by default the entry's. The learning rate is a cosine of the step that ends at 0.
    """
    spec = entry.spec
    v1.set_random_seed(entry.seed if seed is None else seed)
    images = v1.placeholder(tf.float32, [None, IMAGE_SIZE, IMAGE_SIZE, spec.input_channels], name="images")
    shape = {
        "dense": [None, IMAGE_SIZE, IMAGE_SIZE, spec.channels],
        "segmentation": [None, IMAGE_SIZE, IMAGE_SIZE],
        "classification": [None],
        "vector": [None, spec.channels],
    }[spec.kind]
    labels = v1.placeholder(tf.int32 if entry.loss == "softmax" else tf.float32, shape, name="labels")
    step = v1.train.get_or_create_global_step()
    with v1.name_scope("training"):
        _, raw = _predict(entry, images, step, is_training=True)
        target = labels if statistics is None else (labels - statistics.centre) / statistics.scale
        train_loss = tf.reduce_mean(image_losses(entry.loss, raw, target))
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    rate = v1.train.cosine_decay(entry.rate, step, entry.steps)
    with tf.control_dependencies(updates):
        train = v1.train.AdamOptimizer(rate).minimize(train_loss, global_step=step)
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        code, prediction = _predict(entry, images, step, is_training=False)
    if statistics is not None:
        prediction = prediction * statistics.scale + statistics.centre
    correct = None
    if spec.kind == "classification":
        correct = tf.cast(tf.equal(tf.argmax(prediction, axis=-1, output_type=tf.int32), labels), tf.float32)
    encoder_variables = [
        variable for variable in v1.global_variables() if is_encoder_variable(variable.op.name, entry.prefix)
    ]
    return TrainingGraph(
        images=images,
        labels=labels,
        step=step,
        train=train,
        train_loss=train_loss,
        code=code,
        prediction=prediction,
        losses=image_losses(entry.loss, prediction, labels),
        correct=correct,
        state_saver=v1.train.Saver(max_to_keep=1),
        encoder_saver=v1.train.Saver(encoder_variables),
        encoder_parameters=sum(int(np.prod(variable.shape)) for variable in encoder_variables),
    )


def is_encoder_variable(name: str, prefix: str) -> bool:
    """Whether a variable belongs to the encoder proper: not to a decoder, and no optimiser slot."""
    return name.startswith(encoder_scopes(prefix)) and not name.endswith(("/Adam", "/Adam_1"))


def session(threads: int = 1, precision: str = "float32") -> v1.Session:
    """A session on the current graph that uses ``threads`` threads (1: repeatable to the bit).

    precision: ``float32``, or ``bfloat16`` to let TensorFlow run convolutions in bfloat16 around float32
    variables (1.4 times as fast on processors that have it, no effect on others).
    """
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    if precision == "bfloat16":
        config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1  # RewriterConfig.ON
    elif precision != "float32":
        raise SettingsError(f"Training precision {precision!r} is unknown; expected float32 or bfloat16.")
    return v1.Session(config=config)
