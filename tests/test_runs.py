"""The whole road on small networks of other sizes and colours: resume, refusal, additions, affinity equal to numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from found import some
from PIL import Image
from small_zoo import write_mixed_zoo

from tfattr.attribution import attribute
from tfattr.errors import RecordsError, SettingsError
from tfattr.probe import read_photo
from tfattr.records import RunManifest, map_directory, read_maps
from tfattr.runs.analysis import analyse, compute_affinity
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.probes import survey_probe
from tfattr.runs.settings import RunSettings
from tfattr.zoo.file import read_zoo

MODELS = ("luma", "small", "byte")
METHODS = ("saliency", "grad_input")


@pytest.fixture(scope="module")
def probe(rooms_photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    for index, path in enumerate(rooms_photos[:5]):
        Image.open(path).resize((90, 80)).save(folder / f"photo_{index}.png")
    return folder


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    return list(read_zoo(write_mixed_zoo(tmp_path_factory.mktemp("zoo"))))


@pytest.fixture(scope="module")
def trunks(specs):
    return {spec.name: spec.load() for spec in specs}


def run(specs, probe, out, methods=METHODS, dtype="float32", **kwargs):
    return attribute_zoo(
        specs,
        survey_probe(probe),
        out,
        RunSettings(methods=methods, dtype=dtype, images_per_shard=2, **kwargs),
        progress=False,
    )


@pytest.fixture(scope="module")
def finished(specs, probe, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    run(specs, probe, out)
    return out, analyse(out, RunSettings(authors_layout=True), progress=False)


def expected_affinity(trunks, probe, method, grid):
    """The authors' affinity by direct numpy on maps computed one image at a time."""
    total = np.zeros((len(MODELS), len(MODELS)))
    paths = sorted(probe.glob("*.png"))
    for path in paths:
        rows = []
        for name in MODELS:
            trunk = trunks[name]
            found = attribute(trunk, trunk.preprocess([read_photo(path)]), method)[0].mean(
                -1, dtype=np.float64
            )
            rows.append(box_resize(found, grid).ravel())
        rows = np.stack(rows)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        total += rows @ rows.T
    return total / len(paths)


def box_resize(image, side):
    """Area resize by integrating a step function: every pixel becomes ``side`` x ``side`` equal parts."""
    height, width = image.shape
    fine = np.repeat(np.repeat(image, side, axis=0), side, axis=1)
    return fine.reshape(side, height, side, width).mean(axis=(1, 3))


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float16", 1e-3)])
def test_affinity_equals_numpy(specs, probe, trunks, tmp_path, finished, dtype, tolerance):
    if dtype == "float32":
        out = finished[0]
    else:
        out = tmp_path / "half"
        run(specs, probe, out, dtype=dtype)
    result = compute_affinity(out, grid=(24, 24), progress=False)
    assert result.models == MODELS
    for method in METHODS:
        expected = expected_affinity(trunks, probe, method, 24)
        np.testing.assert_allclose(result.affinity[method], expected, atol=tolerance)
        assert (result.counts[method] == 5).all()


def test_everything_is_written(finished):
    out, result = finished
    for name in ("run.json", "affinity.npz", "affinity.npy", "affinity.mat", "previews.npz"):
        assert (out / name).stat().st_size > 0
    for method in METHODS:
        for kind in ("affinity", "tree"):
            with Image.open(out / "figures" / f"{kind}_{method}.png") as picture:
                assert min(picture.size) > 200
        for model in MODELS:
            shards = sorted(path.name for path in (out / "attributions" / model / method).iterdir())
            assert shards == [f"maps-{i:05d}-of-00003.tfrecord" for i in range(3)]
    assert np.load(out / "affinity.npy").shape == (2, 3, 3)
    manifest = json.loads((out / "run.json").read_text())
    assert [image["id"] for image in manifest["probe"]] == [f"photo_{i}.png" for i in range(5)]
    for model in MODELS:
        assert len(manifest["models"][model]["provenance"]["weights_sha256"]) == 64
    assert manifest["settings"]["target"] == "sum"
    assert result.grids["saliency"] == (96, 96)


def test_rerun_computes_only_what_is_missing(specs, probe, tmp_path, finished):
    import shutil

    out = tmp_path / "again"
    shutil.copytree(finished[0], out)
    home = out / "attributions" / "byte" / "saliency"
    lost = home / "maps-00001-of-00003.tfrecord"
    whole = lost.read_bytes()
    lost.unlink()
    (home / ".maps-00001-of-00003.tfrecord.unfinished-0badc0de").write_bytes(whole[:100])
    before = {path: path.stat().st_mtime_ns for path in out.glob("attributions/*/*/*")}
    run(specs, probe, out)
    assert lost.read_bytes() == whole
    changed = [path for path in out.glob("attributions/*/*/*") if before.get(path) != path.stat().st_mtime_ns]
    assert changed == [lost]


def test_models_and_methods_can_be_added(specs, probe, tmp_path):
    out = tmp_path / "growing"
    run(specs[:1], probe, out, methods=("saliency",))
    run(specs[1:], probe, out, methods=("saliency",))
    run(specs, probe, out, methods=("saliency", "grad_input"))
    assert tuple(RunManifest.load(out).models) == MODELS
    assert compute_affinity(out, progress=False).methods == ("saliency", "grad_input")


def test_other_settings_are_refused_with_the_difference_named(specs, probe, tmp_path, finished):
    out = finished[0]
    with pytest.raises(SettingsError, match=r'target is "sum" on disk, "energy" asked for'):
        run(specs, probe, out, target="energy")
    with pytest.raises(SettingsError, match=r'dtype is "float32" on disk, "float16" asked for'):
        run(specs, probe, out, dtype="float16")
    other = tmp_path / "probe"
    other.mkdir()
    for path in probe.glob("*.png"):
        Image.open(path).rotate(180).save(other / path.name)
    with pytest.raises(SettingsError, match="photo_0.png has sha256"):
        run(specs, other, out)
    with pytest.raises(SettingsError, match="5 readable images on disk, 2 asked for"):
        attribute_zoo(
            specs,
            survey_probe(probe, limit=2),
            out,
            RunSettings(methods=METHODS, dtype="float32", images_per_shard=2),
            progress=False,
        )
    assert compute_affinity(out, progress=False).affinity.keys() == set(METHODS)


def test_other_weights_under_the_same_name_are_refused(specs, probe, tmp_path):
    import dataclasses

    out = tmp_path / "out"
    run(specs[:1], probe, out, methods=("saliency",))
    impostor = dataclasses.replace(specs[2], name="luma")
    with pytest.raises(SettingsError, match="model luma: .*sha256"):
        run([impostor], probe, out, methods=("saliency",))


def test_maps_without_a_manifest_are_not_touched(specs, probe, tmp_path):
    (tmp_path / "attributions" / "x").mkdir(parents=True)
    with pytest.raises(SettingsError, match="no run.json"):
        run(specs[:1], probe, tmp_path)


def test_a_damaged_shard_is_named_and_not_averaged_in(finished, tmp_path):
    import shutil

    out = tmp_path / "damaged"
    shutil.copytree(finished[0], out)
    shard = out / "attributions" / "small" / "grad_input" / "maps-00001-of-00003.tfrecord"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(content)
    with pytest.raises(RecordsError, match="maps-00001-of-00003.tfrecord"):
        compute_affinity(out, progress=False)


def test_records_hold_the_maps(finished, probe, trunks):
    trunk = trunks["small"]
    ids = RunManifest.load(finished[0]).ids
    records = list(read_maps(map_directory(finished[0], "small", "grad_input"), ids))
    x = trunk.preprocess([read_photo(path) for path in sorted(probe.glob("*.png"))])
    expected = attribute(trunk, x, "grad_input").mean(-1, keepdims=True)
    for record, wanted in some(zip(records, expected)):
        np.testing.assert_allclose(record.map, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
        assert record.norm == pytest.approx(np.linalg.norm(wanted), rel=1e-3)


def test_dropped_models_are_collected_by_their_size(monkeypatch):
    from types import SimpleNamespace

    from tfattr.runs import attribution

    collected = []
    monkeypatch.setattr(attribution.gc, "collect", lambda: collected.append(None))
    garbage, small, large = (
        attribution.Garbage(),
        *(
            SimpleNamespace(inference=SimpleNamespace(weights={"w": SimpleNamespace(nbytes=size)}))
            for size in (1 << 20, 200 << 20)
        ),
    )
    for expected, trunk in ((0, small), (0, small), (1, large), (1, small), (1, small), (2, large)):
        garbage.add(trunk)
        garbage.collect()
        assert len(collected) == expected
