"""Readouts: the small networks trained from a frozen code to every target task, in one graph.

The losses of the targets are added; no variable is shared and Adam works parameter by parameter, so each
readout trains exactly as it would alone, on the same batches as all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from studies.rooms.tasks import TASKS
from studies.rooms.train_graph import Statistics, image_losses, session
from studies.rooms.train_plan import ENTRIES
from studies.rooms.transfer_codes import VIEWS
from tfattr.compat.slim import slim
from tfattr.zoo.rooms_encoder import encoder

v1 = tf.compat.v1

GRID = 32  # side of the dense predictions
_WIDTH = 32
_HIDDEN = 64
_KEEP = 0.5
_CODE = (16, 16, 8)
_BATCH = 50


@dataclass(frozen=True)
class Budget:
    """Training of every readout: batches, their size, Adam's first rate (cosine to 0)."""

    steps: int = 400
    batch: int = 32
    rate: float = 3e-3


@dataclass(frozen=True)
class Readouts:
    """A built graph: feeds by view and target, the training operation, losses [targets, N] in label units."""

    inputs: dict[str, tf.Tensor]
    labels: dict[str, tf.Tensor]
    step: tf.Tensor
    train: tf.Operation
    losses: tf.Tensor


def coarse_labels(task: str, labels: np.ndarray) -> np.ndarray:
    """Labels on the readouts' grid: dense maps [N, 64, 64, C] averaged 2x2, ids [N, 64, 64] sampled; else as is."""
    kind = TASKS[task].kind
    if kind == "segmentation":
        return labels[:, ::2, ::2]
    if kind != "dense":
        return labels
    n, h, w, c = labels.shape
    return labels.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4), dtype=np.float32)


def view_of(target: str) -> str:
    """Which picture the sources see for a target: ``clean``, ``noisy``, ``grey`` or ``hole``."""
    return VIEWS.get(target, "clean")


def _readout(target: str, code: tf.Tensor, step: tf.Tensor, seed: int, is_training: bool) -> tf.Tensor:
    spec = TASKS[target]
    arg_scope = slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        activation_fn=tf.nn.relu,
        weights_initializer=v1.variance_scaling_initializer(scale=2.0),
    )
    with v1.variable_scope(f"readout_{target}"), arg_scope:
        if spec.kind in ("dense", "segmentation"):
            net = slim.conv2d(code, _WIDTH, 3, scope="conv1")
            net = slim.conv2d(net, 4 * spec.channels, 3, activation_fn=None, scope="conv2")
            return tf.nn.depth_to_space(net, 2)
        net = slim.conv2d(code, 16, 3, stride=2, scope="conv1")
        net = tf.reshape(net, [-1, 8 * 8 * 16])
        net = slim.fully_connected(net, _HIDDEN, scope="fc1")
        if is_training:
            draw = tf.random.stateless_uniform(tf.shape(net), tf.stack([tf.constant(seed, tf.int64), step]))
            net = tf.where(draw < _KEEP, net / _KEEP, tf.zeros_like(net))
        return slim.fully_connected(net, spec.channels, activation_fn=None, scope="fc2")


def build(
    targets: list[str],
    statistics: dict[str, Statistics | None],
    seed: int,
    budget: Budget,
    scratch: str | None = None,
) -> Readouts:
    """Readouts of ``targets`` in the current v1 graph.

    statistics: of each regression target's training labels. scratch: None to read standardised codes
    float32 [N, 16, 16, 8] (one placeholder a view); the name of the only target to train its own encoder
    with the readout from pictures in its input range.
    """
    v1.set_random_seed(seed)
    step = v1.train.get_or_create_global_step()
    if scratch is None:
        inputs = {
            kind: v1.placeholder(tf.float32, [None, *_CODE]) for kind in sorted({view_of(t) for t in targets})
        }
    else:
        inputs = {"pictures": v1.placeholder(tf.float32, [None, 64, 64, TASKS[scratch].input_channels])}
    labels = {}
    for target in targets:
        spec = TASKS[target]
        shape = {
            "dense": [None, GRID, GRID, spec.channels],
            "segmentation": [None, GRID, GRID],
            "classification": [None],
            "vector": [None, spec.channels],
        }[spec.kind]
        labels[target] = v1.placeholder(tf.float32 if statistics[target] else tf.int32, shape)

    def predictions(is_training: bool) -> dict[str, tf.Tensor]:
        def code(target: str) -> tf.Tensor:
            if scratch is None:
                return inputs[view_of(target)]
            own = ENTRIES[scratch]
            return encoder(inputs["pictures"], own.arch, own.prefix, is_training)[1]["compress1"]

        return {target: _readout(target, code(target), step, seed, is_training) for target in targets}

    objective = []
    for target, prediction in predictions(is_training=True).items():
        known = statistics[target]
        truth = labels[target] if known is None else (labels[target] - known.centre) / known.scale
        objective.append(tf.reduce_mean(image_losses(ENTRIES[target].loss, prediction, truth)))
    rate = v1.train.cosine_decay(budget.rate, step, budget.steps)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        train = v1.train.AdamOptimizer(rate).minimize(tf.add_n(objective), global_step=step)
    losses = []
    with v1.variable_scope(v1.get_variable_scope(), reuse=True):
        for target, prediction in predictions(is_training=False).items():
            known = statistics[target]
            if known is not None:
                prediction = prediction * known.scale + known.centre
            losses.append(image_losses(ENTRIES[target].loss, prediction, labels[target]))
    return Readouts(inputs, labels, step, train, tf.stack(losses))


def fit(
    readouts: Readouts,
    budget: Budget,
    seed: int,
    training: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
    test: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> np.ndarray:
    """Train all readouts from their initial weights and return their test losses, float32 [targets, N].

    training, test: (inputs by view, labels by target) as ``build`` declares them. The data order is drawn
    from ``seed``. Runs in a session of its own on the current graph.
    """
    inputs, labels = training
    count = len(next(iter(labels.values())))
    size = min(budget.batch, count)

    def feed(rows, source_inputs, source_labels):
        values = {readouts.inputs[kind]: source_inputs[kind][rows] for kind in readouts.inputs}
        values.update({readouts.labels[name]: source_labels[name][rows] for name in readouts.labels})
        return values

    with session() as sess:
        sess.run(v1.global_variables_initializer())
        for step in range(budget.steps):
            epoch, position = divmod(step, count // size)
            order = np.random.default_rng([seed, 5, epoch]).permutation(count)
            rows = order[position * size : (position + 1) * size]
            sess.run(readouts.train, feed(rows, inputs, labels))
        total = len(next(iter(test[1].values())))
        parts = [
            sess.run(readouts.losses, feed(slice(start, start + _BATCH), *test))
            for start in range(0, total, _BATCH)
        ]
    return np.concatenate(parts, axis=1)
