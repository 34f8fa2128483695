"""The paper's probe lists and the draw of fresh ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from found import some

from studies.probe_lists import RECIPES, SIZES, builtin_list, draw, write_list
from tfattr.errors import ProbeError, SettingsError
from tfattr.probe import list_probe

BUILDINGS = ["collierville", "corozal", "darden", "markleeville", "wiconisco"]


def lines(name: str) -> list[str]:
    return builtin_list(name).read_text("utf-8").splitlines()


def test_lists_are_the_papers() -> None:
    taskonomy, indoor, coco = lines("taskonomy"), lines("indoor"), lines("coco")
    assert [len(set(found)) for found in (taskonomy, indoor, coco)] == [1000, 1005, 1000]
    assert list(Counter(line.split("/")[0] for line in taskonomy).items()) == [
        (f"{building}_rgb", 200) for building in BUILDINGS
    ]
    categories = Counter(line.split("/")[1] for line in indoor)
    assert len(categories) == 67
    assert set(categories.values()) == {15}
    for found in (taskonomy, indoor, coco):
        assert not any(line.startswith("/") or ".." in line for line in found)


def test_lists_equal_the_released_ones(shared: Path) -> None:
    for name in some(RECIPES):
        released = (shared / "probe_lists" / f"{name}.txt").read_text().split("\n")
        keep = 2 if name == "taskonomy" else 9  # absolute paths in the release
        assert lines(name) == ["/".join(line.split("/")[-keep:]) for line in released if line], name


def data_set(root: Path, name: str, count: int) -> Path:
    groups = {
        "taskonomy": [f"{building}_rgb" for building in BUILDINGS] + ["elsewhere_rgb"],
        "indoor": [f"Images/category{n}" for n in range(67)],
        "coco": ["."],
    }[name]
    form = {
        "taskonomy": "point_{}_view_0_domain_rgb.png",
        "indoor": "{}.jpg",
        "coco": "COCO_val2014_{:012d}.jpg",
    }
    for group in groups:
        (root / group).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / group / form[name].format(index)).touch()
        (root / group / "notes.txt").touch()
    return root


@pytest.mark.parametrize(("name", "count"), [("taskonomy", 250), ("indoor", 20), ("coco", 1200)])
def test_the_papers_recipe(name: str, count: int, tmp_path: Path) -> None:
    root = data_set(tmp_path, name, count)
    drawn = draw(name, root, seed=1)
    assert len(drawn) == len(set(drawn)) == RECIPES[name].size
    assert all((root / path).is_file() and path.endswith((".jpg", ".png")) for path in drawn)
    groups = Counter(path.rpartition("/")[0] for path in drawn)
    assert len(set(groups.values())) == 1
    assert "elsewhere_rgb" not in groups
    assert drawn == draw(name, root, seed=1)
    assert drawn != draw(name, root, seed=2)
    write_list(drawn, tmp_path / "drawn.txt")
    assert [image.id for image in list_probe(tmp_path / "drawn.txt", root=root)] == drawn


def test_sizes_of_the_study_are_nested(tmp_path: Path) -> None:
    root = data_set(tmp_path, "taskonomy", 400)
    smaller: set[str] = set()
    for size in SIZES:
        drawn = draw("taskonomy", root, size=size, seed=3)
        assert len(set(drawn)) == size
        assert smaller <= set(drawn)
        smaller = set(drawn)


def test_uneven_sizes_are_spread(tmp_path: Path) -> None:
    groups = Counter(path.split("/")[1] for path in draw("indoor", data_set(tmp_path, "indoor", 3), size=100))
    assert len(groups) == 67
    assert set(groups.values()) == {1, 2}


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="no picture"):
        draw("coco", tmp_path)
    root = data_set(tmp_path, "taskonomy", 10)
    with pytest.raises(ProbeError, match="10 pictures, but 200"):
        draw("taskonomy", root)
    with pytest.raises(SettingsError, match="at least 1"):
        draw("coco", root, size=0)
    with pytest.raises(SettingsError, match="taskonomy, indoor, coco"):
        draw("imagenet", root)
