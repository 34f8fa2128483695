"""Fetching against a server on this machine: resumed, checked, unpacked safely, said in one sentence."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfattr.errors import ModelFileError, TfattrError
from tfattr.safety.unpack import unpack
from tfattr.zoo import cache, originals
from tfattr.zoo.fetch import download, fetch, read_lock, resolve, verify
from tfattr.zoo.originals import Download, Entry, entry

CONTENT = np.random.default_rng(0).bytes(1_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves ``files``; the first ``cuts`` answers end after ``cut_after`` bytes of the body."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/model.bin": CONTENT}
        self.cuts = 0
        self.cut_after = 300_000
        self.ranges = True
        self.tag = '"one"'
        self.seen: list[tuple[str, str | None]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.seen.append((handler.path, asked))
        body = self.files.get(handler.path)
        if body is None:
            handler.send_error(404)
            return
        start, fresh = 0, handler.headers.get("If-Range") in (None, self.tag)
        if asked and self.ranges and fresh:
            start = int(re.match(r"bytes=(\d+)-", asked).group(1))
            if start >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        part = body[start:]
        handler.send_header("Content-Length", str(len(part)))
        handler.send_header("ETag", self.tag)
        handler.end_headers()
        if self.cuts:
            self.cuts -= 1
            part = part[: self.cut_after]
            handler.close_connection = True
        handler.wfile.write(part)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def original(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """PRN's entry with an archive on the server in place of its own addresses."""
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path / "home"))
    item = Download(urls=(server.url("/prn.tar.gz"),), file="prn.tar.gz", unpack="tar")
    made = dataclasses.replace(entry("prn"), downloads=(item,))
    monkeypatch.setattr(originals, "_manifest", lambda: {"prn": made})
    return made


def archive(members: dict[str, bytes], *, link: tuple[str, str] | None = None, hard: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link[0])
            info.type, info.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, link[1]
            file.addfile(info)
    return stream.getvalue()


def zipped(members: dict[str, bytes], *, link: str | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            file.writestr(info, "/etc/passwd")
    return stream.getvalue()


def one_sentence(error: pytest.ExceptionInfo[TfattrError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


GOOD = {"256_256_resfcn256_weight.index": b"index", "256_256_resfcn256_weight.data-00000-of-00001": CONTENT}


def test_resumes_after_a_cut(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    assert download((server.url("/model.bin"),), tmp_path / "model.bin", DIGEST, progress=False) == DIGEST
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    starts = [int(asked[6:-1]) if asked else 0 for _, asked in server.seen]
    assert len(starts) == 3
    for before, after in zip(starts, starts[1:]):  # a cut loses less than one block
        assert before + server.cut_after - 2**15 < after <= before + server.cut_after
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_a_later_call_resumes_too(server: Server, tmp_path: Path) -> None:
    server.cuts = 100
    server.cut_after = 100_000
    with pytest.raises(ModelFileError, match="cut after 294912 of 1000000 bytes") as error:
        download((server.url("/model.bin"),), tmp_path / "model.bin", progress=False)
    text = one_sentence(error)
    assert server.url("/model.bin") in text
    assert str(tmp_path / "model.bin") in text
    assert not (tmp_path / "model.bin").exists()
    assert (tmp_path / "model.bin.part").stat().st_size == 294_912  # three times three blocks of 32 KiB
    server.cuts = 0
    download((server.url("/model.bin"),), tmp_path / "model.bin", DIGEST, progress=False)
    assert server.seen[-1][1] == "bytes=294912-"
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_changed_file_and_a_server_without_ranges_start_anew(server: Server, tmp_path: Path) -> None:
    for change in ("tag", "ranges"):
        target = tmp_path / f"{change}.bin"
        server.cuts = 3
        with pytest.raises(ModelFileError):
            download((server.url("/model.bin"),), target, progress=False)
        if change == "tag":
            server.tag = '"two"'
            server.files["/model.bin"] = CONTENT[::-1]
        else:
            server.ranges = False
        download((server.url("/model.bin"),), target, progress=False)
        assert target.read_bytes() == server.files["/model.bin"]


def test_a_part_that_is_already_whole(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.bin.part").write_bytes(CONTENT)
    download((server.url("/model.bin"),), tmp_path / "model.bin", DIGEST, progress=False)
    (tmp_path / "other.bin.part").write_bytes(CONTENT + b"too long")
    download((server.url("/model.bin"),), tmp_path / "other.bin", DIGEST, progress=False)
    assert (tmp_path / "other.bin").read_bytes() == CONTENT


def test_the_next_mirror_is_asked(server: Server, tmp_path: Path) -> None:
    urls = (server.url("/absent"), "http://127.0.0.1:9/model.bin", server.url("/model.bin"))
    assert download(urls, tmp_path / "model.bin", DIGEST, progress=False) == DIGEST


def test_404_and_no_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="404") as error:
        download((server.url("/absent"),), tmp_path / "x.bin", progress=False)
    assert server.url("/absent") in one_sentence(error)
    assert len(server.seen) == 1
    with pytest.raises(ModelFileError, match="no connection") as error:
        download(("http://127.0.0.1:9/x.bin",), tmp_path / "x.bin", progress=False)
    one_sentence(error)
    assert not (tmp_path / "x.bin").exists()


def test_wrong_hash_is_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="expected 0000") as error:
        download((server.url("/model.bin"),), tmp_path / "model.bin", "0" * 64, progress=False)
    assert DIGEST in one_sentence(error)
    assert list(tmp_path.iterdir()) == []


def test_a_published_md5_is_held_to(server: Server, tmp_path: Path) -> None:
    right = hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(ModelFileError, match=f"its md5 is {right}, expected {'0' * 32}"):
        download((server.url("/model.bin"),), tmp_path / "model.bin", md5="0" * 32, progress=False)
    assert not list(tmp_path.iterdir())
    assert download((server.url("/model.bin"),), tmp_path / "model.bin", md5=right, progress=False) == DIGEST


def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails half way: one sentence, only a .part left, and a later call goes on from it."""
    opened = Path.open
    room = [400_000]

    class Full(io.FileIO):
        def write(self, block: bytes) -> int:
            if room[0] < len(block):
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= len(block)
            return super().write(block)

    def open_(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return (
            Full(str(path), mode.replace("b", ""))
            if path.suffix == ".part" and mode in ("wb", "ab")
            else (opened(path, mode, *args, **kwargs))
        )

    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(ModelFileError, match="the disk is full") as error:
        download((server.url("/model.bin"),), tmp_path / "model.bin", progress=False)
    assert "TFATTR_HOME" in one_sentence(error)
    assert not (tmp_path / "model.bin").exists()
    room[0] = 10**9
    assert download((server.url("/model.bin"),), tmp_path / "model.bin", progress=False) == DIGEST
    assert server.seen[-1][1] is not None


def test_fetch_unpacks_locks_and_leaves_alone(server: Server, original: Entry) -> None:
    server.files["/prn.tar.gz"] = archive({f"./net-data/{name}": content for name, content in GOOD.items()})
    root = fetch("prn", progress=False)
    assert root == cache.folder(original)
    assert cache.find(original) == str(root / "net-data/256_256_resfcn256_weight")
    lock = json.loads((root / "lock.json").read_text())
    record = lock["prn.tar.gz"]
    assert record["sha256"] == hashlib.sha256(server.files["/prn.tar.gz"]).hexdigest()
    assert record["files"]["net-data/256_256_resfcn256_weight.data-00000-of-00001"] == DIGEST
    assert {path.name for path in root.iterdir()} == {"net-data", "lock.json"}
    assert verify("prn") == []
    fetch("prn", progress=False)
    assert len(server.seen) == 1
    (root / "net-data/256_256_resfcn256_weight.index").write_bytes(b"other")
    assert verify("prn") == ["net-data/256_256_resfcn256_weight.index"]
    fetch("prn", force=True, progress=False)
    assert verify("prn") == []


def test_a_later_fetch_must_agree_with_the_lock(server: Server, original: Entry) -> None:
    server.files["/prn.tar.gz"] = archive(GOOD)
    root = fetch("prn", progress=False)
    (root / "256_256_resfcn256_weight.index").unlink()
    server.files["/prn.tar.gz"] = archive({**GOOD, "more": b"x"})
    with pytest.raises(ModelFileError, match="expected"):
        fetch("prn", progress=False)
    assert not (root / "prn.tar.gz").exists()
    (root / "lock.json").write_text("[]")
    with pytest.raises(ModelFileError, match="not a lock"):
        read_lock(original)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (archive({**GOOD, "../out.txt": b"x"}), "a path out of its folder"),
        (archive({**GOOD, "a/../../out.txt": b"x"}), "a path out of its folder"),
        (archive({**GOOD, "/tmp/tfattr-out.txt": b"x"}), "a path out of its folder"),
        (archive(GOOD, link=("link", "/etc/passwd")), "a link"),
        (archive(GOOD, link=("link", "../../out"), hard=True), "a link"),
        (zipped({**GOOD, "../out.txt": b"x"}), "a path out of its folder"),
        (zipped({**GOOD, "..\\out.txt": b"x"}), "a path out of its folder"),
        (zipped(GOOD, link="link"), "a link"),
        (archive(GOOD)[:5000], "damaged"),
        (zipped(GOOD)[:5000], "damaged"),
        (b"<html>not found</html>", "damaged"),
        (archive({}), "no file"),
    ],
    ids=["dots", "inner-dots", "absolute", "symlink", "hardlink", "zip-dots", "zip-backslash", "zip-symlink"]
    + ["cut-tar", "cut-zip", "html", "empty"],
)
def test_bad_archives_leave_nothing(server: Server, original: Entry, content: bytes, what: str) -> None:
    server.files["/prn.tar.gz"] = content
    with pytest.raises(ModelFileError, match=what) as error:
        fetch("prn", progress=False)
    one_sentence(error)
    root = cache.folder(original)
    assert list(root.iterdir()) == []
    assert not (root.parent / "out.txt").exists()
    assert not Path("/tmp/tfattr-out.txt").exists()


def test_a_full_disk_while_unpacking(
    server: Server, original: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/prn.tar.gz"] = archive(GOOD)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tfattr.safety.unpack._copy", full)
    with pytest.raises(ModelFileError, match="the disk is full") as error:
        fetch("prn", progress=False)
    one_sentence(error)
    assert list(cache.folder(original).iterdir()) == []


def test_an_archive_without_the_checkpoint(server: Server, original: Entry) -> None:
    server.files["/prn.tar.gz"] = archive({"readme.txt": b"hello"})
    with pytest.raises(ModelFileError, match=r"256_256_resfcn256_weight is not among.*readme\.txt"):
        fetch("prn", progress=False)


def test_zip_and_permissions(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(GOOD))
    placed = unpack(tmp_path / "a.zip", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in placed} == GOOD
    assert not any(path.stat().st_mode & 0o111 for path in placed)


def drive_entry(monkeypatch: pytest.MonkeyPatch, kind: str, url: str) -> Entry:
    item = Download(urls=(url,), file="snap", kind=kind)
    made = dataclasses.replace(entry("inpaint_celeba"), downloads=(item,))
    monkeypatch.setattr(originals, "_manifest", lambda: {made.id: made})
    return made


@pytest.mark.parametrize("shape", ["folder", "archive"])
def test_google_drive(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that says open?id= may be a folder or one archive; both end as the checkpoint."""
    import gdown

    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    asked = []

    def folder(*, id: str, output: str, **_: Any) -> list[str] | None:
        asked.append(id)
        if shape != "folder":
            raise RuntimeError("Failed to retrieve folder contents.\nmore lines")
        Path(output).mkdir()
        for suffix in ("index", "data-00000-of-00001"):
            (Path(output) / f"snap-0.{suffix}").write_bytes(b"x")
        return [output]

    def file(*, id: str, output: str, **_: Any) -> str:
        Path(output).write_bytes(
            zipped({"release/snap-0.index": b"x", "release/snap-0.data-00000-of-00001": b"x"})
        )
        return output

    monkeypatch.setattr(gdown, "download_folder", folder)
    monkeypatch.setattr(gdown, "download", file)
    made = drive_entry(
        monkeypatch, "drive_folder", "https://drive.google.com/open?id=1sP8ViF3mxUMN--xpKqonEeW"
    )
    root = fetch(made.id, progress=False)
    assert cache.find(made).endswith("snap-0")
    assert asked == ["1sP8ViF3mxUMN--xpKqonEeW"]
    assert verify(made.id) == []
    assert not list(root.rglob("*.part"))


def test_google_drive_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gdown

    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))

    def refuse(**_: Any) -> None:
        raise RuntimeError(
            "Cannot retrieve the public link of the file.\nYou may need to change the permission."
        )

    monkeypatch.setattr(gdown, "download", refuse)
    made = drive_entry(
        monkeypatch, "drive", "https://drive.google.com/file/d/1UoE-XuW1SDLUjZmJ/view?usp=sharing"
    )
    with pytest.raises(ModelFileError, match="Cannot retrieve") as error:
        fetch(made.id, progress=False)
    text = one_sentence(error)
    assert "1UoE-XuW1SDLUjZmJ" in text
    assert str(cache.folder(made)) in text
    assert list(cache.folder(made).iterdir()) == []


def test_originals_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    with pytest.raises(ModelFileError, match=r"No public VOC checkpoint.*models/fcn"):
        fetch("fcn", progress=False)
    with pytest.raises(ModelFileError, match="nothing fetched"):
        verify("fcn")


def test_names_and_zoos_resolve() -> None:
    assert len(resolve(["merged"])) == 38
    assert len(resolve(["taskonomy", "curvature", "resnet_v1_50"])) == 21
