"""Ctrl-C and kill: one sentence, status 130 or 143, nothing left over, and the same command goes on.

benchmarks/kill.py --signal TERM does this at random moments of ``tfattr run``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from small_zoo import attribute, write_photos, write_zoo

import tfattr.runs.shard
from tfattr.cli.main import main
from tfattr.cli.stopping import Stopped, stoppable

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.fixture(autouse=True)
def _interruptible():
    """A shell's background jobs start with SIGINT ignored, which a command line respects."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, {"one": 1, "two": 2})
    write_photos(folder / "photos")
    return folder


def unfinished(out):
    return list(out.rglob(".*unfinished-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number, status, word", SIGNALS)
def test_in_the_middle_of_a_shard(folder, tmp_path, monkeypatch, capsys, number, status, word):
    """The signal comes between two batches, when three files are half written."""
    out, seen = tmp_path / "out", []
    compute = tfattr.runs.shard.attributions_for_storage

    def interrupted(*arguments, **storage):
        seen.append(len(unfinished(out)))
        if len(seen) == 3:
            os.kill(os.getpid(), number)
        return compute(*arguments, **storage)

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", interrupted)
    words = ["run", folder / "zoo.toml", "--probe", folder / "photos", "--out", out, "--batch-size", "4"]
    words = [*map(str, words), "--methods", "saliency,grad_input", "--quiet"]
    handlers = [signal.getsignal(one) for one, _, _ in SIGNALS]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == status
    assert capsys.readouterr().err == f"tfattr: {word}; the same command continues where it stopped.\n"
    assert seen[2] == 3
    assert list(out.rglob("*.tfrecord")) == []
    assert sorted(path.name for path in out.iterdir()) == [
        *(".lock", "attributions", "previews.npz", "representations", "run.json", "timing.json")
    ]
    assert unfinished(out) == []
    assert [signal.getsignal(one) for one, _, _ in SIGNALS] == handlers
    main(words)
    assert len(list(out.rglob("*.tfrecord"))) == 6
    assert (out / "figures/tree_saliency.png").exists()


@pytest.mark.slow
def test_a_real_process(folder, tmp_path):
    """From outside, while TensorFlow is imported or later: whenever it comes."""
    out = tmp_path / "out"
    words = ["run", folder / "zoo.toml", "--probe", folder / "photos", "--out", out, "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfattr.cli.main", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    while not out.exists() and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert said == "tfattr: terminated; the same command continues where it stopped.\n"
    assert unfinished(out) == []


def test_errors_made_of_an_interruption_are_one():
    """Libraries turn what comes up through them into errors of their own."""

    def library():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException as error:
            raise ImportError("a library could not be loaded") from error

    with pytest.raises(Stopped) as told, stoppable():
        library()
    assert told.value.status == 143


def test_what_the_interpreter_drops_comes_again():
    """An exception in a destructor goes nowhere."""

    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)

    def work():
        dying = Dying()
        del dying
        time.sleep(5)

    started = time.monotonic()
    with pytest.raises(Stopped) as told, stoppable():
        work()
    assert told.value.status == 143
    assert time.monotonic() - started < 4


def test_a_second_signal_does_not_disturb_the_clearing_up():
    cleared = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            cleared.append(True)

    with pytest.raises(Stopped) as told, stoppable():
        work()
    assert cleared == [True]
    assert told.value.status == 130


def test_an_ignored_signal_stays_ignored_and_threads_are_let_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        done = []
        thread = threading.Thread(target=lambda: done.append(stoppable().__enter__()))
        thread.start()
        thread.join()
        assert done == [None]
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_python_nothing_is_caught(folder, tmp_path, monkeypatch):
    """The library leaves signals to its caller, and clears up all the same."""
    out = tmp_path / "out"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attribute(folder / "zoo.toml", folder / "photos", out)
    assert unfinished(out) == []
    assert list(out.rglob("*.tfrecord")) == []


def test_what_was_not_foreseen_is_one_sentence_too(folder, tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise ValueError("operands could not be\nbroadcast together")

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", broken)
    words = ["attribute", folder / "zoo.toml", "--probe", folder / "photos", "--out", tmp_path / "out"]
    with pytest.raises(SystemExit) as left:
        main([*map(str, words), "--quiet", "--methods", "saliency", "--strict"])
    assert left.value.code == 70
    err = capsys.readouterr().err
    assert err.startswith(
        "tfattr: ValueError (operands could not be broadcast together): this was not foreseen"
    )
    assert err.count("\n") == 1
    with pytest.raises(ValueError, match="broadcast"):
        main([*map(str, words), "--quiet", "--methods", "saliency", "--strict", "--debug"])
