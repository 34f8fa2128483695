"""The pages on extending: their code runs as it stands, and what it registers is found."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image
from small_zoo import write_photos, write_zoo

PAGES = Path(__file__).resolve().parents[1] / "docs" / "extending"


def run_page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, list[str]]:
    """Executes a page's Python blocks one after the other; its names, and its TOML blocks."""
    monkeypatch.chdir(folder)
    text = (PAGES / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert blocks
    names: dict = {"__name__": name}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    return names, re.findall(r"```toml\n(.*?)```", text, flags=re.S)


def test_a_measure(tmp_path, monkeypatch):
    from tfattr.affinity import measures

    monkeypatch.setattr(measures, "_MEASURES", dict(measures._MEASURES))
    names, _ = run_page("measure", tmp_path, monkeypatch)
    assert measures.find_measure("top_overlap").description == names["TopOverlap"].description


def test_a_family(tmp_path, monkeypatch):
    from tfattr.zoo.file import read_zoo

    names, (zoo,) = run_page("family", tmp_path, monkeypatch)
    (tmp_path / "zoo.toml").write_text(zoo)
    (tmp_path / "my_module.py").write_text(
        re.search(r"```python\n(.*?)```", (PAGES / "family.md").read_text("utf-8"), flags=re.S)[1]
    )
    monkeypatch.syspath_prepend(tmp_path)
    (model,) = read_zoo(tmp_path / "zoo.toml").trusted()
    assert model.load().output_shape == names["trunk"].output_shape


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three models on six photographs, and measured transfer among them."""
    import tfattr

    folder = tmp_path_factory.mktemp("extending")
    names = ("one", "two", "three")
    zoo = write_zoo(folder, {name: seed for seed, name in enumerate(names, 1)})
    photos = write_photos(folder / "photos", 6)
    made = tfattr.run(tfattr.open_zoo(zoo), photos, folder / "run", methods=["grad_input"], progress=False)
    pairs = [(target, source) for target in names for source in names if target != source]
    lines = [f"{target},{source},{place}" for place, (target, source) in enumerate(pairs, 1)]
    (folder / "truth.csv").write_text("\n".join(["target,source,affinity", *lines]))
    return made


def test_a_baseline(run, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from tfattr.baselines import registry
    from tfattr.cli.main import cli

    try:
        names, _ = run_page("baseline", tmp_path, monkeypatch)
        for command in (
            [
                "evaluate",
                str(run.path),
                "--truth",
                str(run.path.parent / "truth.csv"),
                "--draws",
                "5",
                "--quiet",
            ],
            ["rank", str(run.path), "one", "--by", "mutual_neighbours"],
        ):
            done = CliRunner().invoke(cli, command, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            assert "mutual_neighbours" in done.output
        rows = {row["ranking"]: row for row in json.loads((run.path / "evaluation.json").read_text())["rows"]}
        assert rows["mutual_neighbours"]["kind"] == "baseline"
        assert rows["mutual_neighbours"]["P@1_interval"] is not None
        assert "mutual neighbours" in run.report(tmp_path / "report.html").read_text("utf-8")
    finally:
        registry.BASELINES.pop("mutual_neighbours", None)


def test_a_figure(run, tmp_path, monkeypatch):
    from tfattr.figures import plots
    from tfattr.runs.analysis import analyse

    monkeypatch.setattr(plots, "_PLOTS", dict(plots._PLOTS))
    run_page("figure", tmp_path, monkeypatch)
    analyse(run.path, progress=False)
    for suffix in ("png", "svg"):
        assert (run.path / "figures" / f"spread_grad_input.{suffix}").stat().st_size > 1000
    page = run.report(tmp_path / "report.html").read_text("utf-8")
    section = page[page.index('id="matrix"') : page.index('id="sources"')]
    assert "affinities by gradient × input of all pairs of 3 models are spread, on 6 images." in section
    assert "Histogram of the affinities by gradient × input of all pairs of 3 models. The highest" in section
    assert "figures/spread_grad_input.png, made by <code>tfattr affinity run</code>" in section


def test_a_probe_set(tmp_path, monkeypatch):
    from tfattr.errors import SettingsError
    from tfattr.runs import probes

    (tmp_path / "photos").mkdir()
    for name, grey in (("hill", 90), ("beach", 200)):
        Image.new("RGB", (40, 30), (grey, 20, 30)).save(tmp_path / "photos" / f"{name}.png")
    known = dict(probes.probe_sets())
    monkeypatch.setattr(probes, "probe_sets", lambda: known)
    run_page("probe_set", tmp_path, monkeypatch)
    with pytest.raises(SettingsError, match="'rooms' already"):
        probes.register_probe("rooms", tmp_path)


def test_the_command_line_imports_what_is_asked_for(tmp_path, monkeypatch):
    from tfattr.cli.main import import_extensions
    from tfattr.errors import SettingsError

    (tmp_path / "an_extension_of_mine.py").write_text("registered = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TFATTR_EXTENSIONS", "an_extension_of_mine")
    import_extensions()
    assert sys.modules.pop("an_extension_of_mine").registered
    monkeypatch.setenv("TFATTR_EXTENSIONS", "no_such_module_of_mine")
    with pytest.raises(SettingsError, match="no_such_module_of_mine"):
        import_extensions()
