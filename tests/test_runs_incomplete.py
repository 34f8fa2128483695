"""A run that always ends: what fails is named, the others go on, the same command continues once it is mended."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_zoo import attribute, write_photos, write_zoo

import tfattr
import tfattr.runs.shard
from tfattr.affinity import AffinityResult
from tfattr.cli.main import main
from tfattr.compat import installed
from tfattr.errors import ModelFileError, SettingsError
from tfattr.records import RunManifest
from tfattr.report import build

NETS = {"one": 1, "two": 2, "three": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A zoo of four, one of them damaged, and its run; a method fails for another."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, {**NETS, "bad": 4})
    (folder / "whole.pb").write_bytes((folder / "bad.pb").read_bytes())
    (folder / "bad.pb").write_bytes(b"no graph at all")
    write_photos(folder / "photos")
    return folder


def failing(compute):
    def attributions(trunk, batch, settings, **storage):
        if settings is not None and trunk.name == "two" and "grad_input" in settings.methods:
            raise ValueError("operands could not be\nbroadcast together")
        return compute(trunk, batch, settings, **storage)

    return attributions


def words(folder, out, *further):
    given = ["run", folder / "zoo.toml", "--probe", folder / "photos", "--out", out, "--quiet"]
    return [*map(str, given), "--methods", "saliency,grad_input", *further]


def left(arguments):
    try:
        main(arguments)
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.slow
def test_the_others_go_on_and_the_same_command_continues(made, tmp_path, monkeypatch, capsys):
    out, compute = tmp_path / "out", tfattr.runs.shard.attributions_for_storage
    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", failing(compute))
    status = left(words(made, out))
    said = capsys.readouterr()
    assert status == 3, said.err
    last = said.err.strip().splitlines()
    assert last[-4] == "tfattr: finished without:"
    assert last[-3].startswith("  two: no grad_input: ValueError (operands could not be broadcast together)")
    assert last[-2].startswith("  bad: cannot be loaded: ")
    assert "bad.pb" in last[-2]
    assert "The same command continues" in last[-1]
    assert "NaN): 3 of 6 by saliency, 5 of 6 by grad_input" in said.out
    lacking = RunManifest.load(out).lacking
    assert {model: list(what) for model, what in lacking.items()} == {"two": ["grad_input"], "bad": ["model"]}
    found = AffinityResult.load(out / "affinity.npz")
    assert found.models == ("one", "two", "three", "bad")
    known = np.isfinite(found.affinity["saliency"])
    assert known[:3, :3].all()
    assert not known[3].any()
    known = np.isfinite(found.affinity["grad_input"])
    np.testing.assert_array_equal(known[:3, :3], [[1, 0, 1], [0, 0, 0], [1, 0, 1]])
    assert (out / "tree_saliency.nwk").read_text().count("bad") == 0
    for command in ("affinity", "tree", "rank"):
        further = ["one"] if command == "rank" else []
        assert left([command, str(out), *further, *(["--quiet"] if command != "tree" else [])]) == 0, command
    opened = tfattr.open_run(out)
    assert list(opened.maps(0, "saliency")) == ["one", "two", "three"]
    assert list(opened.maps(0, "grad_input")) == ["one", "three"]
    assert opened.plot_maps(1, models="one").axes
    assert opened.plot_maps(1).axes
    with pytest.raises(SettingsError, match="names no probe image"):
        opened.plot_maps(0)
    with pytest.raises(SettingsError, match="is a directory"):
        build(out, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.tfrecord")}

    monkeypatch.setattr(tfattr.runs.shard, "attributions_for_storage", compute)
    broken = (made / "bad.pb").read_bytes()
    (made / "bad.pb").write_bytes((made / "whole.pb").read_bytes())
    assert left(words(made, out)) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times  # nothing was computed twice
    assert RunManifest.load(out).lacking == {}
    assert np.isfinite(AffinityResult.load(out / "affinity.npz").affinity["grad_input"]).all()
    (made / "bad.pb").write_bytes(broken)


def test_strict_stops_at_the_first(made, tmp_path, capsys):
    assert left(words(made, tmp_path / "out", "--strict")) == 1
    err = capsys.readouterr().err
    assert "bad.pb" in err
    assert err.count("\n") == 1


def test_where_nothing_can_be_made_the_reason_is_raised(made, tmp_path):
    from tfattr.zoo.file import open_zoo

    with pytest.raises(ModelFileError, match=r"bad\.pb"):
        attribute(
            made / "zoo.toml", made / "photos", tmp_path, models=open_zoo(made / "zoo.toml").only(["bad"])
        )


def test_a_manifest_of_the_older_format_is_read(made, tmp_path):
    from tfattr.zoo.file import open_zoo

    out = tmp_path / "out"
    one = open_zoo(made / "zoo.toml").only(["one"])
    manifest = attribute(made / "zoo.toml", made / "photos", out, models=one)
    older = json.loads((out / "run.json").read_text())
    del older["computing"], older["lacking"]
    (out / "run.json").write_text(json.dumps({**older, "format": 2}))
    found = RunManifest.load(out)
    assert (found.models, found.lacking, found.format) == (manifest.models, {}, 3)
    attribute(made / "zoo.toml", made / "photos", out, models=one)  # goes on in it


@pytest.mark.slow
def test_another_engine_goes_beside(made, tmp_path, capsys):
    """Only the maps of that method are computed; what is there stays, and agrees with a run of its own."""
    if not installed.has_innvestigate():  # its own import fails on Keras 3
        pytest.skip("iNNvestigate 2.1 is not installed")
    out, whole = tmp_path / "out", ["--models", "one,two", "--methods", "saliency,elrp"]
    assert left(words(made, out, *whole)) == 0
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.tfrecord")}
    assert left(words(made, out, *whole, "--lrp-engine", "deepexplain")) == 0
    assert "goes beside it as elrp_deepexplain" in capsys.readouterr().err
    found = AffinityResult.load(out / "affinity.npz")
    assert found.methods == ("saliency", "elrp_deepexplain")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    alone = tmp_path / "alone"
    assert left(words(made, alone, *whole, "--lrp-engine", "deepexplain")) == 0
    np.testing.assert_array_equal(
        AffinityResult.load(alone / "affinity.npz").affinity["elrp"], found.affinity["elrp_deepexplain"]
    )
    assert RunManifest.load(alone).computing["models"]["one"]["lrp_engine"] == "deepexplain"
