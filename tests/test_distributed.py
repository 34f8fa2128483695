"""Runs on several processes: what a worker does, affinity in parts, devices, and a Beam cluster with a kill."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfattr.affinity import AffinityState
from tfattr.cli.main import main
from tfattr.errors import MissingExtraError, ProbeError, SettingsError, WorkersError
from tfattr.records import FEATURE_SPEC, RunManifest, map_directory, representation_directory
from tfattr.runs.analysis import analyse, compute_affinity
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.beam import (
    BeamOptions,
    Comparison,
    Partial,
    in_order,
    load_partial,
    merged,
    partial_of,
    parts_of,
    save_partial,
)
from tfattr.runs.directory import read_timing
from tfattr.runs.engine import check_devices, environment, open_engine
from tfattr.runs.feed import Feed
from tfattr.runs.probes import survey_probe
from tfattr.runs.settings import RunSettings
from tfattr.runs.workers import (
    Task,
    forget_trunks,
    perform,
    save_trunk,
    tasks_of,
    told_by_workers,
    trunk_folder,
)
from tfattr.zoo.file import open_zoo

MODELS, METHODS, IMAGES, PER_SHARD = ("denoise", "reshade", "curvature"), ("saliency", "grad_input"), 8, 2
HAS_BEAM = all(importlib.util.find_spec(name) for name in ("apache_beam", "distributed"))


@pytest.fixture(scope="module")
def survey():
    return survey_probe("rooms", limit=IMAGES)


@pytest.fixture(scope="module")
def trunks():
    return [spec.load() for spec in open_zoo("rooms").only(MODELS)]


def attribute(trunks, survey, out, **kwargs):
    settings = RunSettings(methods=METHODS, images_per_shard=PER_SHARD)
    return attribute_zoo(trunks, survey, out, settings, progress=False, **kwargs)


@pytest.fixture(scope="module")
def local(trunks, survey, tmp_path_factory):
    """The run of one process, and its affinity."""
    out = tmp_path_factory.mktemp("local") / "run"
    attribute(trunks, survey, out)
    return out, analyse(out, pictures=False, progress=False)


def stored_ids(run, model, method):
    """Ids in the order of the files, by TensorFlow's own reader."""
    files = sorted(map(str, map_directory(run, model, method).glob("*")))
    records = tf.data.TFRecordDataset(files).map(lambda data: tf.io.parse_single_example(data, FEATURE_SPEC))
    return [one["id"].numpy().decode() for one in records]


def check_whole(run, survey):
    """Every record once, nothing else in the folders."""
    ids = [image.id for image in survey.images]
    for model in MODELS:
        for method in METHODS:
            assert stored_ids(run, model, method) == ids
            assert len(list(map_directory(run, model, method).iterdir())) == IMAGES // PER_SHARD
        assert len(list(representation_directory(run, model).iterdir())) == IMAGES // PER_SHARD
    assert not trunk_folder(run, MODELS[0]).parent.exists()


def check_equal(found, expected):
    for method in METHODS:
        np.testing.assert_allclose(found.affinity[method], expected.affinity[method], atol=1e-6, rtol=0)


# What a worker does.


class Collecting:
    """Takes the works of a run and computes none, then ends the run."""

    def __init__(self, plan, survey, bar):
        Collecting.plan, Collecting.works = plan, {}

    def __enter__(self):
        return self

    def submit(self, trunk, works):
        self.works[trunk.name] = works

    def __exit__(self, *_):
        raise WorkersError("nothing was computed")


@pytest.fixture
def planned(trunks, survey, tmp_path):
    with pytest.raises(WorkersError, match="nothing was computed"):
        attribute(trunks[:1], survey, tmp_path / "run", runner=Collecting)
    graph = save_trunk(tmp_path / "run", trunks[0])
    yield Collecting.plan, Task(trunks[0].name, graph, tuple(Collecting.works[trunks[0].name]))
    forget_trunks()


def stamps(plan, model):
    return {path: path.stat().st_mtime_ns for path in plan.out.rglob("*.tfrecord")}


@pytest.mark.slow
def test_a_repeated_task_computes_only_what_is_missing(planned, survey):
    plan, task = planned
    with Feed(survey.images, shared=False) as feed:
        perform(task, plan, feed)
        first = stamps(plan, task.model)
        assert len(first) == (len(METHODS) + 1) * IMAGES // PER_SHARD
        assert told_by_workers(plan.out, task.model)["took"]["images"] == IMAGES
        lost = map_directory(plan.out, task.model, "saliency") / plan.layout.name(2)
        lost.unlink()
        perform(task, plan, feed)
    second = stamps(plan, task.model)
    assert [path for path in first if first[path] != second[path]] == [lost]
    assert list(plan.missing(task.model)) == []


@pytest.mark.slow
def test_a_task_of_an_ended_run_stops(planned, survey):
    plan, task = planned

    class Ends(Feed):
        def batches(self, *arguments):
            for number, batch in enumerate(super().batches(*arguments)):
                if number == 0:  # while the first shard is computed
                    shutil.rmtree(trunk_folder(plan.out, task.model))
                yield batch

    with Ends(survey.images, shared=False) as feed, pytest.raises(WorkersError, match="was ended"):
        perform(task, plan, feed)
    assert [work.shard for work in plan.missing(task.model)] == [1, 2, 3]


def test_a_task_refuses_the_trunk_of_another_run(planned, survey):
    plan, task = planned
    strange = Task(task.model, "0" * 64, task.works)
    with Feed(survey.images) as feed, pytest.raises(WorkersError, match="another run"):
        perform(strange, plan, feed)


def test_tasks_hold_each_work_once(planned):
    _, task = planned
    tasks = tasks_of(task.model, task.graph, task.works, 3)
    assert [len(one.works) for one in tasks] == [3, 1]
    assert tuple(work for one in tasks for work in one.works) == task.works


# Affinity in parts.


@pytest.mark.slow
def test_parts_merge_to_the_whole_in_any_order(local, tmp_path):
    run, whole = local
    ids = RunManifest.load(run).ids
    comparison = Comparison(
        run, MODELS, tuple((method, "cosine") for method in METHODS), ids, keep_images=True
    )
    parts = parts_of(comparison)
    assert sorted(shard for part in parts if part.entry == 1 for shard in part.shards) == [0, 1, 2, 3]
    numbered = [partial_of(part, comparison) for part in parts]
    for number, method in enumerate(METHODS):
        mine = [partial for at, partial in numbered if at == number]
        one = merged([mine[2], merged([mine[0], mine[3]]), mine[1]])
        save_partial((number, one), tmp_path)
        state = in_order(load_partial(tmp_path, number).state, ids)
        np.testing.assert_array_equal(
            state.compute()[0], compute_affinity(run, models=MODELS).affinity[method]
        )
        assert list(state.kept) == list(ids)
        assert state.images == IMAGES
        np.testing.assert_allclose(
            np.mean(list(state.kept.values()), axis=0), state.compute()[0][np.triu_indices(3, 1)], atol=1e-6
        )


def test_a_partial_survives_its_file(tmp_path):
    state = AffinityState.empty(("a", "b"), keep_images=False)
    state.update(np.array([[[1.0, 2.0]], [[0.0, 0.0]]]), "second")
    state.update(np.array([[[np.nan, 2.0]], [[1.0, 1.0]]]), "first")
    save_partial((3, Partial(state, 1.5)), tmp_path)
    found = load_partial(tmp_path, 3)
    assert found.core_s == 1.5
    assert found.state.kept is None
    assert found.state.grid == (1, 2)
    assert found.state.dropped == state.dropped
    assert found.state.images == 2
    np.testing.assert_array_equal(found.state.counts, state.counts)
    assert [one.image for one in in_order(found.state, ["first", "second"]).dropped] == ["first", "second"]


# Devices.


def test_devices_are_checked():
    assert check_devices(["gpu:0", "cpu", "cpu"]) == ("gpu:0", "cpu", "cpu")
    for wrong in (["gpu"], ["cuda:0"], ["gpu:0", "gpu:0"]):
        with pytest.raises(SettingsError, match="--devices"):
            check_devices(wrong)


def test_a_device_counts_among_those_that_are_shown():
    assert environment("gpu:1", 0, {})["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment("gpu:1", 0, {"CUDA_VISIBLE_DEVICES": "5,7"})["CUDA_VISIBLE_DEVICES"] == "7"
    assert environment("cpu", 2, {})["CUDA_VISIBLE_DEVICES"] == "-1"
    with pytest.raises(SettingsError, match="there is no gpu:2"):
        environment("gpu:2", 0, {"CUDA_VISIBLE_DEVICES": "5,7"})


@pytest.mark.slow
def test_two_devices_give_the_numbers_of_one_process(trunks, survey, local, tmp_path):
    out = tmp_path / "run"
    with open_engine(RunSettings(devices=("cpu", "cpu"))) as engine:
        attribute(trunks, survey, out, runner=engine.runner)
    check_whole(out, survey)
    check_equal(analyse(out, pictures=False, progress=False), local[1])
    timing = read_timing(out)["models"]
    assert all(timing[model]["images"] == IMAGES and timing[model]["maps_core_s"] > 0 for model in MODELS)


@pytest.mark.slow
def test_a_lost_device_process_is_told_and_the_run_continues(trunks, survey, tmp_path):
    out = tmp_path / "run"
    children = set(_children())

    def kill():
        wait_until(lambda: list(out.rglob("*.tfrecord")))
        for child in set(_children()) - children:
            if "spawn_main" in _command(child):
                os.kill(child, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with (
        open_engine(RunSettings(devices=("cpu",))) as engine,
        pytest.raises(WorkersError, match="was killed"),
    ):
        attribute(trunks, survey, out, runner=engine.runner)
    killer.join()
    done = {path: path.stat().st_mtime_ns for path in out.rglob("*.tfrecord")}
    attribute(trunks, survey, out)
    check_whole(out, survey)
    assert {path: path.stat().st_mtime_ns for path in done} == done


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(word) for word in file.read().split()]


def _command(process):
    with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline") as file:
        return file.read()
    return ""


# Options.


def test_options_of_beam():
    parsed = BeamOptions.parse(["address=tcp://10.0.0.1:8786", "shards_per_task=2"])
    assert parsed.shards_per_task == 2
    assert parsed.workers == 0
    assert parsed.flags[0].endswith("DaskRunner")
    assert {"--dask_client_address=tcp://10.0.0.1:8786", "--dask_partition_size=1"} <= set(parsed.flags)
    assert BeamOptions.parse(["workers=3"]).workers == 3
    flink = BeamOptions.parse(["runner=FlinkRunner", "flink_master=host:8081"])
    assert flink.flags == ("--runner=FlinkRunner", "--flink_master=host:8081")


@pytest.mark.parametrize(
    "pairs, said",
    [
        ([], "nothing says where"),
        (["workers"], "no KEY=VALUE"),
        (["workers=0"], "at least 1"),
        (["workers=2", "address=tcp://a:1"], "names another"),
        (["shards_per_task=x", "workers=1"], "at least 1"),
    ],
)
def test_bad_options_are_explained(pairs, said):
    with pytest.raises(SettingsError, match=said):
        BeamOptions.parse(pairs)


def test_options_that_do_not_go_together(capsys, tmp_path):
    for options, said in [
        (["--runner-options", "workers=2"], "the local runner has none"),
        (["--runner", "beam", "--devices", "cpu"], "--devices is for the local runner"),
        (["--devices", "tpu"], "expected cpu or gpu:N"),
    ]:
        with pytest.raises(SystemExit):
            main(["run", "rooms", "--probe", "rooms", "--out", str(tmp_path / "run"), *options])
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(HAS_BEAM, reason="the extra beam is installed")
def test_a_missing_extra_is_named():
    with (
        pytest.raises(MissingExtraError, match=r"tfattr\[beam\]"),
        open_engine(RunSettings(runner="beam", runner_options=["workers=2"])),
    ):
        pass


# The cluster.

needs_beam = pytest.mark.skipif(
    not HAS_BEAM, reason="needs Apache Beam with its Dask runner (pip install 'tfattr[beam]')"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process of its own on the loopback address."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"

    def start(kind, *options):
        module = f"distributed.cli.dask_{kind}"
        return subprocess.Popen(
            [sys.executable, "-m", module, "--scheduler-file", str(file), "--no-dashboard", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
        )

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    processes += [start("worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny") for _ in range(2)]
    try:
        yield file
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_until(true, seconds=300):
    """What ``true()`` says once it says something; a test that waits longer than its machine is slow fails."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)
    return found


def kill_a_busy_worker(file, run, killed):
    """Waits for the first shards, then kills a process that is at work on another."""
    from distributed import Client

    with Client(scheduler_file=str(file), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        processes = client.run(os.getpid)
        wait_until(lambda: len(list(run.rglob("*.tfrecord"))) >= 4)
        busy = wait_until(lambda: [address for address, tasks in client.processing().items() if tasks])
        os.kill(processes[busy[0]], signal.SIGKILL)
        killed.append(len(list(run.rglob("*.tfrecord"))))
        client.wait_for_workers(1, timeout=60)


@needs_beam
def test_an_error_of_a_worker_arrives_as_it_was(cluster, trunks, survey, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, image in enumerate(survey.images[:4]):
        shutil.copy(image.path, photos / f"photo_{number}{image.path.suffix}")
    mine = survey_probe(photos)
    mine.images[3].path.unlink()
    options = [f"dask_scheduler_file={cluster}"]
    with (
        open_engine(RunSettings(runner="beam", runner_options=options)) as engine,
        pytest.raises(ProbeError, match="photo_3"),
    ):
        attribute(trunks[:1], mine, tmp_path / "run", runner=engine.runner)
    assert not trunk_folder(tmp_path / "run", MODELS[0]).parent.exists()


@needs_beam
def test_a_cluster_that_loses_a_worker_gives_the_numbers_of_one_process(
    cluster, trunks, survey, local, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere
    out, killed = Path("run"), []
    killer = threading.Thread(target=kill_a_busy_worker, args=(cluster, out, killed))
    killer.start()
    options = [f"dask_scheduler_file={cluster}", "shards_per_task=1", "runner=dask"]
    with open_engine(RunSettings(runner="beam", runner_options=options)) as engine:
        attribute(trunks, survey, out, runner=engine.runner)
        killer.join()
        found = analyse(out, pictures=False, progress=False, executor=engine.executor)
    total = len(MODELS) * (len(METHODS) + 1) * IMAGES // PER_SHARD
    assert killed
    assert killed[0] < total
    check_whole(out, survey)
    check_equal(found, local[1])
    # The same shards compared by one process: the merge of parts is exact.
    for method, alone in compute_affinity(out, progress=False).affinity.items():
        np.testing.assert_array_equal(found.affinity[method], alone)
    timing = read_timing(out)
    assert timing["affinity"]["core_s"] > 0
    assert timing["models"][MODELS[0]]["maps_core_s"] > 0
    assert sorted(path.name for path in out.glob(".[at]*")) == []
