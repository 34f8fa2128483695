"""Shards written behind the thread that computes: whole or absent, the first error ends the run, nobody waits for ever."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tfattr.errors import RecordsError
from tfattr.records import ShardLayout, ShardWriter, read_maps
from tfattr.runs.writing import Behind

LAYOUT = ShardLayout(images=12, per_shard=4)
IDS = [f"image {index}" for index in range(12)]
MAPS = np.random.default_rng(0).standard_normal((12, 3, 2, 1)).astype(np.float32)


def writers(folder, shard, kinds=("one", "two")):
    return {kind: ShardWriter(folder / kind, LAYOUT, shard, IDS, dtype="float32") for kind in kinds}


def put(behind, folder, shard, count=4):
    with behind.shard(writers(folder, shard)) as one:
        for index in LAYOUT.span(shard)[:count]:
            one.put({"one": MAPS[index : index + 1], "two": -MAPS[index : index + 1]})


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_all_is_on_the_disk_at_the_end(tmp_path):
    with Behind() as behind:
        for shard in range(3):
            put(behind, tmp_path, shard)
    for kind, sign in (("one", 1), ("two", -1)):
        found = np.stack([record.map for record in read_maps(tmp_path / kind, IDS)])
        np.testing.assert_array_equal(found, sign * MAPS)


def interrupted(behind, folder, shard, error):
    with behind.shard(writers(folder, shard)) as one:
        one.put({"one": MAPS[:2], "two": MAPS[:2]})
        raise error


def test_an_error_of_the_computation_leaves_whole_shards_only(tmp_path):
    def compute():
        with Behind() as behind:
            put(behind, tmp_path, 0)
            interrupted(behind, tmp_path, 1, KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        compute()
    assert files(tmp_path) == [LAYOUT.name(0)] * 2


def test_a_shard_that_was_left_can_be_begun_again(tmp_path):
    with Behind() as behind:
        with pytest.raises(MemoryError):
            interrupted(behind, tmp_path, 0, MemoryError)
        assert files(tmp_path) == []
        put(behind, tmp_path, 0)
    assert files(tmp_path) == [LAYOUT.name(0)] * 2


@pytest.mark.parametrize("count", [1, 4, 50])
def test_a_writer_that_fails_ends_the_run(tmp_path, monkeypatch, count):
    """Also where more batches come than may wait: whoever computes is told, not left waiting."""
    failed = threading.Event()

    def refuse(*_):
        failed.set()
        raise RecordsError("the disk is full")

    def compute():
        with Behind() as behind:
            with behind.shard(writers(tmp_path, 0)) as one:
                for _ in range(count):
                    one.put({"one": MAPS[:1], "two": MAPS[:1]})
            put(behind, tmp_path, 1)

    monkeypatch.setattr(ShardWriter, "add", refuse)
    with pytest.raises(RecordsError, match="the disk is full"):
        compute()
    assert failed.is_set()
    assert files(tmp_path) == []


def test_too_few_maps_are_noticed(tmp_path):
    with pytest.raises(RecordsError, match="got 3 maps, expected 4"), Behind() as behind:
        put(behind, tmp_path, 0, count=3)
    assert files(tmp_path) == []
