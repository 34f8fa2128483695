"""What single builders promise beyond the contract: heads, masks, statistics, refusals, a real index."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from zoo import expected, fake

from tfattr.errors import ModelFileError, SettingsError
from tfattr.trunk import Preprocessing, Trunk
from tfattr.zoo import Family, families, family
from tfattr.zoo.inpainting import check_checkpoint, make_mask
from tfattr.zoo.nazeri import build as build_nazeri
from tfattr.zoo.spec import ModelSpec

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def graph_shapes(name: str, size: tuple[int, int, int], **options: object) -> dict[str, list[int]]:
    with tf.Graph().as_default():
        family(name).build(tf.compat.v1.placeholder(tf.float32, [None, *size]), **options)
        return {variable.op.name: variable.shape.as_list() for variable in tf.compat.v1.global_variables()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes", "shapes"),
    [
        ("mobilenet_v1", 1001, expected.mobilenet_v1(1.0, 1001)),
        ("vgg_16", 1000, expected.vgg(16, num_classes=1000)),
        ("vgg_19", 1000, expected.vgg(19, num_classes=1000)),
        ("resnet_v1_50", 1000, expected.resnet_v1(50, num_classes=1000)),
        ("inception_v3", 1001, expected.inception_v3(1001)),
    ],
)
def test_the_head_is_the_originals(name: str, classes: int, shapes: dict[str, list[int]]) -> None:
    assert graph_shapes(name, (*family(name).size, 3), num_classes=classes) == shapes


def test_published_totals_of_whole_nets() -> None:
    """The tables that the tests write down have the published counts, heads and auxiliary heads included."""

    def totals(shapes: dict[str, list[int]]) -> tuple[int, int]:
        return len(shapes), sum(math.prod(shape) for shape in shapes.values())

    assert totals(expected.inception_v3(1001, aux=True)) == (388, 27_182_194)
    assert totals(expected.vgg(16, num_classes=1000)) == (32, 138_357_544)
    assert totals(expected.vgg(19, num_classes=1000)) == (38, 143_667_240)
    assert totals(expected.resnet_v1(50, num_classes=1000)) == (267, 25_610_152)
    assert totals(expected.resnet_v1(101, num_classes=1000)) == (522, 44_654_504)
    assert totals(expected.resnet_v1(152, num_classes=1000)) == (777, 60_344_232)
    assert totals(expected.mobilenet_v1(1.0, 1001)) == (137, 4_254_889)
    assert totals(expected.mobilenet_v1(0.5, 1001)) == (137, 1_343_049)
    assert totals(expected.mobilenet_v1(0.25, 1001)) == (137, 475_801)
    assert totals({**expected.inpainting(), **expected.inpainting_rest()}) == (84, 3_601_542)


@pytest.mark.slow
def test_prn_against_the_real_index(shared: Path) -> None:
    """Every variable of the builder is in the released file with that shape, and has Adam slots there."""
    prefix = shared / "real/weights/prnet_index_only/256_256_resfcn256_weight"
    real = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    found = graph_shapes("prn", (256, 256, 3))
    assert len(found) == 160
    assert {name: list(real[name]) for name in found} == found
    encoder = [name for name in real if "Conv2d_transpose" not in name and "/Adam" not in name]
    assert sorted(name for name in encoder if name.startswith("resfcn256/")) == sorted(found)


def test_inpainting_v2_is_refused_by_shape(tmp_path: Path) -> None:
    prefix = fake.inpainting_v2(tmp_path)
    with pytest.raises(ModelFileError, match=r"allconv12/kernel has shape \[3, 3, 96, 192\].*v2.*v1"):
        check_checkpoint(prefix)


def test_inpainting_v1_is_accepted(tmp_path: Path) -> None:
    check_checkpoint(fake.write(tmp_path / "snap-0", fake.values(expected.inpainting())))


def test_inpainting_masks(tmp_path: Path) -> None:
    assert not make_mask("zero", 16, 24).any()
    hole = make_mask("hole", 512, 680)
    assert hole.sum() == 128 * 128
    assert hole[192:320, 276:404].all()
    assert make_mask("hole", 64, 48).sum() == 24 * 24
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[8:16, 24:40] = (0, 0, 200)  # blue counts, the first channel of a BGR reader
    picture[20:24] = (255, 255, 127)
    Image.fromarray(picture).save(tmp_path / "mask.png")
    mask = make_mask(tmp_path / "mask.png", 16, 24)
    assert mask.sum() == 4 * 8
    assert mask[4:8, 12:20].all()
    (tmp_path / "text.png").write_text("no picture")
    for wrong in (tmp_path / "text.png", tmp_path / "absent.png", "centre"):
        with pytest.raises(SettingsError, match="mask"):
            make_mask(wrong, 16, 24)


@pytest.mark.slow
def test_inpainting_looks_at_the_mask(tmp_path: Path) -> None:
    """With a hole the hidden pixels have no gradient; without one every pixel has."""
    prefix = fake.write(tmp_path / "snap-0", fake.values(expected.inpainting()))
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)), tf.float32)
    for mask in ("hole", "zero"):
        trunk = Trunk.from_checkpoint(
            prefix,
            build=lambda images, mask=mask: family("inpainting").build(images, mask=mask),
            output="allconv12",
            preprocessing=Preprocessing(size=(64, 64), color="BGR", range="[-1,1]"),
        )
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(trunk(x))
        zero = np.all(tape.gradient(total, x).numpy()[0] == 0, axis=-1)
        assert zero[16:48, 16:48].all() == (mask == "hole")
        assert not np.delete(zero.ravel(), np.flatnonzero(make_mask(mask, 64, 64))).any()


def test_inpainting_and_vgg_say_which_size_they_need() -> None:
    with pytest.raises(SettingsError, match="multiples of 8"):
        graph_shapes("inpainting", (60, 64, 3))
    with pytest.raises(SettingsError, match="224x224"):
        graph_shapes("vgg_16", (200, 224, 3))


@pytest.mark.slow
def test_colorization_normalises_each_image_by_itself() -> None:
    """A batch gives what single images give, and an image alone what batch statistics of one would."""
    values = fake.values(expected.nazeri())
    x = np.random.default_rng(2).uniform(0, 255, (2, 256, 256, 1)).astype(np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, [None, 256, 256, 1])
        net, end_points = build_nazeri(images)
        for variable in tf.compat.v1.global_variables():
            variable.load(values[variable.op.name], session)
        together = session.run(net, {images: x})
        alone = np.concatenate([session.run(net, {images: image[None]}) for image in x])
        first = session.run(end_points["conv0"], {images: x[:1]})
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4 * np.abs(alone).max())
    plain = tf.nn.conv2d(x[:1], values["gen/conv0/kernel"], 1, "SAME").numpy() + values["gen/conv0/bias"]
    mean, variance = plain.mean((0, 1, 2)), plain.var((0, 1, 2))
    wanted = (plain - mean) / np.sqrt(variance + 1e-3) * values["gen/bn_conv0/gamma"] + values[
        "gen/bn_conv0/beta"
    ]
    wanted = np.where(wanted > 0, wanted, 0.2 * wanted)
    np.testing.assert_allclose(first, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_listing_families_imports_no_tensorflow() -> None:
    import subprocess

    code = "import sys, tfattr.zoo; tfattr.zoo.families(); assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_a_family_is_a_module_and_a_table_of_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named in a zoo file it brings its frame, its layer and its options."""
    mine = ModuleType("tfattr.zoo.mine")
    mine.build = lambda images, *, factor=1.0: (images, {"features": images * factor})
    table = {"builder": {"module": "mine", "output": "features", "options": ["factor"]}, "size": [8, 6]}
    table |= {"color": "BGR", "range": "[-1,1]"}
    monkeypatch.setitem(sys.modules, "tfattr.zoo.mine", mine)
    monkeypatch.setattr(
        importlib.import_module("tfattr.zoo.families"), "manifest", lambda: {"family": {"mine": table}}
    )
    stated = {"name": "net", "source": "checkpoint", "path": "x", "builder": "mine", "factor": 3.0}
    with pytest.raises(SettingsError, match=r"mine.*has no option 'depth'; it has factor"):
        ModelSpec.from_table({**stated, "depth": 2}, "zoo.toml", tmp_path).load()
    fake.write(tmp_path / "x", {"unused": np.zeros(1, np.float32)})
    trunk = ModelSpec.from_table(stated, "zoo.toml", tmp_path).load()
    assert trunk.preprocessing == Preprocessing((8, 6), "BGR", "[-1,1]", (0.0,))
    x = np.ones((1, 8, 6, 3), np.float32)
    np.testing.assert_array_equal(trunk(x), 3 * x)


@pytest.mark.parametrize("known", families().values(), ids=lambda known: known.name)
def test_the_manifest_names_the_options_that_a_builder_takes(known: Family) -> None:
    build = importlib.import_module(f"tfattr.zoo.{known.build.module}").build
    assert set(known.options) == set(inspect.signature(build).parameters) - {"images", "is_training"}


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="resnet_v1_50"):
        family("resnet50_v1")
    assert list(families()) == [entry.name for entry in families().values()]


@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet_v1_50", {"depth": 34}), ("vgg_16", {"depth": 11}), ("nazeri", {"dataset": "imagenet"})],
)
def test_unknown_variants_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        graph_shapes(name, (224, 224, 1 if name == "nazeri" else 3), **options)
