"""Training of the rooms encoders on made-up pictures: names, resume, export, scores, description."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from studies.rooms import train_report
from studies.rooms.inputs import network_input
from studies.rooms.networks import encoder_scopes
from studies.rooms.tasks import TASKS
from studies.rooms.train_graph import build, is_encoder_variable, session
from studies.rooms.train_loop import CHECKPOINT_NAME, Examples, batch_indices, train, training_batch
from studies.rooms.train_plan import ENTRIES, MIRROR_SIGNS, entry
from studies.rooms.train_score import constant_prediction, constant_scores
from tfattr.errors import SettingsError
from tfattr.zoo.rooms_encoder import ARCHS, encoder

v1 = tf.compat.v1


def made_up(task: str, count: int, seed: int) -> Examples:
    """Random pictures with random labels in the task's layout."""
    spec = TASKS[task]
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8)
    if spec.kind == "dense":
        labels = rng.random((count, 64, 64, spec.channels), dtype=np.float32)
    elif spec.kind == "vector":
        labels = rng.standard_normal((count, spec.channels)).astype(np.float32)
    else:
        shape = (count, 64, 64) if spec.kind == "segmentation" else (count,)
        labels = rng.integers(0, spec.channels, shape).astype(np.int32)
    return Examples(rgb, labels)


def short(name: str, steps: int = 6):
    return dataclasses.replace(entry(name), steps=steps, batch=4)


def run(item, tmp_path, name="work", **options):
    data = made_up(item.task, 12, 0), made_up(item.task, 6, 1)
    return train(item, *data, tmp_path / name, tmp_path / f"{name}-out", report=lambda line: None, **options)


def final_state(folder) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["denoise", "class_places"])
def test_resumed_training_ends_in_the_same_state(tmp_path, name):
    item = short(name)
    run(item, tmp_path, "whole", save_every=2)
    assert run(item, tmp_path, "broken", save_every=2, stop_at=5) is None  # the last state is step 4
    assert not (tmp_path / "broken" / "result.json").exists()
    resumed = run(item, tmp_path, "broken", save_every=2)
    assert resumed["steps"] == 6
    whole, broken = final_state(tmp_path / "whole"), final_state(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert int(whole["global_step"]) == 6
    assert any(key.endswith("/Adam_1") for key in whole)
    for key in whole:
        np.testing.assert_array_equal(whole[key], broken[key], err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["colorization", "vanishing_point", "rgb2depth_plain"])
def test_exported_encoder_gives_the_training_sessions_code(tmp_path, name):
    item = short(name, steps=3)
    row = run(item, tmp_path)
    prefix = tmp_path / "work-out" / CHECKPOINT_NAME
    assert sorted(p.name for p in prefix.parent.iterdir()) == [
        f"{CHECKPOINT_NAME}.data-00000-of-00001",
        f"{CHECKPOINT_NAME}.index",
    ]
    images = network_input(made_up(item.task, 3, 2).rgb, item.spec.input)
    with tf.Graph().as_default(), session() as sess:
        statistics = None
        if item.loss != "softmax":
            from studies.rooms.train_graph import Statistics

            statistics = Statistics.of(made_up(item.task, 12, 0).labels)
        graph = build(item, statistics)
        graph.state_saver.restore(sess, tf.train.latest_checkpoint(str(tmp_path / "work")))
        trained = sess.run(graph.code, {graph.images: images})
    with tf.Graph().as_default() as rebuilt, session() as sess:
        placeholder = v1.placeholder(tf.float32, [None, 64, 64, item.spec.input_channels])
        net, _ = encoder(placeholder, item.arch, item.prefix)
        reader = tf.train.load_checkpoint(str(prefix))
        for variable in v1.global_variables():
            variable.load(reader.get_tensor(variable.op.name), sess)
        loaded = sess.run(net, {placeholder: images})
        named = sess.run(rebuilt.get_tensor_by_name(train_report.output_tensor(item)), {placeholder: images})
    sizes = [int(np.prod(shape)) for shape in reader.get_variable_to_shape_map().values()]
    assert sum(sizes) == row["parameters"]  # nothing beside the encoder is in the file
    np.testing.assert_allclose(loaded, trained, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(named, loaded)
    assert (loaded >= 0).all()
    assert loaded.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["autoencoder", "colorization", "class_places", "rgb2depth_plain"])
def test_encoders_are_small_and_carry_taskonomys_names(name):
    item = ENTRIES[name]
    with tf.Graph().as_default():
        placeholder = v1.placeholder(tf.float32, [None, 64, 64, item.spec.input_channels])
        net, _ = encoder(placeholder, item.arch, item.prefix)
        shapes = {variable.op.name: tuple(variable.shape) for variable in v1.global_variables()}
    assert 4 * sum(int(np.prod(shape)) for shape in shapes.values()) <= 1_000_000
    start = "feedforward/" if item.task in FEED_FORWARD else ""
    assert tuple(net.shape[1:]) == ((2048,) if start else (16, 16, 8))
    assert shapes[f"{start}encoder/conv1/weights"][2] == (1 if item.task == "colorization" else 3)
    assert shapes[f"{start}compress1/weights"][3] == 8
    for layer in ("encoder/conv1", "compress1"):
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            assert f"{start}{layer}/BatchNorm/{part}" in shapes
    assert not any(key.endswith("biases") for key in shapes)
    assert all(is_encoder_variable(key, item.prefix) for key in shapes)
    if item.arch == "resnet":
        unit = f"{start}encoder/block1/unit_1/bottleneck_v1"
        for conv in ("shortcut", "conv1", "conv2", "conv3"):
            assert f"{unit}/{conv}/weights" in shapes
            assert f"{unit}/{conv}/BatchNorm/moving_variance" in shapes


FEED_FORWARD = {"room_layout", "vanishing_point", "class_1000", "class_places"}


def test_the_plan_holds_the_tasks_in_order_then_the_repeated_ones():
    assert list(ENTRIES)[:20] == list(TASKS)
    assert {item.task for item in list(ENTRIES.values())[20:]} == {"autoencoder", "rgb2sfnorm", "rgb2depth"}
    assert {item.task for item in ENTRIES.values() if item.prefix == "feedforward"} == FEED_FORWARD
    assert len({item.seed for item in ENTRIES.values()}) == len(ENTRIES)


def test_optimiser_slots_and_decoders_are_no_encoder_variables():
    assert encoder_scopes("feedforward") == ("feedforward/encoder/", "feedforward/compress1/")
    assert not is_encoder_variable("decoder/conv1/weights", "")
    assert not is_encoder_variable("encoder/conv1/weights/Adam_1", "")
    assert not is_encoder_variable("encoder/conv1/weights", "feedforward")


def test_an_unknown_architecture_is_named():
    with tf.Graph().as_default(), pytest.raises(SettingsError, match="nonesuch.*plain, resnet"):
        encoder(v1.placeholder(tf.float32, [None, 64, 64, 3]), arch="nonesuch")
    assert set(ARCHS) == {"plain", "resnet"}


def test_every_pass_shows_every_picture_once():
    item = short("autoencoder")
    first = np.concatenate([batch_indices(item, step, 13) for step in range(3)])
    second = np.concatenate([batch_indices(item, step, 13) for step in range(3, 6)])
    assert len(set(first)) == len(set(second)) == 12
    assert list(first) != list(second)
    np.testing.assert_array_equal(batch_indices(item, 4, 13), batch_indices(item, 4, 13))


def test_mirrored_pictures_keep_their_labels_aligned():
    item = dataclasses.replace(entry("segmentsemantic"), batch=8)
    data = made_up("segmentsemantic", 8, 3)
    # labels that can be read off the picture
    data = Examples(data.rgb, (data.rgb[..., 0] // 32).astype(np.int32))
    images, labels = training_batch(item, data, network_input(data.rgb, "plain"), step=0)
    seen = (np.rint((images[..., 0] + 1) * 127.5) // 32).astype(np.int32)
    np.testing.assert_array_equal(seen, labels)
    rows = batch_indices(item, 0, 8)
    flipped = [not np.array_equal(labels[k], data.labels[rows[k]]) for k in range(8)]
    assert any(flipped)
    assert not all(flipped)


def test_noise_is_drawn_from_the_step():
    item = short("denoise")
    data = made_up("denoise", 4, 0)
    again = [training_batch(item, data, None, step)[0] for step in (0, 0, 1)]
    np.testing.assert_array_equal(again[0], again[1])
    assert np.abs(again[0] - network_input(data.rgb[batch_indices(item, 0, 4)], "low_sat")).mean() > 0.05


def test_constant_predictors_against_numpy():
    rng = np.random.default_rng(0)
    train_labels, labels = rng.gamma(1.0, size=(7, 5, 5, 2)), rng.gamma(1.0, size=(4, 5, 5, 2))
    median = constant_prediction("l1", train_labels, 2)
    np.testing.assert_allclose(median, [np.median(train_labels[..., c]) for c in (0, 1)])
    expected = np.mean([np.abs(labels[..., c] - median[c]).mean() for c in (0, 1)])
    assert constant_scores("l1", median, labels)["loss"] == pytest.approx(expected)
    mean = constant_prediction("l2", train_labels, 2)
    expected = np.mean([((labels[..., c] - train_labels[..., c].mean()) ** 2).mean() for c in (0, 1)])
    assert constant_scores("l2", mean, labels)["loss"] == pytest.approx(expected)
    frequencies = constant_prediction("softmax", np.array([0, 0, 0, 1, 1, 2]), 4)
    np.testing.assert_allclose(frequencies, [0.4, 0.3, 0.2, 0.1])
    scores = constant_scores("softmax", frequencies, np.array([0, 2, 0, 3]))
    assert scores["loss"] == pytest.approx(-(2 * np.log(0.4) + np.log(0.2) + np.log(0.1)) / 4)
    assert scores["accuracy"] == 0.5


@pytest.mark.slow
def test_the_result_row_agrees_with_numpy(tmp_path):
    item = short("vanishing_point", steps=2)
    row = run(item, tmp_path)
    training, validation = made_up(item.task, 12, 0), made_up(item.task, 6, 1)
    constant = np.mean((validation.labels - training.labels.mean(0)) ** 2)
    assert row["constant_loss"] == pytest.approx(constant, rel=1e-4)
    assert row["ratio"] == pytest.approx(row["validation_loss"] / row["constant_loss"], abs=1e-3)
    assert row["r2"] == pytest.approx(1 - row["ratio"], abs=1e-3)
    assert json.loads((tmp_path / "work" / "result.json").read_text()) == row


@pytest.mark.slow
def test_training_with_other_settings_is_refused(tmp_path):
    run(short("class_1000", steps=2), tmp_path)
    with pytest.raises(SettingsError, match="steps = 2, now 3"):
        run(short("class_1000", steps=3), tmp_path)


def test_training_csv_and_zoo_file(tmp_path):
    rows = [dict.fromkeys(train_report.COLUMNS, "1") | {"name": name} for name in ("denoise", "autoencoder")]
    for row in (*rows, rows[0] | {"ratio": "2"}):
        train_report.update_training_csv(tmp_path / "training.csv", row)
    with (tmp_path / "training.csv").open() as stream:
        found = list(csv.DictReader(stream))
    assert [(row["name"], row["ratio"]) for row in found] == [("autoencoder", "1"), ("denoise", "2")]
    for name in ("colorization", "class_places", "inpainting_whole", "denoise"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{CHECKPOINT_NAME}.index").write_bytes(b"")
    assert train_report.write_zoo(tmp_path) == ["denoise", "colorization", "class_places", "inpainting_whole"]
    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    models = {m["name"]: m for m in tomllib.loads((tmp_path / "zoo.toml").read_text())["model"]}
    assert models["denoise"]["clip"] == [0.1, 0.9]
    assert models["colorization"]["color"] == "L"
    assert models["inpainting_whole"]["hole"] == [16, 48, 16, 48]
    assert models["class_places"]["output"] == "feedforward/encoder/squeeze:0"
    assert "clip" not in models["class_places"]


@pytest.mark.parametrize("name", list(TASKS))
def test_the_zoo_files_preprocessing_is_the_networks_input(name):
    from tfattr.trunk.preprocessing import Preprocessing

    table = train_report.zoo_table(entry(name))
    fields = {key: table[key] for key in ("size", "color", "range", "clip", "hole") if key in table}
    rgb = made_up("autoencoder", 2, 5).rgb
    np.testing.assert_allclose(Preprocessing(**fields)(rgb), network_input(rgb, TASKS[name].input), atol=5e-4)


def test_mirrored_layouts_are_the_labels_of_the_mirrored_world():
    from studies.rooms.labels import room_layout, vanishing_point

    rng = np.random.default_rng(8)
    mirror = np.diag([-1.0, 1.0, 1.0])
    # cameras that look near the horizon, as the rooms' do: z forward, y down
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    small = np.stack([_rotation(*rng.uniform([-0.7, -0.4, -0.1], [0.7, 0.4, 0.1])) for _ in range(50)])
    rotation = small @ level
    low = rng.uniform(-3, -1, (50, 3))
    room = np.stack([low, low + rng.uniform(2, 5, (50, 3))], axis=-1)
    arrays = {"rotation": rotation, "position": rng.uniform(-1, 1, (50, 3)), "room": room}
    mirrored_room = room.copy()
    mirrored_room[:, 0] = -room[:, 0, ::-1]
    mirrored = {
        "rotation": mirror @ rotation @ mirror,
        "position": arrays["position"] @ mirror,
        "room": mirrored_room,
    }
    for name, label in (("vanishing_point", vanishing_point), ("room_layout", room_layout)):
        np.testing.assert_allclose(
            label(mirrored), label(arrays) * MIRROR_SIGNS[name], atol=2e-4, err_msg=name
        )


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    def turn(a, b, angle):
        out = np.eye(3)
        out[a, a] = out[b, b] = np.cos(angle)
        out[a, b], out[b, a] = -np.sin(angle), np.sin(angle)
        return out

    return turn(0, 1, roll) @ turn(1, 2, pitch) @ turn(0, 2, yaw)


def test_colour_casts_keep_the_input_range_and_the_labels():
    item = dataclasses.replace(entry("room_layout"), batch=8)
    data = made_up("room_layout", 8, 4)
    inputs = network_input(data.rgb, item.spec.input)
    images, labels = training_batch(item, data, inputs, step=3)
    rows = batch_indices(item, 3, 8)
    assert np.abs(images).max() <= 1
    assert np.abs(images - inputs[rows]).mean() > 0.01
    np.testing.assert_allclose(np.abs(labels), np.abs(data.labels[rows]), rtol=1e-6)
