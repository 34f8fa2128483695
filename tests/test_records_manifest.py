"""run.json: round trip, and a run that differs is refused by name."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tfattr.errors import RecordsError, SettingsError
from tfattr.probe import list_probe, survey
from tfattr.records import RunManifest, check_compatible

SETTINGS = {
    "methods": ("saliency", "elrp"),
    "engine": "innvestigate",
    "target": "sum",
    "epsilon": np.float32(1e-4),
    "channels": "mean",
    "dtype": "float16",
    "images_per_shard": 64,
    "grid": None,
}


@dataclasses.dataclass(frozen=True)
class Frame:
    size: tuple = (32, 48)
    color: str = "RGB"

    def to_dict(self):
        return dataclasses.asdict(self)


def trunk(name, digest="aa", source="here.pb"):
    return SimpleNamespace(
        name=name,
        input="x:0",
        output="y:0",
        input_shape=(32, 48, 3),
        output_shape=(4, 6, 8),
        preprocessing=Frame(),
        provenance={"source": Path(source), "graph": {"sha256": digest}, "weights_sha256": "w" + digest},
    )


@pytest.fixture
def probe(tmp_path):
    folder = tmp_path / "probe"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (4, 4), (index, 0, 0)).save(folder / f"{index}.png")
    (folder / "2b.png").write_bytes((folder / "2.png").read_bytes())
    (folder / "bad.png").write_bytes(b"")
    return survey(list_probe(folder))


@pytest.fixture
def manifest(probe):
    return RunManifest.make([trunk("a"), trunk("b")], probe, SETTINGS)


def test_round_trip(tmp_path, manifest):
    path = manifest.save(tmp_path / "run")
    assert path == tmp_path / "run" / "run.json"
    assert RunManifest.load(tmp_path / "run") == manifest
    assert sorted(path.parent.iterdir()) == [path]  # no temporary file left
    raw = json.loads(path.read_text())
    assert raw["models"]["a"]["preprocessing"] == {"size": [32, 48], "color": "RGB"}
    assert raw["models"]["a"]["provenance"]["source"] == "here.pb"
    assert [image["id"] for image in raw["probe"]] == ["0.png", "1.png", "2.png", "2b.png"] == manifest.ids
    assert all(len(image["sha256"]) == 64 for image in raw["probe"])
    assert raw["skipped"][0]["id"] == "bad.png"
    assert raw["duplicates"] == [["2.png", "2b.png"]]
    assert raw["versions"]["numpy"] == np.__version__
    assert set(raw["versions"]) == {"python", "tfattr", "tensorflow", "innvestigate", "tf-slim", "numpy"}


def test_the_same_settings_are_compatible_after_a_round_trip(tmp_path, manifest):
    manifest.save(tmp_path)
    assert check_compatible(RunManifest.load(tmp_path), manifest) == []


def test_models_may_come_and_go(probe, manifest):
    more = RunManifest.make([trunk("b"), trunk("c")], probe, SETTINGS)
    assert check_compatible(manifest, more) == []
    assert list(manifest.with_models_of(more).models) == ["a", "b", "c"]


def test_a_moved_file_is_the_same_model(probe, manifest):
    assert (
        check_compatible(manifest, RunManifest.make([trunk("a", source="there.pb")], probe, SETTINGS)) == []
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epsilon": 1e-3}, r"epsilon is 9\.99\S+e-05 on disk, 0\.001 asked for"),
        ({"methods": ("saliency",)}, r'methods is \["saliency", "elrp"\] on disk, \["saliency"\] asked for'),
        ({"grid": (64, 64)}, r"grid is null on disk, \[64, 64\] asked for"),
        ({"seed": 1}, "seed is not set on disk, 1 asked for"),
    ],
)
def test_each_differing_setting_is_named(probe, manifest, change, message):
    with pytest.raises(SettingsError, match=message):
        check_compatible(manifest, RunManifest.make([trunk("a")], probe, {**SETTINGS, **change}))


def test_all_differences_are_named_at_once(probe, manifest):
    settings = {**SETTINGS, "engine": "deepexplain", "target": "energy"}
    fewer = dataclasses.replace(probe, images=probe.images[:2])
    with pytest.raises(SettingsError) as caught:
        check_compatible(
            manifest, RunManifest.make([trunk("a", "bb")], fewer, settings), where="out/run.json"
        )
    text = str(caught.value)
    for part in [
        "out/run.json",
        'engine is "innvestigate" on disk, "deepexplain" asked for',
        'target is "sum" on disk, "energy" asked for',
        "the probe has 4 readable images on disk, 2 asked for",
        'model a: provenance.graph.sha256 is "aa" on disk, "bb" now',
        'model a: provenance.weights_sha256 is "waa" on disk, "wbb" now',
    ]:
        assert part in text


def test_probe_images_must_be_the_same(probe, manifest):
    swapped = dataclasses.replace(probe, images=probe.images[::-1])
    with pytest.raises(SettingsError, match='probe image 0 is "0.png" on disk, "2b.png" asked for'):
        check_compatible(manifest, RunManifest.make([], swapped, SETTINGS))
    changed = dataclasses.replace(probe, sha256={**probe.sha256, "1.png": "0" * 64})
    with pytest.raises(SettingsError, match="probe image 1.png has sha256 .* on disk, 000000000000 now"):
        check_compatible(manifest, RunManifest.make([], changed, SETTINGS))


def test_versions_are_noted_not_refused(manifest):
    older = dataclasses.replace(manifest, versions={**manifest.versions, "numpy": "1.24.0"})
    assert check_compatible(older, manifest) == [f'numpy was "1.24.0", is "{np.__version__}"']


def test_files_that_are_no_manifest(tmp_path, manifest):
    with pytest.raises(RecordsError, match="not the directory of a tfattr run"):
        RunManifest.load(tmp_path)
    path = manifest.save(tmp_path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RecordsError, match="cannot be read as JSON"):
        RunManifest.load(tmp_path)
    path.write_text('{"a": 1}')
    with pytest.raises(RecordsError, match="not the manifest"):
        RunManifest.load(tmp_path)
    path.write_text("[]")
    with pytest.raises(RecordsError, match="not the manifest"):
        RunManifest.load(tmp_path)
    dataclasses.replace(manifest, format=99).save(tmp_path)
    with pytest.raises(RecordsError, match="format 99, expected 3"):
        RunManifest.load(tmp_path)


def test_importing_records_is_light():
    code = "import sys, tfattr.records, tfattr.probe; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
