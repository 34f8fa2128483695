"""Probe images: lists, decoding of every kind of file, bad files, the authors' centre crop."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from found import some
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tfattr.errors import ProbeError, SettingsError
from tfattr.probe import UnreadablePhotoError, list_probe, read_photo, survey
from tfattr.trunk import centre_square

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)


def save(array, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(path, **options)
    return path


# --- lists ---


def test_directory_is_recursive_and_naturally_sorted(tmp_path):
    for name in [
        "img10.png",
        "img2.png",
        "IMG1.PNG",
        "b/x.jpg",
        "a/9.webp",
        "a/10.webp",
        ".hidden.png",
        ".h/y.png",
    ]:
        save(RGB, tmp_path / name)
    (tmp_path / "readme.md").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    found = list_probe(tmp_path)
    assert [image.id for image in found] == [
        "a/9.webp",
        "a/10.webp",
        "b/x.jpg",
        "IMG1.PNG",
        "img2.png",
        "img10.png",
    ]
    assert all(image.path.is_file() for image in found)
    assert [image.id for image in list_probe(tmp_path, limit=2)] == ["a/9.webp", "a/10.webp"]


def test_linked_folders_are_entered_once(tmp_path):
    save(RGB, tmp_path / "real" / "x.png")
    (tmp_path / "probe").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "probe" / "link")
    os.symlink(tmp_path / "probe", tmp_path / "probe" / "loop")
    assert [image.id for image in list_probe(tmp_path / "probe")] == ["link/x.png"]


def test_list_file_keeps_order_and_roots(tmp_path):
    for name in ["b.png", "sub/a.png"]:
        save(RGB, tmp_path / "data" / name)
    listing = tmp_path / "imlist.txt"
    listing.write_bytes(b"\xef\xbb\xbfsub/a.png\r\n\r\n  b.png \r\n./missing.png\r\n")
    found = list_probe(listing, root=tmp_path / "data")
    assert [image.id for image in found] == ["sub/a.png", "b.png", "missing.png"]
    assert found[0].path == tmp_path / "data" / "sub" / "a.png"

    beside = tmp_path / "data" / "list.txt"
    beside.write_text(f"b.png\n{tmp_path / 'data' / 'sub' / 'a.png'}\n")
    assert [image.id for image in list_probe(beside)] == ["b.png", "sub/a.png"]


def test_lists_that_cannot_be_used(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ProbeError, match="no image file"):
        list_probe(empty)
    with pytest.raises(ProbeError, match="no such probe directory"):
        list_probe(tmp_path / "nowhere")
    listing = tmp_path / "list.txt"
    listing.write_text("\n \n")
    with pytest.raises(ProbeError, match="list is empty"):
        list_probe(listing)
    listing.write_text("x.png\ny.png\n./x.png\n")
    with pytest.raises(ProbeError, match="lines 1 and 3 both name x.png"):
        list_probe(listing)
    listing.write_text("x.png\ny.png\n")
    with pytest.raises(ProbeError, match="none of its 2 files exists.*root="):
        list_probe(listing)
    listing.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProbeError, match="UTF-8"):
        list_probe(listing)
    with pytest.raises(ProbeError, match="neither"):
        list_probe(save(RGB, tmp_path / "one.png"))
    with pytest.raises(SettingsError, match="at least 1"):
        list_probe(tmp_path, limit=0)
    with pytest.raises(SettingsError, match="list file"):
        list_probe(tmp_path, root=tmp_path)


# --- decoding ---


def test_exact_colours(tmp_path):
    np.testing.assert_array_equal(read_photo(save(RGB, tmp_path / "rgb.png")), RGB)
    np.testing.assert_array_equal(read_photo(save(GREY, tmp_path / "grey.png")), np.stack([GREY] * 3, -1))
    alpha = np.dstack([RGB, np.zeros_like(GREY)])  # wholly transparent: compositing would lose the colours
    np.testing.assert_array_equal(read_photo(save(alpha, tmp_path / "rgba.png")), RGB)
    grey_alpha = np.dstack([GREY, np.zeros_like(GREY)])
    photo = read_photo(save(Image.fromarray(grey_alpha), tmp_path / "la.png"))
    np.testing.assert_array_equal(photo, np.stack([GREY] * 3, -1))
    bits = GREY > 127
    photo = read_photo(save(Image.fromarray(bits), tmp_path / "bits.png"))
    np.testing.assert_array_equal(photo, np.stack([bits * np.uint8(255)] * 3, -1))


def test_palette_with_and_without_transparency(tmp_path):
    palette = Image.fromarray(GREY % 4).convert("L")
    indexed = Image.new("P", palette.size)
    colours = RNG.integers(0, 256, (4, 3), dtype=np.uint8)
    indexed.putpalette(colours.tobytes())
    indexed.putdata((GREY % 4).ravel().tolist())
    want = colours[GREY % 4]
    np.testing.assert_array_equal(read_photo(save(indexed, tmp_path / "p.png")), want)
    file = save(indexed, tmp_path / "pt.png", transparency=bytes([0, 10, 255, 3]))
    np.testing.assert_array_equal(read_photo(file), want)


def test_sixteen_bit_is_scaled(tmp_path):
    deep = (GREY.astype(np.uint16) * 257).astype(np.uint16)  # 255 * 257 = 65535: exact in both directions
    for name in ["deep.png", "deep.tiff"]:
        np.testing.assert_array_equal(read_photo(save(deep, tmp_path / name)), np.stack([GREY] * 3, -1))


def test_cmyk(tmp_path):
    cmyk = RNG.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    photo = read_photo(save(Image.frombytes("CMYK", (8, 8), cmyk.tobytes()), tmp_path / "c.tiff"))
    ink = 255.0 - cmyk[..., :3]
    want = ink * (255.0 - cmyk[..., 3:]) / 255.0
    assert photo.shape == (8, 8, 3)
    assert np.abs(photo - want).max() <= 1.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    # The file's pixels as the sensor saw them; the tag says how to show them (EXIF 2.3, tag 0x0112).
    shown = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RGB, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(RGB, tmp_path / "o.png", exif=exif)
    np.testing.assert_array_equal(read_photo(path), shown)
    np.testing.assert_array_equal(read_photo(path, exif="stored"), RGB)
    np.testing.assert_array_equal(read_photo(path, exif=list_probe(tmp_path, exif="stored")[0].exif), RGB)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (6, 4), colour) for colour in [(255, 0, 0), (0, 255, 0)]]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.gif"), np.full((4, 6, 3), (255, 0, 0), np.uint8))


def bad_files(folder):
    good = save(RGB.repeat(8, 0).repeat(8, 1), folder / "good.jpg").read_bytes()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(good[: len(good) // 2])
    png = save(RGB, folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(png[:60])
    (folder / "text.jpg").write_text("hello, I am not a photograph")
    (folder / "float.tiff").parent.mkdir(exist_ok=True)
    save(np.zeros((4, 4), np.float32), folder / "float.tiff")
    return {
        "empty.jpg": "is empty",
        "cut.jpg": "truncated",
        "cut.png": "truncated",
        "text.jpg": "not an image of a known format.*hello",
        "float.tiff": "floating-point",
    }


def test_bad_files_are_named_with_a_reason(tmp_path):
    for name, reason in some(bad_files(tmp_path).items()):
        with pytest.raises(ProbeError, match=f"{name}.*{reason}"):
            read_photo(tmp_path / name)
    (tmp_path / "dir.jpg").mkdir()
    with pytest.raises(ProbeError, match="dir.jpg.*is a directory"):
        read_photo(tmp_path / "dir.jpg")
    with pytest.raises(ProbeError, match="gone.jpg.*does not exist"):
        read_photo(tmp_path / "gone.jpg")


def test_too_many_pixels(tmp_path):
    file = save(RGB, tmp_path / "x.png")
    with pytest.raises(ProbeError, match="30 x 20 pixels, more than the 599"):
        read_photo(file, max_pixels=599)
    assert read_photo(file, max_pixels=600).shape == (20, 30, 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb(tmp_path):
    for side in (10_000, 20_000):  # above Pillow's warning, above its error
        Image.new("1", (side, side)).save(tmp_path / "bomb.png")
        with pytest.raises(ProbeError, match="bomb.png.*pixels"):
            read_photo(tmp_path / "bomb.png")


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 3000), flips=st.lists(st.tuples(st.integers(0, 2999), st.integers(0, 255)), max_size=6)
)
def test_damaged_bytes_never_raise_anything_else(cut, flips):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.png"
        save(RGB, path)
        data = bytearray(path.read_bytes()[:cut])
        for position, value in flips:
            if position < len(data):
                data[position] = value
        path.write_bytes(data)
        try:
            photo = read_photo(path)
        except UnreadablePhotoError:
            return
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3


# --- crop ---


@given(st.integers(2, 40), st.integers(2, 40))
def test_centre_square(height, width):
    photo = np.arange(height * width).reshape(height, width, 1)
    # The authors' expression, written out.
    size = min(height, width) // 2
    middle_row, middle_column = height // 2, width // 2
    want = photo[middle_row - size : middle_row + size, middle_column - size : middle_column + size]
    got = centre_square(photo)
    np.testing.assert_array_equal(got, want)
    assert got.shape == (2 * size, 2 * size, 1)


# --- surveys ---


@pytest.mark.parametrize("workers", [1, 2])
def test_a_survey_skips_by_name_and_reports_equal_files(tmp_path, workers):
    bad = bad_files(tmp_path)
    for index in range(9):
        save(np.roll(RGB, index + 1, axis=0), tmp_path / f"p{index}.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "p3.png").read_bytes())
    images = list_probe(tmp_path)
    result = survey(images, workers=workers)
    assert [image.id for image in result.images] == [image.id for image in images if image.id not in bad]
    assert {skip.id for skip in result.skipped} == set(bad)
    assert result.duplicates == (("copy.png", "p3.png"),)
    assert list(result.sha256) == [image.id for image in result.images]
    for identity, digest in result.sha256.items():
        assert digest == hashlib.sha256((tmp_path / identity).read_bytes()).hexdigest()
    with pytest.raises(ProbeError, match=images[1].id.replace(".", r"\.")):
        survey(images[1:], strict=True, workers=workers)


def test_no_readable_image(tmp_path):
    (tmp_path / "a.jpg").write_text("no")
    with pytest.raises(ProbeError, match="none of the 1 probe images can be read.*a.jpg"):
        survey(list_probe(tmp_path))


def test_real_photographs(shared):
    images = list_probe(shared / "real" / "probe" / "coco")
    result = survey(images, workers=2)
    assert len(result.images) == 70
    assert result.skipped == ()
    photo = read_photo(images[0].path)
    assert photo.ndim == 3
    side = 2 * (min(photo.shape[:2]) // 2)
    assert centre_square(photo).shape == (side, side, 3)
