"""Small whole images of every kind that tfattr reads: what fuzz_images.py damages."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin


def seed_images(seed: int = 7) -> dict[str, bytes]:
    """Name to content of about 50 images, 1 x 1 to 37 x 53 pixels, made from random numbers."""
    return dict(_seeds(np.random.default_rng(seed)))


def _seeds(random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    noise = random.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    smooth = np.cumsum(random.integers(0, 4, (37, 53, 3)), 1).astype(np.uint8)  # compresses like a photograph
    colour, grey = Image.fromarray(smooth), Image.fromarray(noise[..., 0])
    alpha = Image.fromarray(np.dstack([smooth, noise[..., 0]]))
    indexed = colour.quantize(16)
    deep = Image.fromarray(random.integers(0, 65536, (19, 23), dtype=np.uint16))
    bits = grey.convert("1")
    ink = colour.convert("CMYK")
    frames = [Image.fromarray(np.roll(smooth, step, 1)) for step in range(3)]
    rotated = Image.Exif()
    rotated[0x0112] = 6  # orientation
    rotated[0x010E] = "a description"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a comment " * 20, zip=True)
    animation = {"save_all": True, "append_images": frames[1:], "duration": 40}

    yield "base.jpg", _saved(colour, "JPEG", quality=80)
    yield "noise.jpg", _saved(Image.fromarray(noise), "JPEG", quality=95, subsampling=0)
    yield "progressive.jpg", _saved(colour, "JPEG", progressive=True)
    yield "optimised.jpg", _saved(colour, "JPEG", optimize=True, restart_marker_rows=1)
    yield "grey.jpg", _saved(grey, "JPEG")
    yield "cmyk.jpg", _saved(ink, "JPEG")
    yield "rotated.jpg", _saved(colour, "JPEG", exif=rotated)
    yield "profile.jpg", _saved(colour, "JPEG", icc_profile=b"no profile " * 30)
    yield "two.mpo", _saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    yield "rgb.png", _saved(colour, "PNG")
    yield "grey.png", _saved(grey, "PNG")
    yield "grey16.png", _saved(deep, "PNG")
    yield "bits.png", _saved(bits, "PNG")
    yield "alpha.png", _saved(alpha, "PNG")
    yield "grey_alpha.png", _saved(alpha.convert("LA"), "PNG")
    yield "palette.png", _saved(indexed, "PNG")
    yield "palette_alpha.png", _saved(indexed, "PNG", transparency=bytes(range(0, 160, 10)))
    yield "colour_key.png", _saved(colour, "PNG", transparency=(1, 2, 3))
    yield "rotated.png", _saved(colour, "PNG", exif=rotated)
    yield "text.png", _saved(colour, "PNG", pnginfo=text)
    yield "animated.png", _saved(frames[0], "PNG", **animation)
    yield "still.gif", _saved(indexed, "GIF")
    yield "see_through.gif", _saved(indexed, "GIF", transparency=3)
    yield "animated.gif", _saved(frames[0], "GIF", **animation)
    yield "rgb.bmp", _saved(colour, "BMP")
    yield "grey.bmp", _saved(grey, "BMP")
    yield "bits.bmp", _saved(bits, "BMP")
    yield "palette.bmp", _saved(indexed, "BMP")
    yield "alpha.bmp", _saved(alpha, "BMP")
    yield "run_length.bmp", _run_length_bmp()
    yield "raw.tif", _saved(colour, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield f"{compression}.tif", _saved(colour, "TIFF", compression=compression)
    yield "fax.tif", _saved(bits, "TIFF", compression="group4")
    yield "grey16.tif", _saved(deep, "TIFF")
    yield "grey16_lzw.tif", _saved(deep, "TIFF", compression="tiff_lzw")
    yield "cmyk.tif", _saved(ink, "TIFF", compression="tiff_lzw")
    yield "palette.tif", _saved(indexed, "TIFF")
    yield "alpha.tif", _saved(alpha, "TIFF")
    yield "float.tif", _saved(Image.fromarray(random.normal(size=(9, 11)).astype(np.float32)), "TIFF")
    yield "pages.tif", _saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    yield "rotated.tif", _saved(colour, "TIFF", exif=rotated)
    yield "lossy.webp", _saved(colour, "WEBP")
    yield "lossless.webp", _saved(alpha, "WEBP", lossless=True)
    yield "rotated.webp", _saved(colour, "WEBP", exif=rotated)
    yield "animated.webp", _saved(frames[0], "WEBP", **animation)
    yield "raw.ppm", _saved(colour, "PPM")
    yield "raw.pgm", _saved(grey, "PPM")
    yield "deep.pgm", _saved(deep, "PPM")
    yield "raw.pbm", _saved(bits, "PPM")
    yield "text.ppm", b"P3\n# by hand\n3 2\n255\n" + b" ".join(b"%d" % value for value in range(18)) + b"\n"
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("gif", "GIF"), ("webp", "WEBP"), ("tif", "TIFF")):
        yield f"1x1.{suffix}", _saved(Image.new("RGB", (1, 1), (9, 8, 7)), kind)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    if "append_images" in options:
        options["append_images"] = [frame.copy() for frame in options["append_images"]]
    image.copy().save(stream, kind, **options)  # Pillow leaves one format's settings in an image it wrote
    return stream.getvalue()


def _run_length_bmp() -> bytes:
    """8 bits a pixel, run-length encoded, which Pillow reads but does not write."""
    rows = b"".join(b"\x08" + bytes([row]) + b"\x00\x00" for row in range(4)) + b"\x00\x01"
    palette = bytes(value for grey in range(256) for value in (grey, grey, grey, 0))
    info = b"".join(
        number.to_bytes(size, "little")
        for number, size in (
            (40, 4), (8, 4), (4, 4), (1, 2), (8, 2), (1, 4), (len(rows), 4), (0, 4), (0, 4), (256, 4), (0, 4),
        )
    )  # fmt: skip
    start = 14 + len(info) + len(palette)
    total = (start + len(rows)).to_bytes(4, "little")
    return b"BM" + total + bytes(4) + start.to_bytes(4, "little") + info + palette + rows
