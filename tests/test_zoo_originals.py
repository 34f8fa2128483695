"""The manifest: every original, its frame and its target, and how it comes from the cache or a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from found import some
from test_slim_checkpoint import slim_checkpoint
from zoo import expected, fake
from zoo.cases import CASES

from tfattr.errors import ModelFileError, SettingsError
from tfattr.probe import read_photo
from tfattr.zoo import builtin_zoo, entries, entry, family, load, loading
from tfattr.zoo.originals import Entry

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TASKS = [
    *("autoencoder", "curvature", "denoise", "edge2d", "edge3d", "keypoint2d", "keypoint3d", "colorization"),
    *("reshade", "rgb2depth", "rgb2mist", "rgb2sfnorm", "room_layout", "segment25d", "segment2d"),
    *("vanishing_point", "segmentsemantic", "class_1000", "class_places", "inpainting_whole"),
]
PLAIN = {"vanishing_point", "segmentsemantic", "class_1000", "class_places", "inpainting_whole"}
LOW_SATURATION = set(TASKS) - PLAIN - {"colorization"}
TABLE_1 = [
    *("inception_v3", "inception_resnet_v2", "vgg_16", "vgg_19", "resnet_v1_50", "resnet_v1_101"),
    *("resnet_v1_152", "mobilenet_v1", "mobilenet_v1_050", "mobilenet_v1_025", "inpaint_places2"),
    *("inpaint_celeba", "inpaint_celebahq", "inpaint_imagenet", "fcrn", "prn", "fcn", "tinyface"),
]


def test_zoos_in_the_papers_order() -> None:
    assert [item.id for item in entries("taskonomy")] == [f"taskonomy/{task}" for task in TASKS]
    assert [item.id for item in entries("collected")] == TABLE_1
    assert [item.name for item in entries("merged")] == TASKS + TABLE_1
    assert len(entries()) == 39
    with pytest.raises(SettingsError, match="taskonomy, collected, merged"):
        entries("imagenet")


def test_entries_are_found_by_id_and_short_name() -> None:
    assert entry("curvature") is entry("taskonomy/curvature")
    with pytest.raises(SettingsError, match="inception_v3"):
        entry("inceptionv3")


@pytest.mark.parametrize("item", entries(), ids=lambda item: item.id)
def test_an_entry_is_complete_and_agrees_with_the_structure_tests(item: Entry) -> None:
    known = family(item.family)
    assert set(item.options) <= set(known.options)
    for text in (
        item.task,
        item.trained_on,
        item.citation,
        item.licence,
        item.layer,
        item.native,
        item.checkpoint,
    ):
        assert text
    frame = item.preprocessing()
    assert frame.crop == "square"
    assert item.preprocessing(feeding="native").size == frame.size
    assert (known.color, known.range) == (frame.color, frame.range) or frame.color == "L"
    size, feedforward = (*frame.size, frame.channels), bool(item.options.get("feedforward"))
    cases = [
        case
        for case in CASES
        if case.family == item.family
        and case.size[2] == size[2]
        and bool(case.options.get("feedforward")) == feedforward
        and case.options.get("depth_multiplier") == item.options.get("depth_multiplier")
        and case.size == size
    ]
    assert cases
    assert all((case.target, case.target_shape) == (item.target, item.shape) for case in cases)
    assert item.downloads or item.by_hand
    for download in item.downloads:
        assert all(url.startswith(("http://", "https://")) for url in download.urls)
        assert download.kind in ("http", "drive", "drive_folder")
        assert download.unpack in ("", "tar", "zip")


def test_taskonomy_frames_are_the_authors() -> None:
    """Each task's fed tensor on a picture that needs no resize, against the pipeline written out."""
    photo = np.random.default_rng(0).integers(0, 256, (256, 300, 3), np.uint8)
    x = photo[:, 22:278].astype(np.float64) / 255.0
    plain = x * 2 - 1
    for item in some(entries("taskonomy")):
        fed = item.preprocessing()([photo])[0]
        wanted = np.clip(x, 0.1, 0.9) * 2 - 1 if item.task in LOW_SATURATION else plain.copy()
        if item.task == "colorization":
            assert fed.shape == (256, 256, 1)
            grey = np.full((256, 256, 3), 119, np.uint8)  # CIELAB lightness of sRGB 119 is 50.03
            assert item.preprocessing()([grey])[0].mean() == pytest.approx(0.0, abs=2e-3)
            continue
        if item.task == "inpainting_whole":
            wanted[64:192, 64:192] = 0.0
        np.testing.assert_allclose(fed, wanted, atol=1e-6, err_msg=item.id)


def test_taskonomy_resize_does_not_smooth() -> None:
    """Halving a picture samples the middle of each 2x2, the mean of its pixels; thirds take every third."""
    photo = np.random.default_rng(1).integers(0, 256, (768, 768, 3), np.uint8)
    fed = entry("class_1000").preprocessing()([photo])[0]
    np.testing.assert_allclose(fed, photo[1::3, 1::3] / 255.0 * 2 - 1, atol=1e-6)


def test_weights_that_are_not_there_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    with pytest.raises(ModelFileError, match=r"tfattr fetch taskonomy/curvature.*model\.permanent-ckpt"):
        load("curvature")
    with pytest.raises(ModelFileError, match="No public VOC checkpoint"):
        load("fcn")
    with pytest.raises(ModelFileError):
        load("prn", checkpoint=tmp_path / "nothing")


@pytest.mark.slow
def test_load_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PRN, somewhere below its folder; its provenance and output are the manifest's."""
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    place = tmp_path / "models/prn/some/folder"
    place.mkdir(parents=True)
    fake.write(place / "256_256_resfcn256_weight", fake.values(expected.prn()))
    (place / "._256_256_resfcn256_weight.index").write_bytes(b"a Mac's resource fork")
    trunk = load("prn", feeding="native")
    assert trunk.name == "prn"
    assert trunk.output_shape == (8, 8, 512)
    assert trunk.provenance["original"] == "prn"
    assert trunk.preprocessing.crop == "native"
    fake.write(tmp_path / "models/prn/256_256_resfcn256_weight", {"x": np.zeros(1, np.float32)})
    with pytest.raises(ModelFileError, match="several checkpoints"):
        load("prn")


def test_builtin_zoos_load_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening needs no weights; a model whose weights are there loads, another says how to get them."""
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    zoo = builtin_zoo("merged", feeding="native")
    assert [spec.name for spec in zoo] == TASKS + TABLE_1
    assert zoo.groups["curvature"] == "3D"
    (tmp_path / "models/mobilenet_v1_025").mkdir(parents=True)
    prefix = tmp_path / "models/mobilenet_v1_025/mobilenet_v1_0.25_128.ckpt"
    fake.write(prefix, fake.values(expected.mobilenet_v1(0.25)))
    there, absent = zoo.only(["mobilenet_v1_025", "prn"])
    trunk = there.load()
    assert (trunk.name, trunk.output_shape) == ("mobilenet_v1_025", (1, 1, 256))
    assert trunk.preprocessing == there.preprocessing
    assert (trunk.preprocessing.crop, trunk.preprocessing.resize) == ("central", "tensorflow")
    with pytest.raises(ModelFileError, match="tfattr fetch prn"):
        absent.load()


def test_patterns_and_v1_files_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfattr.zoo import cache

    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    for name, file, version in (
        ("nazeri_color", "CGAN_places365-120", 2),
        ("fcn", "model.ckpt-90000", 2),
        ("inception_v3", "inception_v3.ckpt", 1),
    ):
        place = cache.folder(entry(name))
        place.mkdir(parents=True)
        fake.write(place / file, {"x": np.zeros(3, np.float32)}, version)
        assert cache.find(entry(name)) == str(place / file)
    (cache.folder(entry("tinyface")) / "sub").mkdir(parents=True)
    assert cache.find(entry("tinyface")) is None
    (cache.folder(entry("tinyface")) / "hr_res101.mat.part").write_bytes(b"half")
    assert cache.find(entry("tinyface")) is None
    (cache.folder(entry("tinyface")) / "hr_res101.mat").write_bytes(b"")
    assert cache.find(entry("tinyface")).endswith("hr_res101.mat")


def test_inpainting_v2_is_refused_at_the_door(tmp_path: Path) -> None:
    prefix = fake.inpainting_v2(tmp_path)
    with pytest.raises(ModelFileError, match=r"v2.*v1"):
        load("inpaint_places2", checkpoint=prefix)


def test_converted_weights_carry_their_own_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.io

    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    params = np.zeros((1, 1), [("name", object), ("value", object)])
    params[0, 0] = ("conv1_filter", np.ones((7, 7, 3, 64), np.float32))
    average = {"averageImage": np.array([[[1.0, 2.0, 3.0]]])}
    net = {"params": params, "layers": np.zeros((1, 0)), "meta": {"normalization": average}}
    scipy.io.savemat(tmp_path / "hr_res101.mat", {"net": net})
    made = loading.model_spec(entry("tinyface"), tmp_path / "hr_res101.mat")
    assert made.preprocessing.mean == (1.0, 2.0, 3.0)
    assert made.preprocessing.size == (512, 512)
    assert Path(made.path + ".index").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder"),
    [("mobilenet_v1", "mobilenet_v1_1.0_224"), ("mobilenet_v1_025", "mobilenet_v1_0.25_128")],
)
def test_real_mobilenets_through_the_registry(name: str, folder: str, shared: Path, tmp_path: Path) -> None:
    """The released weights, as a slim checkpoint, classify photographs; the trunk alone feeds the same head."""
    weights = shared / "real/weights"
    prefix = slim_checkpoint(str(weights / folder / "frozen_graph.pb"), str(tmp_path))
    trunk = load(name, checkpoint=prefix)
    assert trunk.output_shape == entry(name).shape
    reader = tf.train.load_checkpoint(prefix)
    head = reader.get_tensor("MobilenetV1/Logits/Conv2d_1c_1x1/weights")[0, 0]
    bias = reader.get_tensor("MobilenetV1/Logits/Conv2d_1c_1x1/biases")
    photos = [read_photo(shared / "real/probe/coco" / f"{n}.jpg") for n in ("000000000285", "000000000471")]
    logits = np.asarray(trunk(trunk.preprocess(photos)))[:, 0, 0] @ head + bias
    labels = (weights / "mobilenet_v1_0.25_128/labels.txt").read_text().splitlines()
    for row, seen in some(zip(np.argsort(-logits, axis=1)[:, :5], ("brown bear", "school bus"))):
        assert any(seen in labels[index] for index in row)
