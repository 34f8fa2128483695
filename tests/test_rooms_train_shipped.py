"""The shipped rooms zoo: every encoder is whole, learnt its task, and has its measured transfers."""

from __future__ import annotations

import csv
import functools

import numpy as np
import pytest
import tensorflow as tf

from studies.rooms import truth
from studies.rooms.tasks import TASK_NAMES
from studies.rooms.train_plan import ENTRIES
from studies.rooms.train_report import zoo_table
from tfattr import resources
from tfattr.evaluation import Truth
from tfattr.zoo.file import open_zoo
from tfattr.zoo.rooms_encoder import encoder

ROOMS = resources.checkpoints() / "rooms"


def rows(name: str) -> list[dict[str, str]]:
    with (ROOMS / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@functools.lru_cache
def variables(arch: str, prefix: str, channels: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the variables that the builder makes."""
    with tf.Graph().as_default():
        encoder(tf.compat.v1.placeholder(tf.float32, [None, 64, 64, channels]), arch, prefix)
        return {variable.op.name: tuple(variable.shape) for variable in tf.compat.v1.global_variables()}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_encoder_is_the_one_of_the_plan(name):
    item = ENTRIES[name]
    reader = tf.train.load_checkpoint(str(ROOMS / name / "model.permanent-ckpt"))
    found = {key: tuple(shape) for key, shape in reader.get_variable_to_shape_map().items()}
    assert found == variables(item.arch, item.prefix, item.spec.input_channels)
    assert all(np.isfinite(reader.get_tensor(key)).all() for key in found)


def test_every_task_was_learnt():
    found = {row["name"]: row for row in rows("training.csv")}
    assert list(found) == list(ENTRIES)
    for name, row in found.items():
        item = ENTRIES[name]
        assert (row["task"], int(row["steps"]), int(row["seed"])) == (item.task, item.steps, item.seed)
        assert row["loss"] == item.loss
        if item.spec.kind == "classification":
            assert float(row["accuracy"]) >= 2 * float(row["majority_accuracy"])
        elif item.spec.kind == "vector":
            assert float(row["r2"]) >= 0.5
        else:
            # the colours of a building that was never seen are the one thing that cannot be known
            assert float(row["ratio"]) <= (0.81 if item.task == "colorization" else 0.7), name


def test_the_zoo_lists_every_encoder():
    zoo = open_zoo("rooms")
    assert [model.name for model in zoo][:20] == list(TASK_NAMES)
    assert {model.name: model.group for model in zoo} == {
        n: zoo_table(e)["group"] for n, e in ENTRIES.items()
    }


def test_measured_transfer_is_whole_and_normalised():
    affinity = truth.read_transfer(ROOMS / "transfer.csv")
    assert (affinity > 0).all()
    random = {
        row["target"]: float(row["affinity"]) for row in rows("transfer.csv") if row["source"] == "random"
    }
    np.testing.assert_allclose(affinity.sum(1) + [random[t] for t in TASK_NAMES], 1, atol=1e-6)
    # what a task's own encoder was trained for, its readout recovers better than from random features
    gain = truth.read_transfer(ROOMS / "transfer.csv", "gain")
    assert (np.diag(gain) > 0.1).all()
    order = Truth(TASK_NAMES, TASK_NAMES, affinity).ranking()
    assert TASK_NAMES[order[TASK_NAMES.index("rgb2depth"), 1]] == "rgb2mist"
    assert TASK_NAMES[order[TASK_NAMES.index("autoencoder"), 1]] == "denoise"
