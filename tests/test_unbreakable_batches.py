"""The feed (decoded once, falls back), batches halved where memory is short, representations as stored."""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from found import some
from small_zoo import METHODS, attribute, write_photos, write_zoo

import tfattr.precision
import tfattr.runs.feed
import tfattr.runs.shard
from tfattr.errors import ProbeError, SettingsError
from tfattr.probe import list_probe, read_photo
from tfattr.records import map_directory, read_maps
from tfattr.records.stored import stored_representation
from tfattr.runs.batching import BatchSize, default_batch_size
from tfattr.runs.feed import Feed
from tfattr.runs.representations import Representations
from tfattr.trunk import Preprocessing

FRAME = Preprocessing((12, 16), range="[-1,1]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, {"one": 1, "two": 2})
    write_photos(folder / "photos")
    return folder


@pytest.fixture
def images(folder):
    return list_probe(folder / "photos")


@pytest.fixture
def reads(monkeypatch):
    """How often each photograph is decoded."""
    count, lock = {}, threading.Lock()

    def counted(path, **options):
        with lock:
            count[path.name] = count.get(path.name, 0) + 1
        return read_photo(path, **options)

    monkeypatch.setattr(tfattr.runs.feed, "read_photo", counted)
    return count


def whole(feed, frame, size, span=range(10)):
    return np.concatenate(list(feed.batches(frame, span, size)))


def direct(images, frame, span=range(10)):
    return frame([read_photo(images[index].path) for index in span])


# --- the feed ---


def test_each_photograph_is_decoded_once_a_preprocessing(images, reads):
    other = Preprocessing((12, 16), range="[0,1]")
    with Feed(images) as feed:
        for frame in (FRAME, FRAME, Preprocessing((12, 16), range="[-1,1]")):
            np.testing.assert_array_equal(whole(feed, frame, 4), direct(images, frame))
        assert reads == {f"photo_{index:02d}.png": 1 for index in range(10)}
        np.testing.assert_array_equal(whole(feed, other, 4), direct(images, other))
        assert set(reads.values()) == {2}
        np.testing.assert_array_equal(whole(feed, FRAME, 3), direct(images, FRAME))  # batches of another size
        np.testing.assert_array_equal(whole(feed, FRAME, 5, range(3, 9)), direct(images, FRAME, range(3, 9)))
        assert set(reads.values()) == {2}
        assert feed.waited > 0


def test_batches_come_in_order_and_size(images):
    with Feed(images) as feed:
        batches = list(feed.batches(FRAME, range(2, 10), 3))
    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert all(batch.dtype == np.float32 and batch.shape[1:] == (12, 16, 3) for batch in batches)
    np.testing.assert_array_equal(np.concatenate(batches), direct(images, FRAME, range(2, 10)))


def test_a_feed_left_early_lets_the_next_model_begin(images, reads):
    with Feed(images) as feed:
        first = next(iter(feed.batches(FRAME, range(10), 4)))
        np.testing.assert_array_equal(first, direct(images, FRAME, range(4)))
        np.testing.assert_array_equal(whole(feed, FRAME, 4), direct(images, FRAME))


def test_nothing_is_left_in_the_scratch_folder(images, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Feed(images) as feed:
        whole(feed, FRAME, 4)
        assert list(tmp_path.iterdir()) == []  # not even now: a killed process leaves nothing behind


@pytest.mark.parametrize("shared", [True, False])
def test_without_room_images_are_made_anew(images, reads, monkeypatch, shared, caplog):
    monkeypatch.setattr(tfattr.runs.feed, "_ROOM", 10 * 12 * 16 * 3 * 4 - 1)
    with Feed(images, shared=shared) as feed:
        for _ in range(2):
            np.testing.assert_array_equal(whole(feed, FRAME, 4), direct(images, FRAME))
    assert set(reads.values()) == {2}
    assert caplog.text == ""


def test_room_is_for_all_preprocessings_together(images, reads, monkeypatch):
    monkeypatch.setattr(tfattr.runs.feed, "_ROOM", 10 * 12 * 16 * 3 * 4 + 1)
    other = Preprocessing((12, 16))
    with Feed(images) as feed:
        for frame in (FRAME, other, FRAME, other):
            np.testing.assert_array_equal(whole(feed, frame, 4), direct(images, frame))
    assert set(reads.values()) == {3}


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_full_scratch_disk(images, reads, monkeypatch, caplog, refused):
    """It is full after some batches: they are used, the rest is made anew, with one warning."""
    write, space = os.pwrite, (4 * refused + 1) * 12 * 16 * 3 * 4

    def full(file, data, offset):
        if offset >= space:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: min(1000, space - offset)], offset)  # a disk may take less than it is given

    monkeypatch.setattr(os, "pwrite", full)
    with Feed(images, workers=1) as feed:
        for _ in range(3):
            np.testing.assert_array_equal(whole(feed, FRAME, 4), direct(images, FRAME))
    kept = 4 * refused
    assert sorted(reads.values()) == sorted([1] * kept + [3] * (10 - kept))
    assert caplog.text.count("no scratch space for preprocessed images (No space left on device") == 1


def test_no_scratch_folder_at_all(images, monkeypatch, caplog):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with Feed(images) as feed:
        np.testing.assert_array_equal(whole(feed, FRAME, 4), direct(images, FRAME))
    assert "No usable temporary directory" in caplog.text


def test_a_scratch_file_that_lost_its_end(images, monkeypatch, caplog):
    with Feed(images) as feed:
        whole(feed, FRAME, 4)
        os.ftruncate(feed._kept[FRAME]._file.fileno(), 100)
        np.testing.assert_array_equal(whole(feed, FRAME, 4), direct(images, FRAME))
    assert "the scratch file ends early" in caplog.text


def test_batch_sizes():
    assert default_batch_size((224, 224)) == 8
    assert default_batch_size((24, 24)) == 32
    assert default_batch_size((2000, 1000)) == 1


# --- memory ---


def maps(out):
    return {
        (name, method): np.stack([one.map for one in read_maps(map_directory(out, name, method))])
        for name in ("one", "two")
        for method in METHODS
    }


@pytest.mark.slow
def test_batches_are_halved_until_they_fit(folder, tmp_path, monkeypatch, caplog):
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "usual")
    compute, tried = tfattr.runs.shard.attributions_for_storage, []

    def small_device(trunk, batch, settings, **storage):
        tried.append((trunk.name, len(batch)))
        if len(batch) > 1 + (trunk.name == "two"):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return compute(trunk, batch, settings, **storage)

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", small_device)
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "small")
    found, wanted = maps(tmp_path / "small"), maps(tmp_path / "usual")
    for key, array in some(wanted.items()):
        np.testing.assert_allclose(found[key], array, rtol=2e-3, atol=1e-3 * np.abs(array).max())
    usual, small = Representations(tmp_path / "usual"), Representations(tmp_path / "small")
    for name in ("one", "two"):
        np.testing.assert_allclose(small[name], usual[name], rtol=1e-5, atol=1e-6)
    # 32 -> 16 -> 8 -> 4 asks for four images each (a shard), 2 and 1 fit; then it is remembered
    assert [size for name, size in tried if name == "one"] == [4, 4, 4, 4, 2, *[1] * 10]
    assert [size for name, size in tried if name == "two"] == [4, 4, 4, 4, *[2] * 5]
    assert "one: out of memory; going on with 1 images at a time" in caplog.text
    assert not list((tmp_path / "small").rglob(".*unfinished-*"))


@pytest.mark.slow
def test_small_networks_get_two_batches_at_once_in_order(folder, tmp_path, monkeypatch):
    options = {"images_per_shard": 3, "batch_size": 1}
    compute, lock = tfattr.runs.shard.attributions_for_storage, threading.Lock()
    present, most, order, delays = [0], [0], [], itertools.cycle([0.03, 0.0, 0.01])

    def slow(trunk, batch, settings, **storage):
        with lock:
            present[0] += 1
            most.append(present[0])
            delay = next(delays)
        time.sleep(delay)  # the next one overtakes it
        found = compute(trunk, batch, settings, **storage)
        with lock:
            present[0] -= 1
            order.append(delay)
        return found

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", slow)
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "beside", **options)
    assert max(most) == 2
    assert order != list(itertools.islice(itertools.cycle([0.03, 0.0, 0.01]), len(order)))
    most[:] = []
    monkeypatch.setattr(tfattr.runs.shard, "_SHORT", 0.0)  # as for large ones
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "alone", **options)
    assert most == [1] * 20
    beside, alone = maps(tmp_path / "beside"), maps(tmp_path / "alone")
    for key, array in some(alone.items()):
        np.testing.assert_array_equal(beside[key], array)


@pytest.mark.slow
def test_what_fails_only_beside_another_batch_is_computed_alone(folder, tmp_path, monkeypatch, caplog):
    options = {"images_per_shard": 3, "batch_size": 1}
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "usual", **options)
    compute, lock, present, refused = tfattr.runs.shard.attributions_for_storage, threading.Lock(), [0], []

    def narrow(trunk, batch, settings, **storage):
        with lock:
            present[0] += 1
            crowded = present[0] > 1
        try:
            time.sleep(0.01)
            if crowded:
                refused.append(trunk.name)
                error = ValueError if trunk.name == "one" else tf.errors.ResourceExhaustedError
                raise error(None, None, "OOM") if trunk.name == "two" else error("crowded")
            return compute(trunk, batch, settings, **storage)
        finally:
            with lock:
                present[0] -= 1

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", narrow)
    manifest = attribute(folder / "zoo.toml", folder / "photos", tmp_path / "narrow", **options)
    assert set(refused) == {"one", "two"}
    assert not manifest.lacking
    assert "out of memory" not in caplog.text
    found, wanted = maps(tmp_path / "narrow"), maps(tmp_path / "usual")
    for key, array in some(wanted.items()):
        np.testing.assert_array_equal(found[key], array)


def test_a_users_method_is_called_from_one_thread(folder, tmp_path, monkeypatch):
    from tfattr.attribution import methods, register_method

    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))
    threads = set()

    def mine(x, gradient):
        threads.add(threading.current_thread().name)
        return gradient

    register_method(mine)
    attribute(folder / "zoo.toml", folder / "photos", tmp_path, methods=("saliency", "mine"), batch_size=1)
    assert threads == {threading.current_thread().name}


def test_an_image_that_is_gone_costs_no_shard_before_it(folder, tmp_path, monkeypatch):
    read = tfattr.runs.feed.read_photo

    def gone(path, **options):
        if path.stem.endswith("08"):
            raise ProbeError("gone")
        return read(path, **options)

    monkeypatch.setattr(tfattr.runs.feed, "read_photo", gone)
    with pytest.raises(ProbeError, match="gone"):
        attribute(folder / "zoo.toml", folder / "photos", tmp_path, images_per_shard=2, batch_size=2)
    assert len(list((tmp_path / "attributions" / "one" / "saliency").glob("*.tfrecord"))) == 4


def test_not_even_one_image_fits(folder, tmp_path, monkeypatch):
    def no_device(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", no_device)
    with pytest.raises(
        SettingsError, match="one: one image of 24 x 24 does not fit into the device's memory"
    ):
        attribute(folder / "zoo.toml", folder / "photos", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.tfrecord"))


def test_progress_counts_each_image_once(folder, tmp_path, monkeypatch):
    from tfattr.runs.plan import Plan
    from tfattr.runs.settings import RunSettings
    from tfattr.runs.shard import compute_shards
    from tfattr.zoo.file import open_zoo

    compute, failures = tfattr.runs.shard.attributions_for_storage, iter([True, False, True])

    def sometimes(trunk, batch, settings, **storage):
        if next(failures, False):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return compute(trunk, batch, settings, **storage)

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", sometimes)
    images = list_probe(folder / "photos")
    plan = Plan(
        tmp_path,
        tuple(image.id for image in images),
        RunSettings(methods=METHODS, images_per_shard=4),
    )
    trunk, told = next(iter(open_zoo(folder / "zoo.toml"))).load(), []
    with Feed(images) as feed:
        compute_shards(plan, trunk, feed, plan.missing("one"), told.append)
    assert sum(told) == 10
    assert min(told) < 0 or len(told) > 3
    assert plan.missing("one") == []


def grown(rates, most=64):
    """The sizes that are tried where the rate by size is this (None: it does not fit), and the last one."""
    size, tried = BatchSize(8, most), []
    while True:
        tried.append(size.size)
        if rates[size.size] is None:
            assert size.too_large()
        for _ in range(3):
            size.took(size.size, size.size / rates[size.size])
        if size.settled:
            return tried, size.size
        size.adapt()


def test_a_batch_is_doubled_until_the_rate_stops_rising():
    assert grown({8: 100, 16: 150, 32: 164, 64: 900}) == ([8, 16, 32, 16], 16)  # 32 brings 9 %
    assert grown({8: 100, 16: 150, 32: 166, 64: 190}) == ([8, 16, 32, 64], 64)
    assert grown({8: 100, 16: 90}) == ([8, 16, 8], 8)
    assert grown({8: 100, 16: 150, 32: None}) == ([8, 16, 32], 16)
    assert grown({8: None, 4: 10}) == ([8], 4)


def test_the_first_batch_of_a_size_and_short_ones_do_not_count():
    size = BatchSize(8, 64)
    size.took(8, 0.001)
    size.took(5, 0.001)
    size.adapt()
    assert (size.size, size.settled) == (8, False)
    fixed = BatchSize(12)
    fixed.took(12, 1.0)
    fixed.took(12, 1.0)
    fixed.adapt()
    assert (fixed.size, fixed.settled) == (12, True)
    assert [fixed.too_large() for _ in range(4)] == [True, True, True, False]


def test_an_accelerator_adapts_and_remembers_for_the_architecture(folder, tmp_path, monkeypatch):
    """On a CPU that says it is a GPU; the second model, of the same architecture, begins where the first ended."""
    import tfattr.runs.batching
    from tfattr.records import RunManifest

    def faster_and_faster(self, images, _):
        self._rate = 10.0**images

    monkeypatch.setattr(tfattr.precision, "accelerated", lambda: True)
    monkeypatch.setattr(tfattr.runs.batching, "_FIRST", 1)
    monkeypatch.setattr(tfattr.runs.batching, "_by_architecture", {})
    monkeypatch.setattr(BatchSize, "took", faster_and_faster)
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "adapted")
    attribute(folder / "zoo.toml", folder / "photos", tmp_path / "usual", batch_size=4)
    assert len(tfattr.runs.batching._by_architecture) == 1
    facts = RunManifest.load(tmp_path / "adapted").computing
    assert facts["models"] == {name: {"batch_size": 4} for name in ("one", "two")}
    assert facts["device"]["precision"] == "float32"
    wanted = maps(tmp_path / "usual")
    for key, array in some(maps(tmp_path / "adapted").items()):
        np.testing.assert_allclose(array, wanted[key], rtol=2e-3, atol=1e-3 * np.abs(wanted[key]).max())


# --- representations as stored ---


@pytest.mark.parametrize("shape", [(5, 7, 3), (8, 8, 6), (9, 2, 4), (1, 12, 3), (13, 11, 1)])
@pytest.mark.parametrize("most", [1, 10, 40, 100, 10_000])
def test_block_means_by_brute_force(shape, most):
    array = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    height, width, channels = shape
    factor = next(
        factor
        for factor in range(1, 99)
        if -(-height // factor) * -(-width // factor) * channels <= most or factor >= max(height, width)
    )
    found = stored_representation(array, most)
    rows, columns = -(-height // factor), -(-width // factor)
    assert found.shape == (3, rows, columns, channels)
    assert found.dtype == np.float32
    for row in range(rows):
        for column in range(columns):
            block = array[:, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            wanted = block.astype(np.float64).mean(axis=(1, 2))
            np.testing.assert_allclose(found[:, row, column], wanted, rtol=1e-6, atol=1e-7)
    if factor == 1:
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "shape, stored", [((), (1, 1, 1)), ((7,), (1, 1, 7)), ((3, 5), (1, 3, 5)), ((2, 3, 4, 5), (2, 12, 5))]
)
def test_representations_of_other_ranks(shape, stored):
    array = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    found = stored_representation(array)
    assert found.shape == (2, *stored)
    np.testing.assert_array_equal(found.ravel(), array.ravel())
