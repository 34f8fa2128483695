"""kill -9 in the middle of a run: the same command ends it, byte for byte as if nothing had happened.

benchmarks/kill.py does this at random moments of ``tfattr run``; here at chosen ones, which are the worst.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_zoo import affinities, attribute, write_photos, write_zoo

from tfattr.zoo.spec import ModelSpec

SCRIPT = Path(__file__).with_name("small_zoo.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, {"one": 1, "two": 2, "three": 3})
    write_photos(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder):
    out = folder / "undisturbed"
    attribute(folder / "zoo.toml", folder / "photos", out)
    affinities(out)
    return out


def shards(out):
    return {path.relative_to(out): path.stat() for path in out.rglob("*.tfrecord")}


def same_file(one, other):
    return (one.st_ino, one.st_mtime_ns, one.st_size) == (other.st_ino, other.st_mtime_ns, other.st_size)


def run_and_die(folder, out, *moment):
    words = [sys.executable, str(SCRIPT), str(folder), str(out), *map(str, moment)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
def test_killed_twice_and_continued(folder, undisturbed, tmp_path):
    out = tmp_path / "out"
    run_and_die(folder, out, 9)  # a shard is complete but for its name
    first = shards(out)
    assert 0 < len(first) < 27
    assert list(out.rglob(".*unfinished-*"))
    run_and_die(folder, out, 12, "after")
    second = shards(out)
    assert len(first) < len(second) < 27
    assert all(same_file(second[name], told) for name, told in first.items())

    attribute(folder / "zoo.toml", folder / "photos", out)
    affinities(out)
    last = shards(out)
    assert all(same_file(last[name], told) for name, told in second.items())
    assert len(last) == 27  # three models, three shards, two methods and the representation
    assert not list(out.rglob(".*unfinished-*"))
    for name in last:
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
    for name in ("affinity.npz", "affinity_images.npz"):
        with np.load(out / name) as found, np.load(undisturbed / name) as wanted:
            assert found.files == wanted.files
            assert all(found[key].tobytes() == wanted[key].tobytes() for key in wanted.files)


@pytest.mark.slow
def test_a_rerun_with_nothing_missing_loads_no_model_and_writes_no_shard(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    loaded = []
    load = ModelSpec.load
    monkeypatch.setattr(ModelSpec, "load", lambda spec: loaded.append(spec.name) or load(spec))
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert loaded == ["one", "two", "three"]
    before = shards(out)
    loaded.clear()
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert loaded == []
    assert {name: told.st_mtime_ns for name, told in shards(out).items()} == {
        name: told.st_mtime_ns for name, told in before.items()
    }
    lost = out / "attributions/two/saliency/maps-00001-of-00003.tfrecord"
    lost.unlink()
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert loaded == ["two"]
    assert lost.exists()
    loaded.clear()
    content = (folder / "three.pb").read_bytes()
    (folder / "three.pb").write_bytes(
        content
    )  # the same bytes at another time: looked at, found to be the same
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert loaded == ["three"]
    loaded.clear()
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert loaded == []
