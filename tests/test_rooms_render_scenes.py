"""Rooms before rendering: seeds, buildings, contents, cameras, light filtering. No mitsuba needed."""

from __future__ import annotations

import numpy as np
import pytest
from found import some

from studies.rooms.camera import Camera, candidates, pose
from studies.rooms.categories import CATEGORY_ID, OBJECTS, ROOM_TYPES
from studies.rooms.filtering import smooth_light
from studies.rooms.geometry import camera_angles
from studies.rooms.meshes import box, ellipsoid, frustum, quad, rotation_z
from studies.rooms.scene import room_scene, seeded, style_of
from studies.rooms.tracing import dominant
from studies.rooms.views import SPLITS, split_named
from tfattr.errors import SettingsError

#: What makes each room type what it is.
MUST_HAVE = {
    "bathroom": "bath",
    "bedroom": "bed",
    "classroom": "table",
    "dining_room": "chair",
    "kitchen": "cabinet",
    "library": "shelf",
    "living_room": "sofa",
    "office": "table",
}


def _area_and_volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    return np.linalg.norm(cross, axis=1).sum() / 2, np.einsum("ij,ij->i", a, cross).sum() / 6


@pytest.mark.parametrize(
    "mesh, area, volume",
    [
        (box((0, 1, 2), (1, 3, 5)), 2 * (2 + 3 + 6), 6.0),
        (frustum((1, 2, 3), 1.0, 1.0, 2.0, 200), 2 * np.pi * 3, 2 * np.pi),
        (
            frustum((0, 0, 0), 1.0, 0.5, 1.0, 200),
            np.pi * (1 + 0.25 + 1.5 * np.hypot(1, 0.5)),
            np.pi * 1.75 / 3,
        ),
        (ellipsoid((0, 1, 0), (1, 1, 1), 100, 100), 4 * np.pi, 4 * np.pi / 3),
    ],
)
def test_solids_have_their_area_volume_and_outward_normals(mesh, area, volume):
    found_area, found_volume = _area_and_volume(mesh)
    assert found_area == pytest.approx(area, rel=3e-3)
    # a positive volume means that every triangle winds outwards
    assert found_volume == pytest.approx(volume, rel=3e-3)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    winding = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", winding, mesh.normals[mesh.faces].mean(1)) > -1e-9).all()


def test_quad_texture_coordinates_are_metres_and_motion_is_rigid():
    mesh = quad((0, 0, 0), (2, 0, 0), (0, 0, 3))
    assert np.allclose(mesh.uv.max(0), [2, 3])
    assert np.allclose(mesh.normals, [0, -1, 0])
    moved = mesh.moved(rotation_z(np.pi / 2, (1, 1, 1)))
    assert np.allclose(moved.normals, [1, 0, 0])
    assert np.allclose(moved.vertices[1], [1, 3, 1])


def test_rooms_are_functions_of_their_seeds():
    one, again = room_scene("val", 3, 4), room_scene("val", 3, 4)
    assert [p.category for p in one.pieces] == [p.category for p in again.pieces]
    for a, b in zip(one.pieces, again.pieces):
        assert np.array_equal(a.bounds(), b.bounds())
    other = room_scene("val", 3, 12)
    assert not np.array_equal(one.room, other.room)


def test_buildings_of_different_splits_differ():
    assert {"train", "val", "test", "probe", "train_b"} <= set(SPLITS)
    assert (SPLITS["probe"].buildings, SPLITS["probe"].images) == (5, 40)
    colours = {
        (split, k): tuple(np.round(style_of(split, k).materials["cloth"].texture.mean((0, 1)), 5))
        for split in SPLITS
        for k in range(4)
    }
    assert len(set(colours.values())) == len(colours)
    with pytest.raises(SettingsError, match="nosuch"):
        split_named("nosuch")


def test_every_eight_rooms_hold_each_type_with_its_furniture():
    for building in range(2):
        scenes = [room_scene("val", building, room) for room in range(8)]
        assert sorted(s.room_type for s in scenes) == sorted(ROOM_TYPES)
        for scene in some(scenes):
            held = {p.category for p in scene.pieces}
            assert MUST_HAVE[scene.room_type] in held
            assert {"wall", "floor", "ceiling", "window"} <= held
            assert len(held & set(OBJECTS)) >= 2


def test_pieces_lie_inside_their_room():
    for room in range(8):
        scene = room_scene("test", 0, room)
        low, high = scene.room[:, 0], scene.room[:, 1]
        for _, piece in some(scene.objects()):
            bounds = piece.bounds()
            assert (bounds[0] > low - 0.06).all(), (scene.room_type, piece.category)
            assert (bounds[1] < high + 0.06).all(), (scene.room_type, piece.category)


def test_views_are_those_promised():
    for room in range(4):
        scene = room_scene("val", 1, room)
        for camera in some(candidates(seeded("a test", room), scene, 5)):
            yaw, pitch, _ = camera_angles(camera.rotation[None])[0]
            assert abs(np.degrees(yaw)) <= 40.01
            assert -50 < np.degrees(pitch) < 30
            assert 52 <= camera.fov <= 80
            assert (camera.position > scene.room[:, 0]).all()
            assert (camera.position < scene.room[:, 1]).all()


def test_pose_turns_as_documented():
    right, down, forward = pose(0.0, 0.0, 0.0)
    assert np.allclose(forward, [1, 0, 0])
    assert np.allclose(right, [0, -1, 0])
    assert np.allclose(down, [0, 0, -1])
    for angles in ((0.3, -0.2, 0.1), (2.0, 0.4, -0.3)):
        rotation = pose(*angles)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
    assert pose(0, 0.2, 0)[2][2] == pytest.approx(np.sin(0.2))
    # the camera rolled clockwise sees the world turned anticlockwise: up leans to the left
    up_in_camera = pose(0, 0, 0.2) @ [0, 0, 1]
    assert up_in_camera[0] < 0
    assert camera_angles(pose(np.pi / 2 - 0.3, 0.1, 0.2)[None])[0] == pytest.approx([0.3, 0.1, 0.2], abs=1e-6)


def test_intrinsics_put_the_edge_of_the_field_of_view_at_the_edge_of_the_picture():
    K = Camera(np.zeros(3), np.eye(3), 90.0).intrinsics(64)
    # the ray 45 degrees to the right meets the outer edge of the last pixel
    assert K[0, 0] * 1.0 + K[0, 2] == pytest.approx(63.5)


def test_dominant_object_of_hand_made_maps():
    category = np.full((64, 64), CATEGORY_ID["wall"], np.uint8)
    instance = np.ones((64, 64), np.uint16)
    assert dominant(category, instance) == (0, 0.0)
    category[20:44, 20:44], instance[20:44, 20:44] = CATEGORY_ID["bed"], 2
    category[:8, :], instance[:8, :] = CATEGORY_ID["sofa"], 3
    index, share = dominant(category, instance)
    assert OBJECTS[index] == "bed"
    assert share == pytest.approx(24 * 24 / 64**2)


def test_light_filter_keeps_textures_and_borders_and_removes_noise():
    rng = np.random.default_rng(0)
    albedo = rng.uniform(0.1, 0.9, (64, 64, 3))
    instance = np.where(np.arange(64) < 32, 1, 2)[None].repeat(64, 0)
    normal = np.tile([0.0, 0.0, -1.0], (64, 64, 1))
    light = np.where(instance == 1, 1.0, 3.0)[..., None]
    clean = albedo * light
    assert np.allclose(smooth_light(clean, albedo, normal, instance), clean, rtol=1e-6)
    noisy = clean * rng.gamma(4.0, 0.25, (64, 64, 1))
    before = np.abs(noisy - clean).mean()
    after = np.abs(smooth_light(noisy, albedo, normal, instance) - clean).mean()
    assert after < 0.25 * before
    # one blazing sample does not spread
    fly = clean.copy()
    fly[40, 10] *= 500
    assert np.abs(smooth_light(fly, albedo, normal, instance) / clean - 1).max() < 0.2
