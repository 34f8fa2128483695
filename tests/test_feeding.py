"""What each original is fed, against the formulas written out in float64 and TensorFlow's own ops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from tfattr.errors import SettingsError
from tfattr.trunk import Preprocessing
from tfattr.zoo import entries, entry
from tfattr.zoo.file import open_zoo
from tfattr.zoo.loading import FeedingWarning, warn_stretched
from tfattr.zoo.originals import Entry

LOW_SATURATION = (
    *("autoencoder", "curvature", "denoise", "edge2d", "edge3d", "keypoint2d", "keypoint3d", "reshade"),
    *("rgb2depth", "rgb2mist", "rgb2sfnorm", "segment25d", "segment2d", "room_layout"),
)
MEAN = np.array([123.68, 116.78, 103.94])
# Height, width; "own" stands for the model's size.
SIZES = ((100, 75), (213, 320), (559, 675), (1500, 2000), (64, 64), "own")


def picture(height: int, width: int) -> np.ndarray:
    """Sharp noise on a slope, no pixel black in the middle of the range: edges and blending both show."""
    rng = np.random.default_rng([height, width])
    slope = np.linspace(30, 200, height)[:, None, None] * np.ones((1, width, 3))
    return np.clip(slope + rng.integers(-20, 56, (height, width, 3)), 0, 255).astype(np.uint8)


def sampled(image: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    """Order 1 at pixel centres, ``(i + .5) * (h / H) - .5``; what lies outside is black (grid-constant) or repeated."""
    rows = (np.arange(size[0]) + 0.5) * (image.shape[0] / size[0]) - 0.5
    columns = (np.arange(size[1]) + 0.5) * (image.shape[1] / size[1]) - 0.5
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    return np.stack([ndimage.map_coordinates(image[..., c], grid, order=1, mode=mode) for c in range(3)], -1)


def skimage_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``skimage.transform.resize(image, size, order=1)`` of 0.12: mode constant, cval 0, clipped to the image's range."""
    if image.shape[:2] == size:
        return image
    return np.clip(sampled(image, size, "grid-constant"), image.min(), image.max())


def lightness(image: np.ndarray) -> np.ndarray:
    """``rgb2lab(image)[..., :1]`` of scikit-image 0.12: its matrix from sRGB to XYZ, its D65 white."""
    linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    luminance = 0.212671 * linear[..., 0] + 0.715160 * linear[..., 1] + 0.072169 * linear[..., 2]
    root = np.where(luminance > 0.008856, luminance ** (1.0 / 3.0), 7.787 * luminance + 16.0 / 116.0)
    return (116.0 * root - 16.0)[..., None]


def taskonomy(task: str, photo: np.ndarray) -> np.ndarray:
    """The authors' pipeline: the centre square of even side, ``resize_image``, then what the task's config says."""
    half = min(photo.shape[:2]) // 2
    top, left = photo.shape[0] // 2 - half, photo.shape[1] // 2 - half
    image = photo[top : top + 2 * half, left : left + 2 * half].astype(np.float64) / 255.0
    image = skimage_resize(image, (256, 256))
    if task == "colorization":
        return np.clip(lightness(image), 0, 100) / 100 * 2 - 1
    if task in LOW_SATURATION:
        image = np.clip(image, 0.1, 0.9)
    image = image * 2 - 1
    if task == "inpainting_whole":
        image[64:192, 64:192] = 0
    return image


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_taskonomy_is_fed_as_scikit_image_012_makes_it(size) -> None:
    photo = picture(*((256, 256) if size == "own" else size))
    frames = {item.preprocessing(): item for item in entries("taskonomy")}
    assert len(frames) == 4  # low saturation, plain, lightness, hole
    for frame, item in frames.items():
        np.testing.assert_allclose(
            frame([photo])[0], taskonomy(item.task, photo), rtol=0, atol=3e-7, err_msg=item.id
        )


def test_each_taskonomy_model_is_fed_its_own_way() -> None:
    """The frame of each of the twenty on a small picture; the projects' own feeding is the same."""
    photo = picture(70, 90)
    wanted = {
        task: taskonomy(task, photo)
        for task in ("curvature", "class_1000", "colorization", "inpainting_whole")
    }
    models = entries("taskonomy")
    assert len(models) == 20
    for item in models:
        task = (
            "curvature" if item.task in LOW_SATURATION else item.task if item.task in wanted else "class_1000"
        )
        np.testing.assert_allclose(
            item.preprocessing()([photo])[0], wanted[task], rtol=0, atol=3e-7, err_msg=item.id
        )
        assert item.preprocessing("native") == item.preprocessing("square")


def bilinear_of_tf1(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return tf.compat.v1.image.resize_bilinear(image[None], size, align_corners=False)[0].numpy()


def inception(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """slim's ``inception_preprocessing.preprocess_for_eval``."""
    image = tf.image.convert_image_dtype(photo, tf.float32)
    image = tf.image.central_crop(image, 0.875).numpy()
    return (bilinear_of_tf1(image, size) - 0.5) * 2.0


def vgg(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """slim's ``vgg_preprocessing.preprocess_for_eval`` with the shorter side at 256."""
    height, width = photo.shape[:2]
    scale = tf.constant(256, tf.float32) / tf.cast(min(height, width), tf.float32)
    whole = [int(tf.math.rint(tf.cast(side, tf.float32) * scale)) for side in (height, width)]
    image = bilinear_of_tf1(photo, whole)
    top, left = int((whole[0] - size[0]) / 2), int((whole[1] - size[1]) / 2)
    return image[top : top + size[0], left : left + size[1]] - MEAN


def canvas(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest centred part of the canvas's aspect, OpenCV's INTER_LINEAR, BGR in [-1, 1]."""
    scale = min(photo.shape[0] / size[0], photo.shape[1] / size[1])
    height, width = round(size[0] * scale), round(size[1] * scale)
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    part = photo[top : top + height, left : left + width].astype(np.float64)
    return sampled(part, size, "nearest")[..., ::-1] / 127.5 - 1


def lanczos(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).resize(size[::-1], Image.LANCZOS), np.float64)


def nearest(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, photo.shape[:2])
    )
    return photo[rows][:, columns].astype(np.float64)


def tiny_face(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    average = np.array([119.29959869, 110.54627228, 101.83843231])
    return sampled(photo.astype(np.float64), size, "nearest") - average


def prn(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return skimage_resize(photo / 255.0, size)


NATIVE = {
    "inception_v3": inception,
    "inception_resnet_v2": inception,
    "mobilenet_v1": inception,
    **dict.fromkeys(("vgg_16", "vgg_19", "resnet_v1_50", "resnet_v1_101", "resnet_v1_152"), vgg),
    "inpainting": canvas,
    "fcrn": lanczos,
    "prn": prn,
    "fcn": nearest,
    "tinyface": tiny_face,
}


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES[:-1], ids=str)
@pytest.mark.parametrize(
    "item",
    {item.preprocessing("native"): item for item in entries("collected")}.values(),
    ids=lambda item: item.id,
)
def test_native_feeding_is_the_projects_own(item: Entry, size) -> None:
    photo, frame = picture(*size), item.preprocessing("native")
    wanted = NATIVE[item.family](photo, frame.size)
    assert wanted.shape == (*frame.size, 3)
    span = frame.bounds[1] - frame.bounds[0]
    np.testing.assert_allclose(frame([photo])[0], wanted, rtol=0, atol=2.5e-7 * span)


FRAMES = {item.preprocessing(feeding): None for item in entries() for feeding in ("square", "native")}


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.size}-{frame.color}-{frame.crop}")
def test_a_picture_of_the_models_size_is_never_resampled(frame: Preprocessing) -> None:
    photo = picture(*frame.size)
    plain = Preprocessing(frame.size, frame.color, frame.range, frame.mean, frame.clip, frame.hole)
    np.testing.assert_allclose(frame([photo]), plain([photo]), rtol=0, atol=1e-7 * 255)
    np.testing.assert_allclose(frame.resized(photo), photo / 255.0, rtol=0, atol=1e-7)


def test_a_square_of_odd_side_is_cut_not_enlarged() -> None:
    photo = picture(299, 340)
    fed = entry("inception_v3").preprocessing()([photo])[0]
    np.testing.assert_allclose(fed, photo[:, 20:319] / 127.5 - 1, atol=1e-6)


def test_nazeris_grey_is_tensorflows() -> None:
    photo = picture(256, 256)
    wanted = tf.image.rgb_to_grayscale(photo.astype(np.float32)).numpy()
    for feeding in ("square", "native"):
        fed = entry("nazeri_color").preprocessing(feeding)([photo])[0]
        np.testing.assert_allclose(fed, wanted, rtol=0, atol=255 * 3e-7)


def test_a_long_strip_needs_no_more_memory_than_its_part(monkeypatch) -> None:
    """The shorter side of 1 x 20,000 at 256 would be 256 x 5,120,000 pixels; 224 x 224 are made."""
    photo = np.broadcast_to(np.arange(20_000, dtype=np.uint16)[None, :, None] % 256, (1, 20_000, 3))
    fed = entry("vgg_16").preprocessing("native")([photo.astype(np.uint8)])[0]
    assert fed.shape == (224, 224, 3)


def test_whose_pictures_are_stretched_is_said_once() -> None:
    zoo = open_zoo("merged").models
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_stretched(zoo)
    said = [str(warning.message) for warning in caught if warning.category is FeedingWarning]
    assert len(said) == 1
    assert "inpaint_places2 (512x680)" in said[0]
    assert "inpaint_celeba" not in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_stretched(open_zoo("merged", "native"))


def test_a_feeding_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="model by model"):
        open_zoo("rooms", "native")
    with pytest.raises(SettingsError, match="square, native"):
        entry("prn").preprocessing("whole")
    with pytest.raises(SettingsError, match="leave it out"):
        Preprocessing((8, 8), resize="skimage", antialias=False)
