"""The pages on extending: their code runs as it stands, and what it registers is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
