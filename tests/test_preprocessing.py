"""Preprocessing against Pillow, scipy and hand-made values."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tfattr.errors import SettingsError
from tfattr.trunk import Preprocessing, centre_square


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (37, 53, 3), np.uint8)


def test_centre_square_has_even_side_and_sits_in_the_middle(photo):
    square = centre_square(photo)
    assert square.shape == (36, 36, 3)
    np.testing.assert_array_equal(square, photo[0:36, 8:44])
    assert centre_square(photo[:1, :1]).shape == (1, 1, 3)


def test_antialiased_resize_is_pillows_bilinear(photo):
    expected = (
        np.asarray(Image.fromarray(photo[0:36, 8:44]).resize((16, 12), Image.Resampling.BILINEAR)) / 255
    )
    np.testing.assert_allclose(Preprocessing((12, 16))([photo])[0], expected, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 12), (80, 90)])
def test_plain_resize_samples_at_pixel_centres(photo, size):
    square = photo[0:36, 8:44] / 255.0
    rows = (np.arange(size[0]) + 0.5) * 36 / size[0] - 0.5
    columns = (np.arange(size[1]) + 0.5) * 36 / size[1] - 0.5
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    expected = np.stack(
        [ndimage.map_coordinates(square[..., c], grid, order=1, mode="nearest") for c in range(3)], -1
    )
    np.testing.assert_allclose(Preprocessing(size, antialias=False)([photo])[0], expected, atol=1e-5)


def test_ranges_mean_and_channel_order():
    photo = np.zeros((4, 4, 3), np.uint8) + np.array([255, 51, 0], np.uint8)
    assert Preprocessing((4, 4))([photo])[0, 0, 0].tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert Preprocessing((4, 4), range="[-1,1]")([photo])[0, 0, 0].tolist() == pytest.approx([1, -0.6, -1])
    bgr = Preprocessing((4, 4), color="BGR", range="[0,255]", mean=(1.0, 2.0, 3.0))
    assert bgr([photo])[0, 0, 0].tolist() == pytest.approx([-1.0, 49.0, 252.0])


def test_std_scale_and_presets():
    photo = np.zeros((4, 4, 3), np.uint8) + np.array([255, 51, 0], np.uint8)
    torch = Preprocessing.from_preset("imagenet-torch", (4, 4))
    expected = (np.array([1.0, 0.2, 0.0]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(torch([photo])[0, 0, 0], expected, rtol=1e-5)
    caffe = Preprocessing.from_preset("imagenet-caffe", (4, 4), scale=0.017)
    expected = (np.array([0.0, 51.0, 255.0]) - [103.939, 116.779, 123.68]) * 0.017
    np.testing.assert_allclose(caffe([photo])[0, 0, 0], expected, rtol=1e-5)
    assert Preprocessing.from_preset("tf", (4, 4)) == Preprocessing((4, 4), range="[-1,1]")
    assert Preprocessing.from_preset("tf", (4, 4), range="[0,1]") == Preprocessing((4, 4))
    for frame in (torch, caffe):
        fed = frame([np.full_like(photo, 255), np.zeros_like(photo)])
        assert frame.bounds == pytest.approx((fed.min(), fed.max()), rel=1e-5)


def test_raw_takes_any_number_of_channels():
    bands = np.random.default_rng(0).integers(0, 256, (9, 11, 5), np.uint8)
    frame = Preprocessing((4, 6), color="raw", bands=5, range="[-1,1]", mean=(0.0, 0.1, 0.2, 0.3, 0.4))
    fed = frame([bands])[0]
    assert fed.shape == (4, 6, 5)
    single = Preprocessing((4, 6), range="[-1,1]")([np.repeat(bands[..., 3:4], 3, axis=2)])[0]
    np.testing.assert_allclose(fed[..., 3], single[..., 0] - 0.3, atol=1e-6)
    with pytest.raises(SettingsError, match=r"expected uint8 \[height, width, 5\]"):
        frame([bands[..., :3]])


def test_frames_of_older_files_are_written_as_they_were():
    plain = Preprocessing((8, 8), mean=(0.5,)).to_dict()
    assert not {"std", "scale", "bands", "layout"} & set(plain)
    frame = Preprocessing((8, 8), std=(0.5,), scale=2.0, layout="NCHW")
    assert Preprocessing.from_dict(frame.to_dict()) == frame
    assert frame.model_shape == (3, 8, 8)


def test_luma_and_lightness():
    photo = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    assert Preprocessing((4, 4), color="Y")([photo])[0, 0, 0, 0] == pytest.approx(0.299, abs=1e-6)
    # CIELAB L* of pure sRGB red and of 50 % grey (119/255), from the published tables.
    assert Preprocessing((4, 4), color="L")([photo])[0, 0, 0, 0] == pytest.approx(0.5324, abs=1e-3)
    grey = np.full((4, 4, 3), 119, np.uint8)
    assert Preprocessing((4, 4), color="L")([grey])[0, 0, 0, 0] == pytest.approx(0.5003, abs=1e-3)


def test_taskonomys_clip_comes_before_the_range_and_the_hole_comes_last():
    photo = np.zeros((8, 8, 3), np.uint8)
    photo[:4] = 255
    fed = Preprocessing((8, 8), range="[-1,1]", clip=(0.1, 0.9), hole=(2, 6, 2, 6))([photo])[0]
    assert fed[0, 0, 0] == pytest.approx(0.8)
    assert fed[7, 0, 0] == pytest.approx(-0.8)
    assert np.all(fed[2:6, 2:6] == 0)


@pytest.mark.parametrize("color", ["RGB", "Y"])
@pytest.mark.parametrize("scale", ["[0,1]", "[-1,1]", "[0,255]"])
def test_bounds_hold_every_pixel(photo, color, scale):
    frame = Preprocessing((9, 9), color=color, range=scale, mean=(0.25,))
    low, high = frame.bounds
    fed = frame([photo, np.full_like(photo, 255), np.zeros_like(photo)])
    assert low - 1e-5 <= fed.min()
    assert fed.max() <= high + 1e-5


def test_survives_json():
    frame = Preprocessing((9, 7), "BGR", "[0,255]", (1, 2, 3), (0.1, 0.9), (1, 2, 3, 4), False, "native")
    assert Preprocessing.from_dict(frame.to_dict()) == frame


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"color": "CMYK"}, "color is 'CMYK'"),
        ({"range": "0-1"}, "range is '0-1'"),
        ({"mean": (1, 2)}, "mean has 2 values"),
        ({"size": (0, 3)}, "size is (0, 3)"),
        ({"size": 3}, "size is 3"),
        ({"hole": (1, 2)}, "hole is (1, 2)"),
        ({"std": (1, 2)}, "std has 2 values"),
        ({"std": (0,)}, "expected positive values"),
        ({"scale": "x"}, "scale is 'x'"),
        ({"bands": 4}, "bands is 4"),
        ({"layout": "HW"}, "layout is 'HW'"),
        ({"size": (float("inf"), 2)}, "size is (inf, 2); expected [height, width]"),
        ({"size": (2.5, 2)}, "size is (2.5, 2); expected [height, width], whole numbers"),
    ],
)
def test_bad_settings_are_named(fields, said):
    with pytest.raises(SettingsError) as caught:
        Preprocessing(**{"size": (8, 8), **fields})
    assert said in str(caught.value)


def test_only_uint8_photographs(photo):
    with pytest.raises(SettingsError, match="float32"):
        Preprocessing((8, 8))([photo.astype(np.float32)])
