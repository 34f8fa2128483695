"""Full disks, directories that cannot be written, two runs in one directory: one sentence, nothing half left."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from small_zoo import attribute, write_photos, write_zoo

from tfattr.cli.main import main
from tfattr.errors import RecordsError, SettingsError, TfattrError
from tfattr.io import atomic_write, remove_unfinished
from tfattr.records import RunManifest, ShardLayout, ShardWriter
from tfattr.runs.directory import locked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, {"one": 1, "two": 2})
    write_photos(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder):
    attribute(folder / "zoo.toml", folder / "photos", folder / "undisturbed")
    return folder / "undisturbed"


@contextlib.contextmanager
def disk(path, options):
    """A disk of its own in memory, where this user may mount one."""
    path.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk of a test's own: {error}")
    if done.returncode:
        pytest.skip(f"no disk of a test's own: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def remount(path, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


@contextlib.contextmanager
def longest_file(length):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def unfinished(out):
    return list(out.rglob(".*unfinished-*"))


def shards(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*.tfrecord")}


def call(capsys, folder, out):
    status = 0
    words = ["attribute", folder / "zoo.toml", "--probe", folder / "photos", "--out", out]
    try:
        main([*map(str, words), "--methods", "saliency,grad_input", "--quiet"])
    except SystemExit as leaving:
        status = leaving.code
    return status, capsys.readouterr().err


def one_sentence(status, err, *parts):
    assert status == 1, err
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("tfattr: ")
    for part in parts:
        assert part in err


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [4, 180, 300, 380])
def test_a_full_disk(folder, undisturbed, tmp_path, capsys, kibibytes):
    """At its first file, at the previews (about 300 KiB of noise), at a shard of each model."""
    with disk(tmp_path / "disk", f"size={kibibytes}k") as full:
        status, err = call(capsys, folder, full / "out")
        one_sentence(status, err, str(full / "out"), "No space left on device")
        assert unfinished(full) == []
        kept = shards(full)
        remount(full, "size=4m")
        status, err = call(capsys, folder, full / "out")
        assert status == 0, err
        whole = shards(full / "out")
        assert len(whole) == 6  # one shard of 64 images a model and method or representation
        assert kept or kibibytes < 380  # the smaller disks have no room for a whole shard
        assert all(whole[name.relative_to("out")] == content for name, content in kept.items())


@pytest.mark.slow
@pytest.mark.parametrize("length", [1500, 5000, 9000])
def test_a_disk_that_refuses_at_a_size(folder, undisturbed, tmp_path, length):
    """Without a mount: run.json has 3.4 KB, a shard of maps 5.6 KB, of representations 9.9 KB."""
    out = tmp_path / "out"
    attribute(folder / "zoo.toml", folder / "photos", out, models=[], representations=False)  # the previews
    with (
        longest_file(length),
        pytest.raises((OSError, TfattrError), match="File too large|cannot be written"),
    ):
        attribute(folder / "zoo.toml", folder / "photos", out)
    assert unfinished(out) == []
    wanted = shards(undisturbed)
    assert all(wanted[name] == content for name, content in shards(out).items())
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert shards(out) == wanted


def test_a_directory_that_cannot_be_written(folder, undisturbed, tmp_path, capsys):
    below = tmp_path / "file"
    below.write_text("no directory")
    status, err = call(capsys, folder, below / "out")
    one_sentence(status, err, str(below / "out"), "Not a directory")
    with disk(tmp_path / "disk", "size=4m") as read_only:
        remount(read_only, "ro")
        status, err = call(capsys, folder, read_only / "out")
        one_sentence(status, err, str(read_only / "out"), "Read-only file system")
        remount(read_only, "rw")
        assert call(capsys, folder, read_only / "out")[0] == 0
        remount(read_only, "ro")
        status, err = call(capsys, folder, read_only / "out")
        one_sentence(status, err, str(read_only / "out"), "Read-only file system")


def test_whole_files_name_themselves(tmp_path):
    path = tmp_path / "table.csv"
    with (
        longest_file(1000),
        pytest.raises(OSError, match="File too large") as told,
        atomic_write(path) as temporary,
    ):
        temporary.write_bytes(bytes(2000))
    assert told.value.filename == str(path)
    with longest_file(1000), pytest.raises(OSError) as told, atomic_write(path) as temporary:
        np.save(temporary.open("wb"), np.zeros(2000))  # numpy counts values instead of naming the error
    assert told.value.filename == str(path)
    assert "written" in told.value.strerror
    with pytest.raises(FileNotFoundError) as told, atomic_write(path):
        pass  # nothing was written
    assert told.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as told, atomic_write(path) as temporary:
        (tmp_path / "another").read_bytes()
    assert told.value.filename == str(tmp_path / "another")

    class NetworkError(OSError):
        """As those of requests: an OSError that takes other arguments."""

    with pytest.raises(NetworkError) as told, atomic_write(path):
        raise NetworkError("no route to host")
    assert told.value.filename is None
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_is_refused_in_its_last_bytes(tmp_path):
    """TensorFlow writes at the end what it has buffered: the shard must not count as whole then."""
    layout = ShardLayout(3, 3)
    maps = np.random.default_rng(0).standard_normal((3, 8, 8, 1)).astype(np.float32)
    writer = ShardWriter(tmp_path, layout, 0, list("abc"))
    refused = pytest.raises(RecordsError, match="maps-00000-of-00001.tfrecord: cannot be written")
    with longest_file(700), refused, writer:
        writer.add(maps)
    assert list(tmp_path.iterdir()) == []


# --- the lock ---

HOLD = "import sys, time; from tfattr.runs.directory import locked\nwith locked(sys.argv[1]): print('held', flush=True); time.sleep(600)"


def test_two_runs_in_one_directory(folder, undisturbed, tmp_path, capsys):
    out = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        status, err = call(capsys, folder, out)
        one_sentence(
            status, err, str(out), f"another tfattr is at work in this directory (process {holder.pid} on "
        )
        assert not (out / "run.json").exists()
        left = out / ".run.json.unfinished-01234567"  # it is the other's, who is writing
        left.write_text("{")
        with pytest.raises(SettingsError, match="another tfattr"):
            attribute(folder / "zoo.toml", folder / "photos", out)
        assert left.exists()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    attribute(folder / "zoo.toml", folder / "photos", out)  # the dead hold nothing
    assert shards(out) == shards(undisturbed)
    assert not left.exists()


def test_the_lock_is_given_back_after_an_error(folder, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError), locked(out):
        raise ZeroDivisionError
    with locked(out), pytest.raises(SettingsError, match=f"process {os.getpid()} on"), locked(out):
        pass
    (out / ".lock-holder").write_bytes(b"\xff")
    with locked(out):
        pass
    assert sorted(path.name for path in out.iterdir()) == [".lock"]


def test_what_a_killed_writer_left_goes_with_the_next_run(folder, tmp_path):
    out = tmp_path / "out"
    attribute(folder / "zoo.toml", folder / "photos", out)
    map_dirs = [out, out / "figures", out / "attributions/one/saliency", out / "representations/two"]
    for home in map_dirs:
        home.mkdir(exist_ok=True)
        (home / ".x.unfinished-0123abcd").write_text("half")
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert unfinished(out) == []
    assert remove_unfinished(tmp_path / "nowhere") == []
    assert RunManifest.load(out).ids[0] == "photo_00.png"
