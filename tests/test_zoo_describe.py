"""The list of originals and the page of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from found import some
from zoo import fake

from tfattr.cli.main import main
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
    assert f"last known to answer: {item.answered}" in page
    assert f"ask at: {item.contact}" in page
    assert item.answered
    assert item.contact.startswith("https://")


def test_a_dry_run_lists_addresses_sizes_and_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    monkeypatch.setattr("requests.get", lambda *_, **__: pytest.fail("a dry run asked the net"))
    main(["fetch", "merged", "--dry-run"])
    text = capsys.readouterr().out
    urls = [url for item in entries("merged") for download in item.downloads for url in download.urls]
    assert len(urls) > 100
    assert all(url in text for url in urls)
    for item in some(entries("merged")):
        assert f"{tmp_path}/models/{item.id}" in text
    for download in some(one for item in entries("merged") for one in item.downloads):
        assert f"-> {download.file}, {download.sha256 and 'sha256 ' or download.md5 and 'md5 '}" in text
    assert "fcrn: 472.6 MB, to" in text
    assert "taskonomy/curvature: at least 94.8 MB unpacked, to" in text  # 23,708,640 numbers of 4 bytes
    assert "37 of 38 models to fetch, at least 4." in text
    assert "fcn: by hand" in text
    assert not any(tmp_path.iterdir())


def test_published_hashes_are_hashes() -> None:
    found = [
        (len(digest), size)
        for item in entries()
        for download in item.downloads
        for digest, size in ((download.sha256, 64), (download.md5, 32))
        if digest
    ]
    assert len(found) >= 3
    assert all(length == size for length, size in found)
