"""``tfattr reproduce``: the options of ``run``, the paper's lists as stored, and what a first run is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_zoo import write_photos, write_zoo

from tfattr.cli.main import cli, main
from tfattr.compat import installed


def option_names(command: str) -> set[str]:
    return {
        name for option in cli.commands[command].params for name in (*option.opts, *option.secondary_opts)
    }


def test_reproduce_takes_every_option_of_run() -> None:
    asked = option_names("run")
    assert {
        "--batch-size",
        "--dtype",
        "--channels",
        "--repair",
        "--runner",
        "--devices",
        "--feeding",
    } <= asked
    assert asked <= option_names("reproduce")


@pytest.fixture
def without_innvestigate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "has_innvestigate", lambda: False)


@pytest.mark.filterwarnings("default:iNNvestigate")
def test_reproduce_hands_on_what_it_is_told(
    tmp_path: Path, without_innvestigate: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tiny zoo without iNNvestigate; the settings arrive in run.json, and the list is read as asked."""
    write_zoo(tmp_path, {"one": 1, "two": 2, "three": 3})
    write_photos(tmp_path / "photos")
    out = tmp_path / "out"
    main(
        f"reproduce {tmp_path}/zoo.toml --probe {tmp_path}/photos --out {out} --limit 3 --batch-size 2 --dtype float32 "
        "--channels all --exif stored --no-controls --no-representations --linkage average --quiet".split()
    )
    assert "elrp is computed by the engine deepexplain" in capsys.readouterr().err
    found = json.loads((out / "photos/run.json").read_text())
    settings = found["settings"]
    assert (settings["dtype"], settings["channels"], settings["exif"]) == ("float32", "all", "stored")
    assert settings["engine"] == "deepexplain"
    assert len(found["probe"]) == 3
    assert not (out / "photos/representations").exists()
    assert (out / "report.html").exists()
