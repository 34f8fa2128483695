"""The list of originals and the page of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from zoo import fake

from tfattr.zoo.describe import COLUMNS, description, status, table
from tfattr.zoo.originals import entries, entry


def test_the_table_has_a_line_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    lines = table("merged").splitlines()
    assert lines[0].split("  ")[0] == COLUMNS[0]
    assert [line.split()[0] for line in lines[1:]] == [item.id for item in entries("merged")]
    assert len(table().splitlines()) == 40


def test_status_follows_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    item = entry("inpaint_celeba")
    assert (status(item), status(entry("fcn"))) == ("not fetched", "by hand")
    for folder in ("one", "two"):
        (tmp_path / "models/inpaint_celeba" / folder).mkdir(parents=True)
        fake.write(tmp_path / f"models/inpaint_celeba/{folder}/snap-0", {"x": np.zeros(1, np.float32)})
        assert status(item) == ("on disk" if folder == "one" else "several files")


@pytest.mark.parametrize("item", entries(), ids=lambda item: item.id)
def test_a_page_says_all(item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    page = description(item)
    for text in (item.citation, item.licence, item.target, item.native, *item.unconfirmed):
        assert text in page
    assert page.count("address: ") == sum(len(download.urls) for download in item.downloads)
    assert str(tmp_path) in page
