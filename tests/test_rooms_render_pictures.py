"""Rendered pictures and maps against known geometry; determinism, resuming and clear errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from found import some

from studies.rooms import labels, render, tracing
from studies.rooms import materials as mat
from studies.rooms.camera import Camera, pose
from studies.rooms.categories import CATEGORY_ID
from studies.rooms.dataset import load
from studies.rooms.geometry import manhattan_axes, positions
from studies.rooms.meshes import box, ellipsoid, quad
from studies.rooms.pieces import Piece
from studies.rooms.scene import PointLight, Scene
from studies.rooms.tasks import TASKS
from tfattr.errors import MissingExtraError, SettingsError


def test_missing_mitsuba_is_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    with pytest.raises(MissingExtraError, match=r"pip install tfattr\[rooms\]"):
        tracing.mitsuba()
    assert render.main(["--data", str(tmp_path), "--splits", "val"]) == 2
    said = capsys.readouterr().err.strip()
    assert "pip install tfattr[rooms]" in said
    assert "\n" not in said


@pytest.fixture(scope="module")
def mi():
    pytest.importorskip("mitsuba", reason="the extra [rooms] is not installed")
    return tracing.mitsuba()


@pytest.fixture(scope="module")
def simple(mi):
    """A red wall 4 m ahead along +y, a green ball of radius 0.5 m at 3 m, a blue box low on the right."""
    red, green, blue = (mat.plain(np.array(c)) for c in ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)))
    pieces = [
        Piece("wall", [(quad((-9, 4, -9), (18, 0, 0), (0, 0, 18)), red)]),
        Piece("lamp", [(ellipsoid((0, 3, 0), (0.5,) * 3, 60, 80), green)]),
        Piece("table", [(box((1.0, 2.9, -1.4), (1.4, 3.1, -1.0)), blue)]),
    ]
    room = np.array([[-9, 9.0], [-9, 4], [-9, 9]])
    scene = Scene("office", room, pieces, [PointLight((0.0, 0.0, 0.0), (20.0, 20.0, 20.0))])
    camera = Camera(np.zeros(3), pose(np.pi / 2, 0, 0), 60.0)
    loaded = tracing.load(scene)
    return loaded, camera, tracing.geometry(loaded, camera, 64)


def test_maps_of_a_known_scene(simple):
    _, camera, maps = simple
    K = camera.intrinsics(64)
    wall = maps["category"] == CATEGORY_ID["wall"]
    ball = maps["category"] == CATEGORY_ID["lamp"]
    assert np.allclose(maps["depth"][wall].astype(float), 4.0, atol=4e-3)
    assert np.allclose(maps["normal"][wall].astype(float), [0, 0, -1], atol=1e-3)
    # the ball: every visible point lies 0.5 m from its centre and its normal points away from the centre
    points = positions(maps["depth"][None].astype(np.float32), K[None])[0][ball]
    away = points - [0, 0, 3]
    assert np.allclose(np.linalg.norm(away, axis=1), 0.5, atol=5e-3)
    inner = np.linalg.norm(points[:, :2], axis=1) < 0.4
    assert np.abs(maps["normal"][ball][inner].astype(float) - away[inner] / 0.5).max() < 0.03
    # its outline has the angular radius asin(r / d)
    radius = K[0, 0] * np.tan(np.arcsin(0.5 / 3))
    assert ball.sum() == pytest.approx(np.pi * radius**2, rel=0.03)
    # the box is to the right of and below the centre
    rows, columns = np.nonzero(maps["category"] == CATEGORY_ID["table"])
    assert rows.mean() == pytest.approx(K[1, 2] + K[1, 1] * 1.2 / 2.9, abs=1.0)
    assert columns.mean() == pytest.approx(K[0, 2] + K[0, 0] * 1.2 / 2.9, abs=1.0)
    assert set(np.unique(maps["instance"])) == {1, 2, 3}


def test_the_photograph_lies_on_the_maps(simple):
    loaded, camera, maps = simple
    rgb = tracing.picture(loaded, camera, maps, seed=1, spp=8, rng=np.random.default_rng(0))
    assert rgb.shape == (64, 64, 3)
    assert rgb.dtype == np.uint8
    for category, channel in (("wall", 0), ("lamp", 1), ("table", 2)):
        here = maps["category"] == CATEGORY_ID[category]
        assert (rgb[here].argmax(1) == channel).mean() > 0.9
    again = tracing.picture(loaded, camera, maps, seed=1, spp=8, rng=np.random.default_rng(0))
    assert np.array_equal(rgb, again)


def test_albedo_is_the_texture(mi):
    canvas = mat.painting(np.random.default_rng(3))
    face = quad((-2, 4, -2), (4, 0, 0), (0, 0, 4))
    face = type(face)(face.vertices, face.normals, face.uv / 4, face.faces)
    loaded = tracing.load(Scene("office", np.zeros((3, 2)), [Piece("picture", [(face, canvas)])]))
    camera = Camera(np.zeros(3), pose(np.pi / 2, 0, 0), float(np.degrees(2 * np.arctan(0.5))))
    ours = tracing.albedo(loaded, camera, 64)
    # the canvas fills the picture: mitsuba's own albedo says where the renderer puts the texture
    aov = mi.load_dict({"type": "aov", "aovs": "a:albedo"})
    sensor = tracing._sensor(mi, camera, 64)
    theirs = np.array(mi.render(loaded.scene, sensor=sensor, integrator=aov, spp=64, seed=0))[..., :3]
    assert np.abs(ours - theirs).mean() < 0.02
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98


@pytest.fixture(scope="module")
def data(mi, tmp_path_factory):
    """Four pictures of the validation split in two shards of two, with few samples."""
    folder = tmp_path_factory.mktemp("rooms")
    for shard in range(2):
        render.write_shard(folder, "val", shard, shard_size=2, samples=2)
    return folder


def test_rendered_rooms_agree_with_their_box(data):
    with np.load(render.shard_path(data, "val", 0)) as file:
        a = {key: file[key] for key in file.files}
    points = positions(a["depth"], a["K"])
    world = np.einsum("nhwi,nij->nhwj", points, a["rotation"]) + a["position"][:, None, None]
    floor = a["category"] == CATEGORY_ID["floor"]
    assert floor.any()
    assert np.abs(world[..., 2][floor]).max() < 0.03
    up = np.broadcast_to(a["rotation"][:, None, None, :, 2], a["normal"].shape)
    assert np.abs(a["normal"][floor] - up[floor]).max() < 2e-3
    for image in range(len(world)):
        wall = a["category"][image] == CATEGORY_ID["wall"]
        room, seen = a["room"][image], world[image][wall]
        gap = np.abs(np.stack([seen[:, i] - room[i, j] for i in (0, 1) for j in (0, 1)])).min(0)
        assert np.percentile(gap, 95) < 0.03
    # wall normals point along the Manhattan axes that the vanishing points name
    axes = manhattan_axes(a["rotation"])
    wall = a["category"] == CATEGORY_ID["wall"]
    along = np.abs(np.einsum("nhwi,nki->nhwk", a["normal"].astype(np.float32), axes)).max(-1)
    assert np.percentile(along[wall], 10) > 0.999


def test_labels_of_rendered_rooms(data):
    arrays = load(data, "val")
    assert arrays["rgb"].shape == (4, 64, 64, 3)
    assert list(arrays["image_id"]) == [f"val_b00_{i:03d}" for i in range(4)]
    for name, task in TASKS.items():
        label = arrays[name]
        assert len(label) == 4
        if task.kind in ("segmentation", "classification"):
            assert label.min() >= 0
            assert label.max() < task.channels
        else:
            assert np.isfinite(label).all(), name
    assert len(load(data, "val", ["rgb2depth"], limit=3)["rgb2depth"]) == 3
    # near and far agree between the two depth tasks
    assert (arrays["rgb2mist"] >= arrays["rgb2depth"] - 1e-6).all()
    assert np.abs(arrays["room_layout"]).max() < 6
    assert labels.reshade is TASKS["reshade"].label


def test_a_picture_can_be_rendered_alone(data):
    from studies.rooms import views

    views._room.cache_clear()
    alone = views.image_record("val", 3, samples=2)
    with np.load(render.shard_path(data, "val", 1)) as file:
        for key, value in some(alone.items()):
            assert np.array_equal(file[key][1], value), key
    with pytest.raises(SettingsError, match="0 to 503"):
        views.image_record("val", 504)


def test_finished_shards_are_skipped_and_broken_ones_leave_nothing(data, tmp_path, monkeypatch):
    path = render.shard_path(data, "val", 0)
    before = path.stat().st_mtime_ns

    def never(*_, **__):
        raise AssertionError("rendered again")

    monkeypatch.setattr(render, "image_record", never)
    assert render.write_shard(data, "val", 0, shard_size=2) == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(AssertionError, match="again"):
        render.write_shard(tmp_path, "val", 0, shard_size=2)
    assert list((tmp_path / "val").iterdir()) == []


def test_a_finished_split_renders_nothing(tmp_path):
    for shard in range(2):
        path = render.shard_path(tmp_path, "probe", shard)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    said = []
    render.render_splits(tmp_path, ["probe"], report=said.append)
    assert said == ["nothing to render: all shards exist"]
    with pytest.raises(SettingsError, match="attic"):
        render.render_splits(tmp_path, ["attic"])


def test_missing_and_damaged_shards_are_named(tmp_path):
    with pytest.raises(SettingsError, match="render them with"):
        load(tmp_path, "val")
    path = render.shard_path(tmp_path, "val", 0)
    path.parent.mkdir()
    path.write_bytes(b"not an archive")
    with pytest.raises(SettingsError, match="shard-00000.npz"):
        load(tmp_path, "val", ["rgb2depth"])


def test_probe_sets_are_files_that_stay(mi, tmp_path, monkeypatch):
    from PIL import Image

    from studies.rooms import probes

    monkeypatch.setattr(probes, "COUNT", 1)
    for name in ("street", "still_life"):
        (path,) = probes.write_probe_set(tmp_path, tmp_path / "out", name)
        picture = np.asarray(Image.open(path))
        assert picture.shape == (64, 64, 3)
        assert picture.std() > 10
        assert np.array_equal(picture, probes.world_picture(name, 0))
    path.write_bytes(b"mine")
    probes.write_probe_set(tmp_path, tmp_path / "out", "still_life")
    assert path.read_bytes() == b"mine"
