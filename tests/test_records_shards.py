"""Records: layout, encoding, shards that are whole or absent, damage, the published feature spec."""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import encode, make_record

import tfattr.records.spec
from tfattr.errors import RecordsError, SettingsError
from tfattr.io import remove_unfinished
from tfattr.records import (
    FEATURE_SPEC,
    ShardLayout,
    ShardWriter,
    channel_mean,
    damaged_shards,
    decode,
    find_shards,
    map_directory,
    parse_shard_name,
    read_maps,
    read_shard,
    stored,
)

IDS = [f"folder/image {index} ü.jpg" for index in range(7)]
LAYOUT = ShardLayout(images=7, per_shard=3)


def random_maps(count=7, shape=(6, 5, 3), seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def write_run(directory, maps, ids=IDS, layout=LAYOUT, **options):
    for shard in range(layout.count):
        span = layout.span(shard)
        with ShardWriter(directory, layout, shard, ids, **options) as writer:
            writer.add(maps[span.start : span.start + 1])  # two batches, of 1 and of the rest
            writer.add(maps[span.start + 1 : span.stop])


def visible(directory):
    return sorted(file.name for file in directory.iterdir())


# --- layout ---


@given(st.integers(1, 500), st.integers(1, 80))
def test_spans_partition_the_images(images, per_shard):
    layout = ShardLayout(images, per_shard)
    spans = [layout.span(shard) for shard in range(layout.count)]
    assert [index for span in spans for index in span] == list(range(images))
    assert all(len(span) == per_shard for span in spans[:-1])
    assert [parse_shard_name(name) for name in layout.names()] == [
        (shard, layout.count) for shard in range(layout.count)
    ]


def test_names_and_bad_names(tmp_path):
    assert LAYOUT.names()[0] == "maps-00000-of-00003.tfrecord"
    for name in ["maps-00003-of-00003.tfrecord", "maps-0-of-1.tfrecord", "x-00000-of-00001.tfrecord"]:
        with pytest.raises(RecordsError, match="not a shard's name"):
            parse_shard_name(name)
    assert (
        map_directory(tmp_path, "espcn_x2", "lrp.epsilon") == tmp_path / "attributions/espcn_x2/lrp.epsilon"
    )
    for name in ["", "a/b", "..", ".x", "a\\b", "a\nb"]:
        with pytest.raises(SettingsError, match="model name"):
            map_directory(tmp_path, name, "saliency")
    with pytest.raises(SettingsError, match="at least 1"):
        ShardLayout(0)
    with pytest.raises(SettingsError, match="at least 1"):
        ShardLayout(1, 0)


# --- one record ---


@pytest.mark.parametrize("magnitude", [1e-44, 1e-30, 1.0, 1e30, 3e38])
@pytest.mark.parametrize("channels", ["mean", "all"])
def test_float16_keeps_any_magnitude(magnitude, channels):
    values = random_maps(1)[0].astype(np.float64)
    values = (values / np.abs(values).max() * magnitude).astype(np.float32)
    record = decode(encode(make_record(values, "x", 3, channels=channels)))
    want = values.astype(np.float64)
    if channels == "mean":
        want = want.mean(axis=-1, keepdims=True)
    want = want.astype(np.float32)
    assert record.stored.dtype == np.float16
    assert np.abs(record.stored).max() == 1.0
    assert record.scale == pytest.approx(np.abs(want).max(), rel=3e-7 if channels == "mean" else 0, abs=0)
    assert (record.id, record.index, record.finite) == ("x", 3, True)
    # 2**-11 of the value, 2**-25 of the peak, float32's own granularity; a mean's, that of its sum
    bound = np.abs(want) * 2**-11 + np.abs(want).max() * 2.0**-24 + 2e-45
    if channels == "mean":
        bound += np.abs(values.astype(np.float64)).mean(axis=-1, keepdims=True) * 2.0**-22
    assert np.all(np.abs(record.map.astype(np.float64) - want) <= bound)
    norm = np.sqrt(np.sum(want.astype(np.float64) ** 2))
    assert record.norm == pytest.approx(min(norm, 3.4028235e38), rel=1e-6, abs=2e-45)


def test_float32_is_exact():
    values = random_maps(1)[0]
    record = decode(encode(make_record(values, "x", 0, channels="all", dtype="float32")))
    np.testing.assert_array_equal(record.map, values)
    assert record.scale == 1.0


def test_zero_and_non_finite_maps():
    zero = decode(encode(make_record(np.zeros((3, 2, 1), np.float32), "z", 0)))
    assert not zero.map.any()
    assert (zero.scale, zero.norm, zero.finite) == (1.0, 0.0, True)
    for dtype in ["float16", "float32"]:
        values = np.array([[1.0, np.nan], [-4.0, np.inf], [-np.inf, 2.0]], np.float32)[..., None]
        broken = decode(encode(make_record(values, "n", 0, dtype=dtype)))
        assert not broken.finite
        assert np.isnan(broken.norm)
        np.testing.assert_array_equal(broken.map, values)
    nothing = decode(encode(make_record(np.full((2, 2, 1), np.nan, np.float32), "n", 0)))
    assert not nothing.finite
    assert np.isnan(nothing.map).all()
    overflow = make_record(np.full((2, 2, 1), 1e300), "o", 0, channels="all")  # float64 beyond float32
    assert not overflow.finite


def test_channel_mean_is_summed_in_float64():
    maps = np.array([[[1e8, 1.0, -1e8]], [[3e38, 3e38, 3e38]]], np.float32)
    np.testing.assert_allclose(channel_mean(maps)[..., 0], [[1 / 3], [3e38]], rtol=1e-6)


def test_settings_that_cannot_be_stored():
    values = random_maps(1)[0]
    with pytest.raises(SettingsError, match="channels is 'max'"):
        make_record(values, "x", 0, channels="max")
    with pytest.raises(SettingsError, match="dtype of records is 'int8'"):
        make_record(values, "x", 0, dtype="int8")
    with pytest.raises(SettingsError, match=r"shape \(1, 6, 5\)"):
        make_record(values[..., 0], "x", 0)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused(data):
    with pytest.raises(RecordsError, match="not an attribution map"):
        decode(data)


# --- shards ---


@pytest.mark.parametrize("channels", ["mean", "all"])
def test_round_trip(tmp_path, channels):
    maps = random_maps()
    write_run(tmp_path, maps, channels=channels, dtype="float32")
    assert visible(tmp_path) == LAYOUT.names()
    assert [file.name for file in find_shards(tmp_path)] == LAYOUT.names()
    records = list(read_maps(tmp_path, IDS))
    assert [record.id for record in records] == IDS
    assert [record.index for record in records] == list(range(7))
    want = maps if channels == "all" else maps.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.stack([record.map for record in records]), want, rtol=1e-6, atol=1e-7)
    second = read_shard(tmp_path / LAYOUT.name(1), IDS[3:6])
    assert [record.id for record in second] == IDS[3:6]
    assert damaged_shards(tmp_path, LAYOUT, IDS) == {}


def test_five_lines_of_plain_tensorflow(tmp_path):
    maps = random_maps(shape=(6, 5, 1))
    write_run(tmp_path, maps)
    text = tfattr.records.spec.__doc__.split("::\n\n", 1)[1].split("\n\n", 1)[0]
    lines = textwrap.dedent(text).strip().splitlines()
    assert len(lines) == 5
    names = {"directory": str(tmp_path)}
    exec("\n".join(lines), names)
    got = np.stack(list(names["maps"].as_numpy_iterator()))
    np.testing.assert_allclose(got, maps, atol=2**-11 * np.abs(maps).max())
    parsed = list(names["records"].as_numpy_iterator())
    assert [record["id"].decode() for record in parsed] == IDS
    assert [int(record["index"]) for record in parsed] == list(range(7))
    np.testing.assert_allclose(
        [record["norm"] for record in parsed], np.linalg.norm(maps.reshape(7, -1), axis=1), rtol=1e-6
    )
    assert set(parsed[0]) == set(FEATURE_SPEC)
    with open(tmp_path / LAYOUT.name(0), "rb") as file:  # the spec leaves out nothing that is written
        (length,) = struct.unpack("<Q", file.read(8))
        file.read(4)
        assert set(tf.train.Example.FromString(file.read(length)).features.feature) == set(FEATURE_SPEC)


def test_records_carry_the_mark_of_their_run(tmp_path):
    write_run(tmp_path, random_maps(), record_key="net/elrp/0123")
    assert {record.record_key for record in read_maps(tmp_path, IDS)} == {"net/elrp/0123"}
    assert damaged_shards(tmp_path, LAYOUT, IDS, "net/elrp/0123") == {}
    with pytest.raises(
        RecordsError, match="record 0 has the key net/elrp/0123, expected net/elrp/4567: another run"
    ):
        list(read_shard(tmp_path / LAYOUT.name(0), IDS[:3], "net/elrp/4567"))
    assert list(damaged_shards(tmp_path, LAYOUT, IDS, "net/elrp/4567")) == [0, 1, 2]


def test_records_of_tfattr_0_1_have_no_mark(tmp_path):
    example = tf.train.Example.FromString(encode(make_record(random_maps(1)[0], "a", 0)))
    del example.features.feature["origin"]
    assert decode(example.SerializeToString()).record_key == ""
    parsed = tf.io.parse_single_example(example.SerializeToString(), FEATURE_SPEC)
    assert parsed["origin"].numpy() == b""


def test_reading_inside_a_graph(tmp_path):
    write_run(tmp_path, random_maps())
    with tf.Graph().as_default():
        assert [record.id for record in read_maps(tmp_path, IDS)] == IDS


@pytest.mark.slow
def test_reading_logs_nothing(tmp_path):
    write_run(tmp_path, random_maps())
    code = f"from tfattr.records import read_maps; print(sum(1 for _ in read_maps({str(tmp_path)!r})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "7\n"
    assert "deprecated" not in done.stderr


def interrupt(directory, shard, maps, error=None):
    with ShardWriter(directory, LAYOUT, shard, IDS) as writer:
        writer.add(maps)
        if error is not None:
            raise error


def test_an_interrupted_shard_leaves_nothing(tmp_path):
    maps = random_maps()
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path, 0, maps[:2], KeyboardInterrupt())
    assert visible(tmp_path) == []
    with pytest.raises(RecordsError, match="got 2 maps, expected 3"):
        interrupt(tmp_path, 0, maps[:2])
    assert visible(tmp_path) == []
    with pytest.raises(RecordsError, match="more maps than the 3"):
        interrupt(tmp_path, 0, maps)
    assert visible(tmp_path) == []
    assert LAYOUT.missing(tmp_path) == [0, 1, 2]

    write_run(tmp_path, maps)
    before = (tmp_path / LAYOUT.name(1)).read_bytes()
    with pytest.raises(ZeroDivisionError):
        interrupt(tmp_path, 1, maps[:1], ZeroDivisionError())
    assert (tmp_path / LAYOUT.name(1)).read_bytes() == before
    assert visible(tmp_path) == LAYOUT.names()


def test_nothing_looks_whole_while_it_is_written(tmp_path):
    with ShardWriter(tmp_path, LAYOUT, 2, IDS) as writer:
        writer.add(random_maps(1))
        assert list(tmp_path.glob("maps*")) == []
        assert len(visible(tmp_path)) == 1
        with pytest.raises(RecordsError, match="no shard in it"):
            find_shards(tmp_path)
    assert visible(tmp_path) == [LAYOUT.name(2)]
    assert LAYOUT.missing(tmp_path) == [0, 1]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    writer = ShardWriter(tmp_path, LAYOUT, 0, IDS)
    writer.__enter__()  # and never left, as when the process is killed
    (left,) = tmp_path.iterdir()
    assert remove_unfinished(tmp_path) == [left]
    assert visible(tmp_path) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "maps"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(OSError), ShardWriter(blocked, LAYOUT, 0, IDS):
        pass


def test_missing_and_foreign_shards(tmp_path):
    with pytest.raises(RecordsError, match="no such directory"):
        find_shards(tmp_path / "nowhere")
    write_run(tmp_path, random_maps())
    (tmp_path / LAYOUT.name(1)).unlink()
    with pytest.raises(RecordsError, match="1 of 3 shards are missing.*number 1"):
        list(read_maps(tmp_path, IDS))
    other = ShardLayout(images=7, per_shard=4)
    with pytest.raises(RecordsError, match="another run"):
        other.missing(tmp_path)
    with ShardWriter(tmp_path, other, 0, IDS) as writer:
        writer.add(random_maps(4))
    with pytest.raises(RecordsError, match="shards of 2 and of 3"):
        find_shards(tmp_path)
    with pytest.raises(RecordsError, match="no such shard"):
        list(read_shard(tmp_path / "maps-00009-of-00010.tfrecord"))
    with pytest.raises(RecordsError, match="got 7 image ids, the layout holds 8"):
        ShardWriter(tmp_path, ShardLayout(8), 0, IDS)


def test_maps_of_other_images_are_refused(tmp_path):
    write_run(tmp_path, random_maps())
    with pytest.raises(RecordsError, match="found image folder/image 1 ü.jpg, expected other.jpg"):
        list(read_maps(tmp_path, [IDS[0], "other.jpg", *IDS[2:]]))
    with pytest.raises(RecordsError, match="expected the end after 5 images"):
        list(read_maps(tmp_path, IDS[:5]))
    with pytest.raises(RecordsError, match="holds 7 maps, expected 8"):
        list(read_maps(tmp_path, [*IDS, "one more"]))
    first = tmp_path / LAYOUT.name(0)
    with pytest.raises(RecordsError, match="record 0 is of image"):
        list(read_shard(first, IDS[1:4]))
    with pytest.raises(RecordsError, match="holds 3 maps, expected 4"):
        list(read_shard(first, IDS[:4]))
    with pytest.raises(RecordsError, match="more than the expected 2"):
        list(read_shard(first, IDS[:2]))
    first.write_bytes((tmp_path / LAYOUT.name(1)).read_bytes())
    with pytest.raises(RecordsError, match="found map number 3"):
        list(read_maps(tmp_path))


def record_ends(data):
    """Ends of the records of a TFRecord file: length (8), its crc (4), payload, its crc (4)."""
    ends, at = [], 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        at += 16 + length
        ends.append(at)
    return ends


def test_truncated_shards(tmp_path):
    write_run(tmp_path, random_maps())
    shard = tmp_path / LAYOUT.name(0)
    data = shard.read_bytes()
    ends = record_ends(data)
    assert len(ends) == 3
    for cut in [5, 12, 40, ends[0] - 2, ends[1] - 1, ends[1] + 4, len(data) - 1]:
        shard.write_bytes(data[:cut])
        with pytest.raises(RecordsError, match=rf"{shard.name}: damaged"):
            list(read_shard(shard, IDS[:3]))
        assert list(damaged_shards(tmp_path, LAYOUT, IDS)) == [0]
    for kept, cut in enumerate([0, *ends[:2]]):  # cut between records: only the count tells
        shard.write_bytes(data[:cut])
        with pytest.raises(RecordsError, match=f"holds {kept} maps, expected 3"):
            list(read_shard(shard, IDS[:3]))
        with pytest.raises(RecordsError, match="found map number 3"):
            list(read_maps(tmp_path, IDS))


def test_every_flipped_bit_is_noticed(tmp_path):
    write_run(tmp_path, random_maps(shape=(2, 2, 1)))
    shard = tmp_path / LAYOUT.name(0)
    data = shard.read_bytes()
    rng = np.random.default_rng(5)
    positions = [0, 7, 8, 12, record_ends(data)[0] - 1, len(data) - 1, *rng.integers(0, len(data), 60)]
    for position in positions:
        broken = bytearray(data)
        broken[position] ^= 1 << int(rng.integers(8))
        shard.write_bytes(bytes(broken))
        with pytest.raises(RecordsError, match=shard.name):
            list(read_shard(shard, IDS[:3]))


def test_a_foreign_tfrecord_is_named(tmp_path):
    shard = tmp_path / "maps-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(shard)) as writer:
        writer.write(b"not an example")
    with pytest.raises(
        RecordsError, match="maps-00000-of-00001.tfrecord: record 0: .*not an attribution map"
    ):
        list(read_maps(tmp_path))


# --- read to where they are wanted ---


def as_before(record) -> bytes:
    """A record in protocol buffers' own order of fields, as earlier versions wrote it."""
    return tf.train.Example.FromString(encode(record)).SerializeToString(deterministic=True)


@pytest.mark.parametrize("order", ["map last", "as before"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_maps_are_read_to_a_given_place(tmp_path, order, dtype):
    maps = random_maps()[:3]
    records = [make_record(map, IDS[index], index, dtype=dtype) for index, map in enumerate(maps)]
    payloads = [encode(record) if order == "map last" else as_before(record) for record in records]
    assert (payloads[0] == as_before(records[0])) == (order == "as before")
    path = tmp_path / LAYOUT.name(0)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in payloads:
            writer.write(payload)
    places = iter(np.empty((3, 6, 5, 1), dtype))
    given: list[np.ndarray] = []

    def place() -> np.ndarray:
        given.append(next(places))
        return given[-1]

    found = list(read_shard(path, IDS[:3], place=place))
    assert len(found) == len(given) == 3
    for record, expected, where in zip(found, records, given):
        np.testing.assert_array_equal(record.stored, expected.stored)
        assert (record.id, record.index, record.scale) == (expected.id, expected.index, expected.scale)
        assert (record.stored is where) == (order == "map last")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((5, 6, 1), "f2"), ((6, 5, 1), "i2"), ((3, 5, 1), "f4"), ((60, 60, 1), "f4"), ((2,), "f2")],
)
def test_a_place_of_another_form_is_not_taken(tmp_path, shape, dtype):
    maps = random_maps()
    write_run(tmp_path, maps)
    expected = [record.stored for record in read_maps(tmp_path)]
    place = np.empty(shape, dtype)
    found = list(read_shard(tmp_path / LAYOUT.name(0), place=lambda: place))
    assert len(found) == 3
    for record, values in zip(found, expected):
        np.testing.assert_array_equal(record.stored, values)
        assert not np.shares_memory(record.stored, place)


def test_damage_is_seen_wherever_it_is_read_to(tmp_path):
    write_run(tmp_path, random_maps())
    path, place = tmp_path / LAYOUT.name(1), np.empty((6, 5, 1), np.float16)
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        path.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        with pytest.raises(RecordsError, match="damaged"):
            list(read_shard(path, place=lambda: place))
    for length in range(1, len(good), 11):
        path.write_bytes(good[:length])
        try:
            count = len(list(read_shard(path, place=lambda: place)))
        except RecordsError:
            continue
        assert count < 3, length  # cut between two records: whole ones are left


# --- halves ---


def test_halves_are_rounded_alike_with_and_without_numkong(monkeypatch):
    pytest.importorskip("numkong")
    maps = random_maps(3, (40, 30, 3)) * np.geomspace(1, 1e-7, 30, dtype=np.float32)[:, None]
    assert stored._rounds_to_halves()
    ours = stored.stored_maps(maps)
    monkeypatch.setattr(stored, "_rounds_to_halves", lambda: False)
    np.testing.assert_array_equal(stored.stored_maps(maps).stored, ours.stored)
    values = ours.stored[ours.stored != 0]
    assert (np.abs(values) < np.finfo(np.float16).tiny).any()


def test_halves_that_are_rounded_otherwise_are_not_taken(monkeypatch):
    exact = pytest.importorskip("numkong").astype
    cut = lambda values, dtype: exact((values.view(np.uint32) & 0xFFFFE000).view(np.float32), dtype)  # noqa: E731
    monkeypatch.setattr(stored.numkong, "astype", cut)
    assert not stored._rounds_to_halves.__wrapped__()
