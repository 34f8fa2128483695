"""What the documentation shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.S)


def test_python_api_of_the_readme(shared, tmp_path, monkeypatch):
    import shutil

    (example,) = (block for block in blocks("python") if "from_frozen_graph" in block)
    shutil.copy(shared / "real/weights/mobilenet_v1_0.25_224/frozen_graph.pb", tmp_path / "frozen.pb")
    (tmp_path / "photos").mkdir()
    for photo in sorted((shared / "real/probe/coco").glob("*.jpg"))[:2]:
        shutil.copy(photo, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    code = example.replace("pool:0", "MobilenetV1/Logits/AvgPool_1a/AvgPool:0")
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["maps"].shape == (2, 224, 224, 3)
    assert set(names["both"]) == {"saliency", "elrp"}


def test_zoo_of_the_readme_parses(tmp_path):
    from tfattr.zoo.file import read_zoo

    (example,) = (block for block in blocks("toml") if "espcn_x2" in block)
    (tmp_path / "zoo.toml").write_text(example)
    first, second = read_zoo(tmp_path / "zoo.toml")
    assert first.preprocessing.color == "Y"
    assert second.options == {"depth_multiplier": 0.25}
    assert second.preprocessing.range == "[-1,1]"


def test_records_of_the_readme_are_read_without_this_package(tmp_path, monkeypatch):
    import numpy as np

    from tfattr.records import ShardLayout, ShardWriter, map_directory

    (example,) = (block for block in blocks("python") if "TFRecordDataset" in block)
    maps = np.random.default_rng(0).normal(size=(3, 8, 6, 1)).astype(np.float32)
    layout, ids = ShardLayout(3, 2), ["a", "b", "c"]
    home = map_directory(tmp_path / "out/mine", "espcn_x2", "grad_input")
    for shard in range(layout.count):
        with ShardWriter(home, layout, shard, ids) as writer:
            span = layout.span(shard)
            writer.add(maps[span.start : span.stop])
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    np.testing.assert_allclose(names["map"], maps[-1], atol=2e-3 * np.abs(maps[-1]).max())


def test_files_and_commands_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
    from tfattr.cli.main import cli

    for command in set(re.findall(r"^ +tfattr ([a-z]+)|`tfattr ([a-z]+)", text, flags=re.M)):
        name = next(part for part in command if part)
        assert name in cli.commands, name
