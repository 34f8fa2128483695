"""Training of one rooms encoder: data order, resume, evaluation, and what is written."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from studies.rooms.inputs import network_input
from studies.rooms.train_graph import Statistics, TrainingGraph, build, session
from studies.rooms.train_plan import MIRROR_SIGNS, Entry
from studies.rooms.train_score import constant_prediction, constant_scores
from tfattr.errors import ModelFileError, SettingsError

v1 = tf.compat.v1

CHECKPOINT_NAME = "model.permanent-ckpt"  # Taskonomy's file name
_EVALUATION_BATCH = 50


@dataclasses.dataclass(frozen=True)
class Examples:
    """Pictures of a split with one task's labels: uint8 [N, 64, 64, 3] and the label array [N, ...]."""

    rgb: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)


def batch_indices(entry: Entry, step: int, count: int) -> np.ndarray:
    """Indices of the pictures of batch ``step`` (from 0), int [batch].

    Each pass over the data is a permutation drawn from (seed, pass); the tail that fills no batch is left
    out. A function of the step alone, so a resumed run sees what an uninterrupted one sees.
    """
    size = min(entry.batch, count)
    batches = count // size
    order = np.random.default_rng([entry.seed, 1, step // batches]).permutation(count)
    start = step % batches * size
    return order[start : start + size]


def training_batch(
    entry: Entry, data: Examples, inputs: np.ndarray | None, step: int
) -> tuple[np.ndarray, ...]:
    """Network input and labels of batch ``step``. ``inputs``: all inputs precomputed, None where noise is drawn."""
    rows = batch_indices(entry, step, len(data))
    rng = np.random.default_rng([entry.seed, 2, step])
    if inputs is None:
        images = network_input(data.rgb[rows], entry.spec.input, rng)
    else:
        images = inputs[rows]
    labels = data.labels[rows]
    if entry.mirrored:
        flip = rng.random(len(rows)) < 0.5
        images = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
        if labels.ndim > 2:
            labels = np.where(flip.reshape(-1, *[1] * (labels.ndim - 1)), labels[:, :, ::-1], labels)
        elif labels.ndim == 2:
            labels = np.where(flip[:, None], labels * np.float32(MIRROR_SIGNS[entry.task]), labels)
    if entry.regularised:
        gain = 1 + 0.2 * rng.standard_normal((len(rows), 1, 1, images.shape[3]), dtype=np.float32)
        cast = 0.1 * rng.standard_normal((len(rows), 1, 1, images.shape[3]), dtype=np.float32)
        images = np.clip(images * gain + cast, -1, 1)
    return images, labels


def train(
    entry: Entry,
    training: Examples,
    validation: Examples,
    work: Path,
    out: Path,
    *,
    precision: str = "float32",
    save_every: int = 250,
    stop_at: int | None = None,
    report: Callable[[str], None] = print,
) -> dict | None:
    """Train ``entry``, from the last state under ``work`` if there is one; returns its result row.

    work: directory of this entry (states ``state-*``, ``result.json``); out: directory that receives the
    encoder alone as ``model.permanent-ckpt``. precision: of the training steps (``train_graph.session``);
    the scores are always float32. stop_at: leave at this step as an interruption would, with
    None returned. A finished entry is not trained again. Raises SettingsError if the states under
    ``work`` belong to other settings.
    """
    work.mkdir(parents=True, exist_ok=True)
    row = finished(entry, work, out, precision)
    if row is not None:
        return row
    _write_json(work / "settings.json", _settings(entry, precision))
    statistics = None if entry.loss == "softmax" else Statistics.of(training.labels)
    noisy = entry.spec.input == "noisy"
    inputs = None if noisy else network_input(training.rgb, entry.spec.input)
    with tf.Graph().as_default():
        graph = build(entry, statistics)
        with session(precision=precision) as sess:
            step, seconds = _restore(graph, sess, work)
            started = time.perf_counter() - seconds
            recent: list[float] = []
            while step < entry.steps:
                if step == stop_at:
                    return None
                images, labels = training_batch(entry, training, inputs, step)
                _, loss = sess.run(
                    [graph.train, graph.train_loss], {graph.images: images, graph.labels: labels}
                )
                step += 1
                recent.append(float(loss))
                if not np.isfinite(loss):
                    raise ModelFileError(
                        f"{entry.name}: the training loss is {loss} at step {step}; lower the rate."
                    )
                if step % save_every == 0 or step == entry.steps:
                    seconds = time.perf_counter() - started
                    _save(graph, sess, work, step, seconds)
                    report(
                        f"{entry.name}: step {step}/{entry.steps}, loss {np.mean(recent):.4f}, "
                        f"{step * entry.batch / seconds:.0f} images/s, "
                        f"{(entry.steps - step) * seconds / step:.0f} s left"
                    )
                    recent.clear()
        with session() as sess:
            _restore(graph, sess, work)
            scores = evaluate(entry, graph, sess, validation)
            export_encoder(graph, sess, out)
    result = _row(entry, graph, scores, training, validation, seconds)
    result["precision"] = precision
    _write_json(work / "result.json", result)
    return result


def _settings(entry: Entry, precision: str) -> dict:
    return {**dataclasses.asdict(entry), "precision": precision}


def finished(entry: Entry, work: Path, out: Path, precision: str = "float32") -> dict | None:
    """The result row of an entry that was trained to its end and whose encoder is in ``out``, else None.

    Raises SettingsError if ``work`` holds a training with other settings.
    """
    settings = work / "settings.json"
    if not settings.exists():
        return None
    found = json.loads(settings.read_text())
    for key, value in _settings(entry, precision).items():
        if found.get(key) != value:
            raise SettingsError(
                f"{work} holds a training with {key} = {found.get(key)!r}, now {value!r}; "
                "delete the directory to train anew."
            )
    done = work / "result.json"
    if not done.exists() or not (out / f"{CHECKPOINT_NAME}.index").exists():
        return None
    return json.loads(done.read_text())


def evaluate(entry: Entry, graph: TrainingGraph, sess: v1.Session, data: Examples) -> dict[str, float]:
    """Mean loss (and ``accuracy`` for classes) over ``data`` in inference mode, noise drawn from the seed."""
    rng = np.random.default_rng([entry.seed, 3])
    losses, correct = [], []
    for start in range(0, len(data), _EVALUATION_BATCH):
        rows = slice(start, start + _EVALUATION_BATCH)
        feed = {
            graph.images: network_input(data.rgb[rows], entry.spec.input, rng),
            graph.labels: data.labels[rows],
        }
        losses.append(sess.run(graph.losses, feed))
        if graph.correct is not None:
            correct.append(sess.run(graph.correct, feed))
    scores = {"loss": float(np.concatenate(losses).mean())}
    if correct:
        scores["accuracy"] = float(np.concatenate(correct).mean())
    return scores


def export_encoder(graph: TrainingGraph, sess: v1.Session, out: Path) -> Path:
    """Write the encoder's variables alone as a TF1 V2 checkpoint into ``out``; returns its prefix."""
    out.mkdir(parents=True, exist_ok=True)
    temporary = out / f"partial-{os.getpid()}"
    graph.encoder_saver.save(sess, str(temporary), write_meta_graph=False, write_state=False)
    for suffix in ("data-00000-of-00001", "index"):
        os.replace(f"{temporary}.{suffix}", out / f"{CHECKPOINT_NAME}.{suffix}")
    return out / CHECKPOINT_NAME


def _restore(graph: TrainingGraph, sess: v1.Session, work: Path) -> tuple[int, float]:
    sess.run(v1.global_variables_initializer())
    latest = tf.train.latest_checkpoint(str(work))
    if latest is None:
        return 0, 0.0
    graph.state_saver.restore(sess, latest)
    clock = work / "seconds.json"
    seconds = json.loads(clock.read_text())["seconds"] if clock.exists() else 0.0
    return int(sess.run(graph.step)), float(seconds)


def _save(graph: TrainingGraph, sess: v1.Session, work: Path, step: int, seconds: float) -> None:
    graph.state_saver.save(sess, str(work / "state"), global_step=step, write_meta_graph=False)
    _write_json(work / "seconds.json", {"seconds": round(seconds, 1)})


def _row(
    entry: Entry,
    graph: TrainingGraph,
    scores: dict[str, float],
    training: Examples,
    validation: Examples,
    seconds: float,
) -> dict:
    constant = constant_prediction(entry.loss, training.labels, entry.spec.channels)
    baseline = constant_scores(entry.loss, constant, validation.labels)
    kind = entry.spec.kind
    ratio = scores["loss"] / baseline["loss"]
    classes = kind == "classification"
    return {
        "name": entry.name,
        "task": entry.task,
        "group": entry.spec.group,
        "kind": kind,
        "architecture": entry.arch,
        "split": entry.split,
        "seed": entry.seed,
        "parameters": graph.encoder_parameters,
        "pictures": len(training),
        "steps": entry.steps,
        "batch": entry.batch,
        "seconds": round(seconds, 1),
        "loss": entry.loss,
        "validation_loss": round(scores["loss"], 6),
        "constant_loss": round(baseline["loss"], 6),
        "ratio": round(ratio, 4),
        "accuracy": round(scores["accuracy"], 4) if classes else "",
        "majority_accuracy": round(baseline["accuracy"], 4) if classes else "",
        "r2": round(1 - ratio, 4) if entry.loss == "l2" else "",
    }


def _write_json(path: Path, content: dict) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)
