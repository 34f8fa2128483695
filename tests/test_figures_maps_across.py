"""Maps the paper's way: models as columns; and mosaics in SVG files."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from figure_checks import assert_apart, assert_readable, rendered
from found import some
from PIL import Image

from tfattr.errors import SettingsError
from tfattr.figures import maps_figure, method_name, save_figure, short_names
from tfattr.figures.mosaic import TILE
from tfattr.zoo import originals

MODELS = [entry.name for entry in originals.entries("merged")]


def photos(count, side=40):
    return list(np.random.default_rng(1).integers(0, 255, (count, side, side, 3), np.uint8))


def some_maps(models, methods, count, side=8):
    rng = np.random.default_rng(0)
    draw = {"saliency": lambda: rng.random((count, side, side))}
    return {
        model: {
            method: draw.get(method, lambda: rng.standard_normal((count, side, side)))() for method in methods
        }
        for model in models
    }


def words(figure, text):
    return [found for found in figure.axes[0].texts if found.get_text().replace("\n", " ") == text]


def mosaic(figure):
    return figure.axes[0].images[0].get_array()


def tile_at(pixels, x, y):
    half = TILE // 2
    return pixels[int(y) - half : int(y) + half, int(x) - half : int(x) + half]


def test_tiles_stand_below_their_model_and_beside_their_method():
    models, methods = MODELS[:7], ["saliency", "elrp"]
    maps = some_maps(models, methods, 2)
    del maps["edge2d"]["elrp"]
    shown = photos(2)
    across = maps_figure(shown, maps, models_as="columns", across=4)
    # The other layout, whose places are told by its ticks, has the same tiles.
    rows = maps_figure(shown, maps)
    xs, ys = rows.axes[0].get_xticks(), rows.axes[0].get_yticks()
    for number, name in some(enumerate(short_names(models))):
        (head,) = words(across, name)
        for image in (0, 1):
            for row, method in enumerate(methods):
                # Names of methods: band by band, image by image.
                beside = words(across, method_name(method))[2 * (number // 4) + image]
                found = tile_at(mosaic(across), head.get_position()[0], beside.get_position()[1])
                want = tile_at(mosaic(rows), xs[image * 2 + row], ys[number])
                np.testing.assert_array_equal(found, want)
    assert len(words(across, "none")) == 2
    assert_readable(across)


def test_photos_stand_at_the_left_of_each_band():
    shown = [np.full((9, 9, 3), value, np.uint8) for value in (50, 200)]
    figure = maps_figure(
        shown, some_maps(MODELS[:4], ["elrp"], 2), models_as="columns", across=2, captions=["p", "q"]
    )
    for name, value in (("p", 50), ("q", 200)):
        for caption in words(figure, name):
            x, y = caption.get_position()
            np.testing.assert_allclose(mosaic(figure)[int(y) - 40, int(x)], value / 255, atol=1e-6)
    assert len(words(figure, "p")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("count, methods", [(1, 1), (20, 2), (38, 3)])
def test_names_of_models_above_tiles_can_be_read(count, methods):
    methods = ["elrp", "saliency", "integrated_gradients"][:methods]
    figure = maps_figure(
        photos(2),
        some_maps(MODELS[:count], methods, 2),
        captions=["some/long/folder/" * 6 + "1.jpg", "2.jpg"],
        title="A title",
        models_as="columns",
    )
    assert_readable(figure)
    assert_apart(figure.axes[0].texts, rendered(figure))
    heads = [
        found for found in figure.axes[0].texts if found.get_ha() == "center" and found.get_va() == "bottom"
    ]
    assert len(heads) == count
    across = len({round(head.get_position()[0]) for head in heads})
    assert across == {1: 1, 20: 10, 38: 10}[count]  # even bands of 10 at most


def test_layouts_that_are_not_there():
    maps = some_maps(MODELS[:1], ["elrp"], 1)
    with pytest.raises(SettingsError, match="models are drawn as 'tiles'"):
        maps_figure(photos(1), maps, models_as="tiles")
    with pytest.raises(SettingsError, match="0 models in a band"):
        maps_figure(photos(1), maps, models_as="columns", across=0)


def test_large_mosaics_are_compressed_in_svg_and_look_the_same(tmp_path):
    figure = maps_figure(photos(2), some_maps(MODELS[:8], ["elrp"], 2, side=64), models_as="columns")
    svg, png = save_figure(figure, tmp_path / "m.svg", tmp_path / "m.png", dpi=150)
    found = re.findall(r"data:image/(\w+);base64,\s*([A-Za-z0-9+/=\s]+)", svg.read_text())
    large = max(found, key=lambda pair: len(pair[1]))
    assert large[0] == "jpeg"
    assert svg.stat().st_size < png.stat().st_size
    embedded = np.asarray(Image.open(io.BytesIO(base64.b64decode(large[1]))).convert("RGB"), np.float64)
    exact = mosaic(figure) * 255
    # Resampled by a pixel at most: compared as block means.
    side = 16
    crop = [size // side * side for size in np.minimum(embedded.shape[:2], exact.shape[:2])]
    blocks = [
        pixels[: crop[0], : crop[1]]
        .reshape(crop[0] // side, side, crop[1] // side, side, 3)
        .mean(axis=(1, 3))
        for pixels in (embedded[::-1], exact)  # SVG files of matplotlib hold pictures upside down
    ]
    assert np.corrcoef(blocks[0].ravel(), blocks[1].ravel())[0, 1] > 0.99
    assert "<path" in svg.read_text()
