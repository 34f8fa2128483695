"""``tfattr reproduce``: the options of ``run``, the paper's lists as stored, and what a first run is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_zoo import write_photos, write_zoo

import tfattr
from tfattr.cli.main import cli, main
from tfattr.compat import installed
from tfattr.errors import ProbeError
from tfattr.runs import reproducing
from tfattr.runs.controls import probe_of
from tfattr.zoo.file import open_zoo


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
    write_zoo(tmp_path, {"one": 1, "two": 2})
    write_photos(tmp_path / "photos")
    out = tmp_path / "out"
    main(
        f"reproduce {tmp_path}/zoo.toml --probe {tmp_path}/photos --out {out} --limit 3 --batch-size 2 --dtype float32 "
        "--channels all --exif stored --no-controls --no-representations --linkage average --methods grad_input,elrp --quiet".split()
    )
    found = json.loads((out / "photos/run.json").read_text())
    settings = found["settings"]
    assert (settings["dtype"], settings["channels"], settings["exif"]) == ("float32", "all", "stored")
    assert settings["engine"] != "innvestigate"
    assert len(found["probe"]) == 3
    assert not (out / "photos/representations").exists()
    assert (out / "report.html").exists()
    assert {image.exif for image in probe_of(out / "photos").images} == {"stored"}
    with pytest.raises(SystemExit):
        main(
            f"attribute {tmp_path}/zoo.toml --probe {tmp_path}/photos --out {out}/photos --limit 3 --quiet".split()
        )
    assert 'exif is "stored" on disk, not set asked for' in capsys.readouterr().err


def test_the_papers_lists_are_read_as_its_authors_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`reproduce` asks for the stored pixels of taskonomy, indoor and coco, and turns every other probe upright."""
    asked = {}

    def survey(probe: str, root: object, limit: object, strict: bool, exif: str) -> None:
        asked[probe] = exif
        raise ProbeError("enough")

    monkeypatch.setattr(reproducing, "survey_probe", survey)
    for probe in ("taskonomy", "indoor", "coco", "rooms", str(tmp_path)):
        with pytest.raises(ProbeError, match="enough"):
            reproducing.reproduce(open_zoo("rooms"), tmp_path / "out", probes=[probe], progress=False)
    assert asked == {
        **dict.fromkeys(("taskonomy", "indoor", "coco"), "stored"),
        **dict.fromkeys(("rooms", str(tmp_path)), "upright"),
    }


def told(arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments.split())
    return left.value.code, capsys.readouterr().err


def test_a_first_run_is_told_what_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One screen: every model and photograph that lacks, how many GB, three commands that the command line takes."""
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path / "home"))
    code, text = told(f"reproduce taskonomy --out {tmp_path}/out", capsys)
    assert code == 1
    lines = text.replace(str(tmp_path), "~").splitlines()
    assert len(lines) <= 20
    assert max(len(line) for line in lines) <= 140
    assert "20 of 20 models, at least 1.9 GB unpacked" in text  # 20 x 23.7 million numbers of 4 bytes
    assert all(
        f"{name}: {count} pictures" in text
        for name, count in (("taskonomy", "1,000"), ("indoor", "1,005"), ("coco", "1,000"))
    )
    commands = [line.split("#")[0].split() for line in lines if line.startswith("  tfattr ")]
    assert [words[1] for words in commands] == ["fetch", "models", "reproduce"]
    for words in commands:
        given = {word for word in words if word.startswith("--")}
        assert given <= option_names(words[1])
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home").exists()


def test_a_first_run_of_the_merged_zoo_names_what_has_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path / "home"))
    code, text = told(f"reproduce merged --probe-root taskonomy={tmp_path} --out {tmp_path}/out", capsys)
    assert code == 1
    assert "38 of 38 models" in text
    assert "fcn has no public address" in text
    assert "photographs" not in text


def test_trunks_of_ones_own_are_a_zoo(tmp_path: Path) -> None:
    """Trunks in place of a zoo file: the run, its control of shuffled weights, the study opened again."""
    trunks = [spec.load() for spec in open_zoo(write_zoo(tmp_path, {"one": 1, "two": 2}))]
    photos = write_photos(tmp_path / "photos", 3)
    study, evaluation = tfattr.reproduce(
        trunks, tmp_path / "out", probes=[photos], methods=["grad_input"], progress=False, tell=lambda _: None
    )
    assert evaluation is None
    assert tfattr.open_study(study.path) == study
    shuffled = tfattr.open_run(tmp_path / "out/photos/controls/random")
    assert shuffled.models == study.open().models == ("one", "two")
    assert not (shuffled.maps(0)["one"] == study.open().maps(0)["one"]).all()
    assert len(study.claims()) == 6
