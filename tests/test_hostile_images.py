"""Hostile and odd images: each is decoded or refused in one sentence that names it; none hangs or fills memory."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from found import some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tfattr.errors import ProbeError
from tfattr.probe import UnreadablePhotoError, list_probe, read_photo, survey
from tfattr.probe.decoding import FORMATS, MAX_BYTES, decode_photo, printable

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from mutations import damaged
from seed_images import seed_images

RGB = np.random.default_rng(3).integers(0, 256, (12, 17, 3), dtype=np.uint8)
SEEDS = seed_images()


def png(array=RGB) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def refusal(path) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        read_photo(path)
    said = str(caught.value)
    assert "\n" not in said
    assert printable(os.path.basename(path)) in said
    return said


# --- what the file is ---


def png_of(width: int, height: int, rows: int) -> bytes:
    """A PNG whose header states a size that its rows do not have (PNG specification, 11.2.2 and 5.3)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + 3 * width) * rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_header_of_900_million_pixels(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_of(30_000, 30_000, 1))
    assert "pixels" in refusal(tmp_path / "bomb.png")
    (tmp_path / "none.png").write_bytes(png_of(0, 5, 1))
    refusal(tmp_path / "none.png")


def test_scan_after_scan(tmp_path):
    """A progressive JPEG of 81 megapixels in which one scan of few bytes is written 400 times: minutes of decoding."""
    stream = io.BytesIO()
    Image.new("L", (9000, 9000), 90).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    at = [position for position in range(len(whole)) if whole.startswith(b"\xff\xda", position)]
    shortest = min(zip(at, at[1:]), key=lambda ends: ends[1] - ends[0])
    bomb = whole[: shortest[0]] + whole[slice(*shortest)] * 400 + whole[shortest[1] :]
    assert len(bomb) < 1_000_000
    (tmp_path / "scans.jpg").write_bytes(bomb)
    assert "scans" in refusal(tmp_path / "scans.jpg")
    (tmp_path / "usual.jpg").write_bytes(SEEDS["progressive.jpg"])
    assert read_photo(tmp_path / "usual.jpg").shape == (37, 53, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?php system('id'); ?>",
    ],
)
def test_programs_in_an_images_name(tmp_path, content):
    """Pillow would hand PostScript to Ghostscript."""
    (tmp_path / "photo.jpg").write_bytes(content)
    assert "known format" in refusal(tmp_path / "photo.jpg")


def test_only_these_formats_are_tried(monkeypatch):
    Image.init()
    others = {"EPS", "WMF", "FITS", "PSD", "ICNS", "PDF", "GRIB", "HDF5"}
    assert not others & set(FORMATS)
    tried = []

    def spy(*arguments, formats=None, **named):
        tried.append(formats)
        raise OSError("spied")

    monkeypatch.setattr(Image, "open", spy)
    with pytest.raises(UnreadablePhotoError):
        decode_photo(b"x", "x.jpg")
    assert tried == [FORMATS]


@pytest.mark.parametrize("name", ["1x1.jpg", "1x1.png", "1x1.gif", "1x1.webp", "1x1.tif"])
def test_one_pixel(name):
    from tfattr.trunk import Preprocessing

    photo = decode_photo(SEEDS[name], name)
    assert photo.shape == (1, 1, 3)
    assert np.abs(photo.astype(int) - (9, 8, 7)).max() <= 4
    assert Preprocessing((8, 8))([photo]).shape == (1, 8, 8, 3)


def test_seeds_decode_as_pillow_converts_them():
    """In strips or whole, turned here or by Pillow: the same pixels."""
    from PIL import ImageOps

    for name, content in some(SEEDS.items()):
        if name == "float.tif":
            continue
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        if image.mode.startswith("I"):
            expected = np.rint(np.asarray(image) / 257.0)[:, :, None].repeat(3, 2)
        else:
            expected = np.asarray((image.convert("RGBA") if image.mode == "P" else image).convert("RGB"))
        np.testing.assert_array_equal(decode_photo(content, name), expected, err_msg=name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_strips_of_a_turned_picture(orientation, monkeypatch):
    from PIL import ImageOps

    from tfattr.probe import decoding

    monkeypatch.setattr(decoding, "_STRIP", 40)  # 2 rows of 17 pixels at a time
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(stream.getvalue()))))
    np.testing.assert_array_equal(decode_photo(stream.getvalue(), "x.png"), expected)


# --- where the file is ---


def test_what_is_no_file_is_not_read(tmp_path):
    """Reading a pipe waits for ever, reading a device never ends, a hole of a gibibyte fills memory."""
    os.mkfifo(tmp_path / "pipe.jpg")
    os.symlink("/dev/zero", tmp_path / "zeros.jpg")
    (tmp_path / "folder.jpg").mkdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "broken.jpg")
    os.symlink(tmp_path / "loop.jpg", tmp_path / "loop.jpg")
    with open(tmp_path / "hole.jpg", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    (tmp_path / "good.png").write_bytes(png())
    assert "no plain file" in refusal(tmp_path / "pipe.jpg")
    assert "no plain file" in refusal(tmp_path / "zeros.jpg")
    assert "is a directory" in refusal(tmp_path / "folder.jpg")
    assert "does not exist" in refusal(tmp_path / "broken.jpg")
    assert "cannot be read" in refusal(tmp_path / "loop.jpg")
    assert "bytes, more than" in refusal(tmp_path / "hole.jpg")
    found = survey(list_probe(tmp_path), workers=2)
    assert [image.id for image in found.images] == ["good.png"]
    assert {skipped.id for skipped in found.skipped} == {
        "pipe.jpg", "zeros.jpg", "broken.jpg", "loop.jpg", "hole.jpg",
    }  # fmt: skip


def test_names_that_no_system_has(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "zero\0byte.jpg")
    assert "cannot be read" in refusal(tmp_path / ("x" * 5000 + ".jpg"))
    (tmp_path / "good.png").write_bytes(png())
    (tmp_path / "list.txt").write_bytes(b"good.png\nzero\0byte.jpg\n" + b"x" * 5000 + b".jpg\n")
    found = survey(list_probe(tmp_path / "list.txt"))
    assert [image.id for image in found.images] == ["good.png"]
    assert len(found.skipped) == 2
    with pytest.raises(ProbeError, match="no such probe"):
        list_probe(tmp_path / ("x" * 5000))
    (tmp_path / "alone.txt").write_bytes(b"zero\0byte.jpg\n")
    with pytest.raises(ProbeError, match=r"zero\\x00byte.jpg"):
        list_probe(tmp_path / "alone.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ProbeError, match="no plain file"):
        list_probe(tmp_path / "pipe.txt")


def test_names_that_are_no_utf8_and_names_of_two_lines(tmp_path):
    folder = os.fsencode(tmp_path)
    for name in (b"caf\xe9.png", b"two\nlines.png", b"\x1b[31mred.png", "日本　語.png".encode()):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(png())
    with open(os.path.join(folder, b"bad\xff.jpg"), "wb") as file:
        file.write(b"no picture")
    found = survey(list_probe(tmp_path))
    ids = [image.id for image in found.images]
    assert sorted(ids) == sorted([r"caf\xe9.png", r"two\x0alines.png", r"\x1b[31mred.png", "日本　語.png"])
    assert [skipped.id for skipped in found.skipped] == [r"bad\xff.jpg"]
    assert len(found.duplicates[0]) == 4  # equal files are reported, not refused
    for image in found.images:
        np.testing.assert_array_equal(read_photo(image.path), RGB)
    text = json.dumps({"ids": ids}, ensure_ascii=False).encode()  # what run.json and records do with ids
    assert json.loads(text)["ids"] == ids
    assert r"bad\xff.jpg" in refusal(os.path.join(os.fsdecode(folder), "bad\udcff.jpg"))
    with open(os.path.join(folder, rb"caf\xe9.png"), "wb") as file:
        file.write(png())
    with pytest.raises(ProbeError, match="two files are both written caf"):
        list_probe(tmp_path)


def test_folder_that_cannot_be_searched_is_named(tmp_path, monkeypatch):
    (tmp_path / "good.png").write_bytes(png())
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ProbeError, match="closed.*cannot be searched.*Permission denied"):
        list_probe(tmp_path)


# --- damaged bytes; benchmarks/fuzz_images.py does the same with many more ---


@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(st.sampled_from(sorted(SEEDS)).flatmap(lambda name: st.tuples(st.just(name), damaged(SEEDS[name]))))
@pytest.mark.filterwarnings("ignore")
def test_damaged_images_are_decoded_or_refused(drawn):
    name, content = drawn
    try:
        photo, said = decode_photo(content, name), None
    except UnreadablePhotoError as error:
        photo, said = np.zeros((1, 1, 3), np.uint8), str(error)
    assert said is None or (name in said and "\n" not in said and "memory" not in said)
    assert photo.dtype == np.uint8
    assert photo.ndim == 3
    assert photo.shape[2] == 3
    assert 0 not in photo.shape


@pytest.mark.slow
def test_memory_of_the_largest_picture(tmp_path):
    """A picture just below the limit takes less than 1 GiB in a process of its own."""
    path = tmp_path / "large.tif"
    Image.new("RGB", (9459, 9459)).save(path, compression="tiff_lzw")
    code = (
        "import re, sys, warnings; warnings.simplefilter('ignore')\n"
        "from tfattr.probe import read_photo\n"
        "photo = read_photo(sys.argv[1])\n"
        # getrusage also counts what the forking process had; this is the program's own peak.
        "print(photo.shape[0], re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    limit = 2 * 2**30
    said = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    ).stdout.split()
    assert said[0] == "9459"
    assert int(said[1]) < 2**20  # KiB
