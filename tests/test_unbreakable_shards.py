"""Damaged, missing and foreign shards and files: found, named, computed again with --repair, never averaged in."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
from small_zoo import METHODS, affinities, attribute, write_photos, write_zoo

from tfattr.affinity import AffinityResult, ImageCosines, affinity_from_records
from tfattr.errors import RecordsError, SettingsError, TfattrError
from tfattr.records import RunManifest, describe_trunk, map_directory, read_maps, record_key, run_digest
from tfattr.runs.representations import Representations
from tfattr.zoo.file import open_zoo

NAMES = ("one", "two")
SHARD = "maps-00001-of-00003.tfrecord"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run, and runs of the same names and ids that differ in one thing each."""
    folder = tmp_path_factory.mktemp("made")
    zoo = write_zoo(folder / "zoo", {"one": 1, "two": 2})
    photos = write_photos(folder / "photos")
    attribute(zoo, photos, folder / "run")
    attribute(write_zoo(folder / "other_zoo", {"one": 11, "two": 12}), photos, folder / "weights")
    attribute(zoo, photos, folder / "target", target="energy")
    attribute(zoo, write_photos(folder / "other_photos", seed=1), folder / "pixels")
    return folder


@pytest.fixture
def out(made, tmp_path):
    return shutil.copytree(made / "run", tmp_path / "out")  # times too: nothing counts as changed


def again(made, out, **options):
    return attribute(made / "zoo/zoo.toml", made / "photos", out, **options)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def keep_times(path, change):
    """Changes a file as a failing disk does: unnoticed."""
    told = path.stat()
    change(path)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def map_dirs(out, method):
    return {name: map_directory(out, name, method) for name in NAMES}


def streamed(out, method="grad_input"):
    return affinity_from_records(map_dirs(out, method), ids=RunManifest.load(out).ids)


DAMAGES = ["flipped", "cut", "missing", "weights", "target", "pixels", "method", "model"]


def damage(made, out, map_dir, kind):
    path = out / map_dir / SHARD
    if kind == "flipped":
        flip(path)
    elif kind == "cut":
        cut(path)
    elif kind == "missing":
        path.unlink()
    elif kind == "method":
        shutil.copy(made / "run/attributions/two/saliency" / SHARD, path)
    elif kind == "model":
        shutil.copy(made / "run" / str(map_dir).replace("two", "one") / SHARD, path)
    else:
        shutil.copy(made / kind / map_dir / SHARD, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGES)
def test_maps(made, out, kind):
    path = damage(made, out, "attributions/two/grad_input", kind)
    where = re.escape(str(path))
    with pytest.raises(
        RecordsError, match="1 of 3 shards are missing" if kind == "missing" else where
    ) as told:
        streamed(out)
    if kind not in ("flipped", "cut", "missing"):
        assert "another run made this shard" in str(told.value)
    assert "\n" not in str(told.value)
    if kind != "missing":  # a replaced shard is noticed by the next run, and named
        with pytest.raises(RecordsError, match=f"{where}.*--repair"):
            again(made, out)
    again(made, out, repair=kind != "missing")
    assert path.read_bytes() == (made / "run/attributions/two/grad_input" / SHARD).read_bytes()
    np.testing.assert_array_equal(streamed(out).total, streamed(made / "run").total)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flipped", "cut", "missing", "weights", "pixels", "method", "model"])
def test_representations(made, out, kind):
    path = damage(made, out, "representations/two", kind)
    with pytest.raises(RecordsError, match="1 of 3 shards" if kind == "missing" else re.escape(str(path))):
        Representations(out)["two"]
    again(made, out, repair=True)
    assert path.read_bytes() == (made / "run/representations/two" / SHARD).read_bytes()
    assert Representations(out)["two"].shape == (10, 12, 12, 4)


@pytest.mark.slow
def test_only_the_damaged_shard_is_computed_again(made, out, caplog):
    keep_times(out / "attributions/one/saliency" / SHARD, flip)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.tfrecord")}
    again(made, out)  # same size and time: not read, and so not noticed
    again(made, out, repair=True)
    changed = [path for path in before if path.stat().st_mtime_ns != before[path]]
    assert changed == [out / "attributions/one/saliency" / SHARD]
    assert f"computing again: {changed[0]}: damaged" in caplog.text
    assert "--repair" not in caplog.text


@pytest.mark.slow
def test_a_whole_folder_of_another_run(made, out):
    """All shards agree with each other and with the ids: only the mark tells."""
    map_dir = out / "attributions/one/grad_input"
    shutil.rmtree(map_dir)
    shutil.copytree(made / "weights/attributions/one/grad_input", map_dir)
    elsewhere = shutil.copytree(out / "attributions", out / "elsewhere")  # no run.json asks for a mark there
    bare = {name: elsewhere / name / "grad_input" for name in NAMES}
    assert affinity_from_records(bare, ids=RunManifest.load(out).ids).images == 10
    with pytest.raises(RecordsError, match="one/grad_input/maps-00000.*another run"):
        streamed(out)
    again(made, out, repair=True)
    np.testing.assert_array_equal(streamed(out).total, streamed(made / "run").total)


def test_records_without_a_mark_are_not_trusted(made, out):
    from tfattr.records import ShardLayout, ShardWriter

    map_dir = map_directory(out, "one", "saliency")
    ids = RunManifest.load(out).ids
    with ShardWriter(map_dir, ShardLayout(10, 4), 2, ids) as writer:
        writer.add(np.ones((2, 24, 24, 3), np.float32))
    with pytest.raises(RecordsError, match="has no key, expected one/saliency/"):
        list(read_maps(map_dir, ids))
    (out / "run.json").unlink()  # maps by themselves can still be read
    assert len(list(read_maps(map_dir, ids))) == 10


def test_marks_say_what_a_record_is_of(made):
    """Made from the trunk and the settings when written, from run.json when read: the same."""
    manifest = RunManifest.load(made / "run")
    marks = set()
    for spec in open_zoo(made / "zoo/zoo.toml"):
        from tfattr.records import identity

        trunk = spec.load()
        for method in METHODS:
            mark = manifest.record_key(spec.name, method)
            assert mark == record_key(manifest.digest, spec.name, identity(describe_trunk(trunk)), method)
            assert mark.startswith(f"{spec.name}/{method}/")
            records = list(read_maps(map_directory(made / "run", spec.name, method)))
            assert {record.record_key for record in records} == {mark}
            marks.add(mark)
    assert len(marks) == 4
    hashes = [image["sha256"] for image in manifest.probe]
    assert run_digest(manifest.settings, hashes) == manifest.digest
    assert run_digest(manifest.settings, hashes[::-1]) != manifest.digest
    assert run_digest({**manifest.settings, "epsilon": 1e-3}, hashes) != manifest.digest
    with pytest.raises(RecordsError, match="no model 'three'.*one, two"):
        manifest.record_key("three")


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cut", "gone", "rubbish"])
def test_a_lost_manifest(made, out, loss):
    path = out / "run.json"
    content = path.read_text()
    if loss == "gone":
        path.unlink()
    else:
        path.write_text(content[:-40] if loss == "cut" else "[1]")
    with pytest.raises((RecordsError, SettingsError), match="run.json") as told:
        again(made, out)
    assert "--repair" in str(told.value)
    (out / "attributions/two/saliency" / SHARD).write_bytes(
        (made / "weights/attributions/two/saliency" / SHARD).read_bytes()
    )
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.tfrecord")}
    again(made, out, repair=True)
    changed = [file for file in before if file.stat().st_mtime_ns != before[file]]
    assert changed == [
        out / "attributions/two/saliency" / SHARD
    ]  # the others' marks are those of this command
    found, wanted = json.loads(path.read_text()), json.loads(content)
    assert {key: found[key] for key in ("models", "probe", "settings")} == {
        key: wanted[key] for key in ("models", "probe", "settings")
    }
    assert (out / "run.json.unreadable").exists() == (loss != "gone")


def test_other_settings_are_not_repaired_away(made, out):
    """--repair brings back what this run was; it does not make it another one."""
    with pytest.raises(SettingsError, match='target is "sum" on disk, "energy" asked for'):
        again(made, out, repair=True, target="energy")
    np.testing.assert_array_equal(streamed(out).total, streamed(made / "run").total)


@pytest.mark.slow
def test_derived_files(made, out):
    affinities(out)
    for name, load in [
        ("affinity.npz", AffinityResult.load),
        ("affinity_images.npz", ImageCosines.load),
        ("run.json", lambda path: RunManifest.load(path.parent)),
    ]:
        content = (out / name).read_bytes()
        for kept in (0, 1, len(content) // 3, len(content) - 1):
            (out / name).write_bytes(content[:kept])
            if name == "run.json" and kept == len(content) - 1:
                continue  # without the last line's end it is whole
            with pytest.raises(TfattrError, match=name) as told:
                load(out / name)
            assert "\n" not in str(told.value)
        (out / name).write_bytes(content)
    for name in ("numbers.json", "timing.json", "previews.npz"):  # only a help: lost, it is made anew
        (out / name).unlink()
    again(made, out)
    assert (out / "numbers.json").exists()
    for name in ("numbers.json", "timing.json"):
        (out / name).write_text('{"models": {"on')
    again(made, out)
    assert json.loads((out / "numbers.json").read_text())["one"]["saliency"]["images"] == 10
    (out / "previews.npz").write_bytes(b"PK")
    again(made, out, repair=True)
    with np.load(out / "previews.npz") as kept:
        assert kept["photos"].shape == (3, 192, 192, 3)
