"""From records to affinity.npz: streaming against numpy, damage named, files round trip."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.io

from tfattr.affinity import (
    AffinityResult,
    AffinityState,
    AffinityWarning,
    affinity_from_records,
    area_resize,
)
from tfattr.errors import RecordsError, SettingsError
from tfattr.records import ShardLayout, ShardWriter, map_directory

IDS = [f"{index}.jpg" for index in range(10)]
LAYOUT = ShardLayout(images=10, per_shard=4)
SIZES = {"a": (20, 30), "b": (20, 30), "c": (20, 30)}


def make_maps(sizes, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((10, 40, 60, 1))
    maps = {}
    for model, (height, width) in sizes.items():
        own = rng.standard_normal((10, 40, 60, 3)) + shared
        maps[model] = np.stack(
            [
                np.stack([area_resize(image[..., channel], (height, width)) for channel in range(3)], -1)
                for image in own
            ]
        ) * np.float32(10.0 ** rng.integers(-12, 12))
    return maps


def write(run, maps, ids=IDS, layout=LAYOUT, **options):
    map_dirs = {model: map_directory(run, model, "elrp") for model in maps}
    for model, map_dir in map_dirs.items():
        for shard in range(layout.count):
            with ShardWriter(map_dir, layout, shard, ids, **options) as writer:
                writer.add(maps[model][layout.span(shard).start : layout.span(shard).stop])
    return map_dirs


def direct(maps, grid=None):
    """The definition, in float64: channel mean, resize, cosine per image, mean over images."""
    total = 0
    for index in range(10):
        rows = []
        for model in maps.values():
            plane = model[index].astype(np.float64).mean(axis=-1)
            if grid is not None and plane.shape != grid:
                plane = np.kron(plane, np.ones(grid)).reshape(
                    grid[0], plane.shape[0], grid[1], plane.shape[1]
                )
                plane = plane.mean(axis=(1, 3))
            rows.append(plane.ravel() / np.linalg.norm(plane))
        total = total + np.array(rows) @ np.array(rows).T
    return total / 10


@pytest.mark.parametrize("channels", ["mean", "all"])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float16", 1e-3)])
def test_equals_numpy(tmp_path, channels, dtype, tolerance):
    maps = make_maps(SIZES)
    map_dirs = write(tmp_path, maps, channels=channels, dtype=dtype)
    seen = []
    state = affinity_from_records(map_dirs, ids=IDS, progress=seen.append)
    want = direct(maps)
    assert np.abs(want[np.triu_indices(3, 1)]).min() > 0.05
    np.testing.assert_allclose(state.compute()[0], want, atol=tolerance)
    assert seen == [1] * 10
    assert state.grid == (20, 30)
    assert state.models == ("a", "b", "c")


@pytest.mark.parametrize("grid, settled", [(None, (40, 30)), ((8, 12), (8, 12)), (16, (16, 16))])
def test_different_sizes(tmp_path, grid, settled):
    maps = make_maps({"a": (20, 30), "b": (40, 12), "c": (13, 17)})
    state = affinity_from_records(write(tmp_path, maps, dtype="float32"), grid=grid)
    assert state.grid == settled
    np.testing.assert_allclose(state.compute()[0], direct(maps, settled), atol=1e-6)


def test_states_of_parts_merge_to_the_whole(tmp_path):
    map_dirs = write(tmp_path, make_maps(SIZES))
    whole = affinity_from_records(map_dirs, ids=IDS)
    parts = [affinity_from_records(map_dirs, ids=IDS, shards=[shard]) for shard in (2, 0, 1)]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    np.testing.assert_array_equal(merged.total, whole.total)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    with pytest.raises(SettingsError, match="no shard 3; the maps are in 3 shards"):
        affinity_from_records(map_dirs, shards=[3])


def test_models_of_other_images_are_refused(tmp_path):
    maps = make_maps(SIZES)
    map_dirs = write(tmp_path / "one", maps)
    with pytest.raises(RecordsError, match="found image 0.jpg as number 0, expected x.jpg"):
        affinity_from_records(map_dirs, ids=["x.jpg", *IDS[1:]])
    with pytest.raises(RecordsError, match="expected at most 9 images"):
        affinity_from_records(map_dirs, ids=IDS[:9])
    with pytest.raises(RecordsError, match="holds 10 maps, expected 11"):
        affinity_from_records(map_dirs, ids=[*IDS, "more"])
    other = write(tmp_path / "two", maps, ids=[*IDS[:5], "other.jpg", *IDS[6:]])
    with pytest.raises(
        RecordsError, match=r"b/elrp/maps-00001.*other.jpg.*where .*a/elrp/maps-00001.* has 5.jpg"
    ):
        affinity_from_records({"a": map_dirs["a"], "b": other["b"]})
    longer = write(tmp_path / "three", maps, layout=ShardLayout(10, 5))
    with pytest.raises(RecordsError, match="found 2 shards, expected 3 as for a"):
        affinity_from_records({"a": map_dirs["a"], "b": longer["b"]})
    with pytest.raises(RecordsError, match="no such directory"):
        affinity_from_records({"a": map_dirs["a"], "b": tmp_path / "nowhere"})
    with pytest.raises(SettingsError, match="no model"):
        affinity_from_records({})


@pytest.mark.parametrize("model", ["a", "b"])
def test_damaged_shards_are_named(tmp_path, model):
    map_dirs = write(tmp_path, make_maps(SIZES))
    shard = map_dirs[model] / LAYOUT.name(1)
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2 + 7])
    with pytest.raises(RecordsError, match=f"{model}/elrp/{shard.name}: damaged"):
        affinity_from_records(map_dirs, ids=IDS)
    shard.write_bytes(data[: len(data) // 4 * 3])  # exactly three of four records
    with pytest.raises(RecordsError, match=f"{model}/elrp/{shard.name}: ends before"):
        affinity_from_records(map_dirs, ids=IDS)
    broken = bytearray(data)
    broken[len(data) // 2] ^= 16
    shard.write_bytes(bytes(broken))
    with pytest.raises(RecordsError, match=f"{model}/elrp/{shard.name}: damaged"):
        affinity_from_records(map_dirs, ids=IDS)


def test_zero_and_broken_maps_go_through_the_records(tmp_path):
    maps = make_maps(SIZES)
    maps["a"][3] = 0
    maps["b"][4, 0, 0, 0] = np.nan
    state = affinity_from_records(write(tmp_path, maps), ids=IDS)
    assert [tuple(one) for one in state.dropped] == [("a", "3.jpg", "zero"), ("b", "4.jpg", "not finite")]
    with pytest.warns(AffinityWarning, match="elrp: 2 maps are left out.*a on 3.jpg .zero., b on 4.jpg"):
        result = AffinityResult.from_states({"elrp": state})
    np.testing.assert_array_equal(result.counts["elrp"], [[9, 8, 9], [8, 9, 9], [9, 9, 10]])


def example_result():
    states = {}
    for method, seed in [("saliency", 1), ("lrp.epsilon", 2)]:
        state = AffinityState.empty(["net a", "b"], grid=3 if seed == 1 else None)
        for index, image in enumerate(np.random.default_rng(seed).standard_normal((4, 2, 9))):
            state.update(image, str(index))
        states[method] = state
    states["saliency"].update(np.array([[0.0] * 9, [1.0] * 9]), "dark, ü.jpg")
    with pytest.warns(AffinityWarning):
        return AffinityResult.from_states(states)


def test_result_round_trip(tmp_path):
    result = example_result()
    path = result.save(tmp_path / "sub" / "affinity.npz")
    loaded = AffinityResult.load(path)
    assert loaded.models == ("net a", "b")
    assert loaded.methods == ("saliency", "lrp.epsilon")
    for name in ("images", "grids", "dropped"):
        assert getattr(loaded, name) == getattr(result, name)
    for method in result.methods:
        np.testing.assert_array_equal(loaded.affinity[method], result.affinity[method])
        np.testing.assert_array_equal(loaded.counts[method], result.counts[method])
    with np.load(path, allow_pickle=False) as plain:  # as a reader without tfattr sees it
        assert list(plain["models"]) == ["net a", "b"]
        assert list(plain["methods"]) == ["saliency", "lrp.epsilon"]
        np.testing.assert_array_equal(plain["saliency"], result.affinity["saliency"])
        np.testing.assert_array_equal(plain["counts"][0], [[4, 4], [4, 5]])
        assert plain["dropped"].tolist() == [["saliency", "net a", "dark, ü.jpg", "zero"]]
    assert list(path.parent.iterdir()) == [path]


def test_authors_layout(tmp_path):
    result = example_result()
    plain, matlab = result.save_authors_layout(tmp_path)
    want = np.stack([result.affinity["saliency"], result.affinity["lrp.epsilon"]])
    np.testing.assert_array_equal(np.load(plain), want)
    np.testing.assert_array_equal(scipy.io.loadmat(matlab)["affinity"], want)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["affinity.mat", "affinity.npy"]


def test_files_that_are_no_result(tmp_path):
    path = tmp_path / "affinity.npz"
    with pytest.raises(RecordsError, match="no such file"):
        AffinityResult.load(path)
    data = example_result().save(path).read_bytes()
    for broken in [b"", b"text", data[: len(data) // 2]]:
        path.write_bytes(broken)
        with pytest.raises(RecordsError, match="cannot be read"):
            AffinityResult.load(path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(RecordsError, match="methods"):
        AffinityResult.load(path)
    np.save(tmp_path / "plain.npy", np.ones(3))
    with pytest.raises(RecordsError, match="cannot be read"):
        AffinityResult.load(tmp_path / "plain.npy")
    np.savez(path, methods=np.array(["x"], dtype=object))  # a pickle is never opened
    with pytest.raises(RecordsError, match="cannot be read"):
        AffinityResult.load(path)


def test_states_that_make_no_result():
    state = AffinityState.empty(["a"])
    with pytest.raises(SettingsError, match="at least one method"):
        AffinityResult.from_states({})
    with pytest.raises(SettingsError, match="cannot be named 'counts'"):
        AffinityResult.from_states({"counts": state})
    with pytest.raises(SettingsError, match="not of the same models"):
        AffinityResult.from_states({"x": state, "y": AffinityState.empty(["b"])})


ALONE = """
import os, sys
import numpy, scipy.linalg

pool = [task for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]  # of OpenBLAS, nothing else runs

def woken():
    texts = [open(f"/proc/self/task/{task}/status").read() for task in pool]
    return [line for text in texts for line in text.splitlines() if "ctxt_switches" in line]

from tfattr.affinity import affinity_from_records
from tfattr.records import ShardLayout, ShardWriter

before = woken()
maps = numpy.random.default_rng(0).standard_normal((4, 256, 256, 3), numpy.float32)
homes = {}
for name in "abc":
    homes[name] = os.path.join(sys.argv[1], name)
    for dtype in ("float16", "float32"):
        with ShardWriter(homes[name], ShardLayout(4), 0, "wxyz", dtype=dtype) as writer:
            writer.add(maps)
with ShardWriter(homes["a"] + "wide", ShardLayout(1), 0, "w") as writer:
    writer.add(numpy.ones((1, 2, 20_000, 3), numpy.float32))
affinity_from_records(homes).compute()
affinity_from_records(homes, grid=100, measure="pearson").compute()
quiet = woken() == before
maps.reshape(-1, 256) @ maps.reshape(-1, 256).T[:, :512]
print(len(pool), quiet, woken() == before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts context switches in Linux's /proc")
@pytest.mark.skipif(os.cpu_count() == 1, reason="on one processor BLAS has no pool")
def test_no_pool_of_threads_is_woken(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, tmp_path], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pool, quiet, control = done.stdout.split()[-3:]
    assert int(pool) > 0
    assert quiet == "True"
    assert control == "False"  # what wakes it is seen
