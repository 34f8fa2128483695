"""Labels of the rooms tasks against closed forms: walls, balls, corners, steps and known cameras."""

from __future__ import annotations

import numpy as np
import pytest

from studies.rooms import geometry, labels
from studies.rooms.camera import Camera, pose
from studies.rooms.inputs import network_input
from studies.rooms.tasks import CENTRE_HOLE, TASK_NAMES, TASKS, task
from tfattr.errors import SettingsError

SIZE = 64


def intrinsics(fov=60.0):
    return Camera(np.zeros(3), np.eye(3), fov).intrinsics(SIZE).astype(np.float32)[None]


def rays(K):
    v, u = np.mgrid[:SIZE, :SIZE].astype(float)
    return np.stack([(u - K[0, 0, 2]) / K[0, 0, 0], (v - K[0, 1, 2]) / K[0, 1, 1], np.ones_like(u)], -1)


def plane_scene(normal, offset, K):
    """Depth and normal of the plane normal . x = -offset, normal towards the camera."""
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    depth = -offset / (rays(K) @ normal)
    return {"depth": depth[None], "normal": np.broadcast_to(normal, (1, SIZE, SIZE, 3)), "K": K}


def ball_scene(radius, distance, K):
    """A ball on the optical axis before a wall 50 m away; also where the ball is."""
    r = rays(K)
    a, b, c = (r * r).sum(-1), -2 * distance * r[..., 2], distance**2 - radius**2
    under = b * b - 4 * a * c
    on = under > 0
    z = np.where(on, (-b - np.sqrt(np.maximum(under, 0))) / (2 * a), 50.0)
    normal = np.where(on[..., None], (r * z[..., None] - [0, 0, distance]) / radius, [0, 0, -1.0])
    return {"depth": z[None], "normal": normal[None], "K": K}, on


def corner_scene(K):
    """A wall at z = 3 m and a floor at y = 1 m (camera frame: y down)."""
    r = rays(K)
    floor = r[..., 1] > 1 / 3
    z = np.where(floor, 1 / np.where(floor, r[..., 1], 1), 3.0)
    normal = np.where(floor[..., None], [0, -1.0, 0], [0, 0, -1.0])
    return {"depth": z[None], "normal": normal[None], "K": K}, floor


def test_twenty_tasks_in_taskonomys_order():
    assert TASK_NAMES == (
        "autoencoder",
        "curvature",
        "denoise",
        "edge2d",
        "edge3d",
        "keypoint2d",
        "keypoint3d",
        "colorization",
        "reshade",
        "rgb2depth",
        "rgb2mist",
        "rgb2sfnorm",
        "room_layout",
        "segment25d",
        "segment2d",
        "vanishing_point",
        "segmentsemantic",
        "class_1000",
        "class_places",
        "inpainting_whole",
    )
    assert TASK_NAMES.index("colorization") == 7
    with pytest.raises(SettingsError, match="rgb2deep"):
        task("rgb2deep")


def test_depth_and_distance_of_a_wall():
    K = intrinsics()
    scene = plane_scene([0, 0, -1], 3.0, K)
    assert np.allclose(labels.rgb2depth(scene), np.log(4) / np.log1p(labels.FAR), atol=1e-6)
    d = labels.distance(scene)
    # distance to the point of a wall seen at angle a off the axis is z / cos a
    corner = np.hypot(np.hypot(31.5, 31.5) / K[0, 0, 0], 1) * 3
    assert d[0, 0, 0] == pytest.approx(corner, rel=1e-6)
    assert labels.rgb2mist(scene)[0, 0, 0, 0] == pytest.approx(
        np.log1p(corner) / np.log1p(labels.FAR), rel=1e-5
    )


def test_reshade_of_a_wall_and_a_ball():
    K = intrinsics()
    wall = labels.reshade(plane_scene([0, 0, -1], 4.0, K))[0, ..., 0]
    r = np.linalg.norm(rays(K), axis=-1)
    assert np.allclose(wall, (1 / r) / (1 + r**2), atol=1e-6)
    scene, on = ball_scene(1.0, 4.0, K)
    ball = labels.reshade(scene)[0, ..., 0]
    centre = ball[31:33, 31:33].mean()
    assert centre == pytest.approx(1 / (1 + (3 / 4) ** 2), rel=5e-3)
    rim = on & ~np.roll(on, 3, 1)
    assert ball[rim].mean() < 0.6 * centre


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.0])
def test_curvature_of_a_ball_is_one_over_its_radius(radius):
    K = intrinsics()
    scene, on = ball_scene(radius, 3 * radius, K)
    k = geometry.principal_curvatures(scene["depth"], scene["normal"], K, sigma=1.0)[0]
    inside = np.hypot(*np.mgrid[-31.5:32, -31.5:32]) < 10
    assert on[inside].all()
    assert np.allclose(k[inside], 1 / radius, rtol=0.05)
    label = labels.curvature(scene)[0]
    assert np.allclose(label[inside], np.tanh(1 / radius / labels.CURVATURE_SCALE), rtol=0.05)


def test_curvature_of_planes_is_zero_and_of_a_concave_crease_negative():
    K = intrinsics()
    assert np.abs(labels.curvature(plane_scene([0.3, -0.5, -0.8], 2.0, K))).max() < 1e-3
    scene, floor = corner_scene(K)
    label = labels.curvature(scene)[0]
    row = int(np.argmax(floor[:, 0]))
    assert label[row - 1 : row + 1, :, 1].max() < -0.3
    assert np.abs(label[row - 1 : row + 1, :, 0]).max() < 0.05
    assert np.abs(label[: row - 6]).max() < 1e-3


def test_occlusion_edges_of_a_ball_and_none_on_a_slanted_plane():
    K = intrinsics()
    assert labels.edge3d(plane_scene([0.3, -0.4, -0.8], 1.5, K)).max() < 1e-3
    scene, on = ball_scene(1.0, 4.0, K)
    edge = labels.edge3d(scene)[0, ..., 0]
    rim = on ^ (np.roll(on, 1, 0) & np.roll(on, -1, 0) & np.roll(on, 1, 1) & np.roll(on, -1, 1) & on)
    assert edge[rim].min() > 0.4
    radius = np.hypot(*np.mgrid[-31.5:32, -31.5:32])
    assert edge[radius < 8].max() < 0.05


def test_a_crease_is_no_occlusion_but_a_3d_segment_boundary():
    K = intrinsics()
    scene, floor = corner_scene(K)
    scene["rgb"] = np.full((1, SIZE, SIZE, 3), 128, np.uint8)
    row = int(np.argmax(floor[:, 0]))
    assert labels.edge3d(scene).max() < 0.2
    affinity = labels.segment25d(scene)[0]
    down = labels.AFFINITY_OFFSETS.index((8, 0))
    assert affinity[row - 4, :, down].max() < 0.01
    assert affinity[2, :, down].min() > 0.99
    across = labels.AFFINITY_OFFSETS.index((0, 8))
    assert affinity[8, :, across].min() > 0.99
    # the same picture has one colour: in 2D it is one segment
    assert labels.segment2d(scene).min() > 0.999


def test_keypoints_3d_at_the_corner_of_three_walls():
    K = intrinsics(90)
    r = rays(K)
    planes = (([0, -1.0, 0], 1.0), ([-1.0, 0, 0], 1.0), ([0, 0, -1.0], 3.0))
    depths = []
    for normal, offset in planes:
        slope = r @ np.array(normal)
        depths.append(np.where(slope < -1e-6, -offset / np.where(slope < -1e-6, slope, -1), 1e9))
    nearest = np.argmin(depths, axis=0)
    scene = {
        "depth": np.min(depths, axis=0)[None],
        "normal": np.array([n for n, _ in planes])[nearest][None],
        "K": K,
    }
    response = labels.keypoint3d(scene)[0, ..., 0]
    peak = np.unravel_index(response.argmax(), response.shape)
    # the corner (1, 1, 3) projects to focal / 3 off the centre, down and right
    expected = 31.5 + K[0, 0, 0] / 3
    assert np.hypot(peak[0] - expected, peak[1] - expected) < 2.5
    assert response[10, 10] < 0.02


def test_2d_edges_and_keypoints_of_a_step_and_a_dot():
    rgb = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    rgb[:, :, 32:] = 255
    edge = labels.edge2d({"rgb": rgb})[0, ..., 0]
    # a unit step under a Gaussian derivative of sigma 1: density at half a pixel from the step
    expected = np.tanh(6 * np.exp(-0.125) / np.sqrt(2 * np.pi))
    assert edge[20, 31] == pytest.approx(expected, rel=0.03)
    assert edge[20, 31] == pytest.approx(edge[20, 32], rel=1e-5)
    assert edge[:, :26].max() < 1e-4
    # a straight edge is no keypoint, a dot is
    assert labels.keypoint2d({"rgb": rgb}).max() < 0.02
    dot = np.full((1, SIZE, SIZE, 3), 255, np.uint8)
    dot[:, 39:42, 19:22] = 0
    response = labels.keypoint2d({"rgb": dot})[0, ..., 0]
    assert np.unravel_index(response.argmax(), response.shape) == (40, 20)
    assert response[40, 20] > 0.5


def test_segments_of_two_colours():
    rgb = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    rgb[:, :, :32] = (200, 40, 40)
    rgb[:, :, 32:] = (40, 160, 60)
    affinity = labels.segment2d({"rgb": rgb})[0]
    right = labels.AFFINITY_OFFSETS.index((0, 8))
    down = labels.AFFINITY_OFFSETS.index((8, 0))
    assert affinity[10, 25:31, right].max() < 1e-3
    assert affinity[10, :18, right].min() > 0.99
    assert affinity[10, :26, down].min() > 0.99


def test_colorization_of_known_colours():
    rgb = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    rgb[:, :32] = (255, 0, 0)
    rgb[:, 32:] = 119
    label = labels.colorization({"rgb": rgb})[0]
    # CIE Lab of sRGB red is (53.24, 80.09, 67.20); grey has no a and b
    assert np.allclose(label[0, 0], 1.0)
    assert np.allclose(label[63, 0], 0.0, atol=2e-3)
    lightness = network_input(rgb, "L")[0, ..., 0]
    assert lightness[0, 0] == pytest.approx(53.24 / 50 - 1, abs=2e-3)
    assert lightness[63, 0] == pytest.approx(50.03 / 50 - 1, abs=2e-3)


def _pose_scene(yaw, pitch, roll, position=(1.0, 0.7, 1.5)):
    # yaw as a turn to the right of the wall direction +y
    rotation = pose(np.pi / 2 - yaw, pitch, roll)
    room = np.array([[0, 4.0], [0, 5.0], [0, 2.5]])
    return {"rotation": rotation[None], "position": np.array([position]), "room": room[None]}


@pytest.mark.parametrize("yaw, pitch, roll", [(0, 0, 0), (0.5, -0.3, 0.05), (-0.6, 0.1, -0.1)])
def test_vanishing_points_and_layout_of_a_known_camera(yaw, pitch, roll):
    scene = _pose_scene(yaw, pitch, roll)
    forward, right, up = labels.vanishing_point(scene)[0].reshape(3, 3)
    # what the camera sees of a far point along +y, +x and +z of the world
    for seen, world in ((forward, [0, 1, 0]), (right, [1, 0, 0]), (up, [0, 0, 1])):
        assert np.allclose(seen, scene["rotation"][0] @ world, atol=1e-6)
    # the vanishing point of the depth direction lies left of the centre when the camera turns right
    assert np.sign(round(float(forward[0]), 6)) == -np.sign(yaw)
    raw = labels.room_layout(scene)[0] * labels.LAYOUT_SCALE + labels.LAYOUT_OFFSET
    # the camera at (1, 0.7, 1.5) looks along +y in a room of 4 x 5 x 2.5 m: the front wall is 4.3 m away
    left, right, down, up = np.arctan(np.array([-1.0, 3.0, -1.5, 1.0]) / 4.3)
    assert np.allclose(raw[:3], [(left + right) / 2 - yaw, (down + up) / 2 - pitch, np.log(4.3)], atol=1e-5)
    assert np.allclose(raw[3:6], [right - left, up - down, np.log(1.5)], atol=1e-5)
    assert np.allclose(raw[6:], [yaw, pitch, roll], atol=1e-5)


def test_layout_does_not_depend_on_which_wall_is_called_north():
    scene = _pose_scene(0.3, -0.2, 0.04)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    corners = turn @ scene["room"][0]
    other = {
        "rotation": scene["rotation"] @ turn.T,
        "position": scene["position"] @ turn.T,
        "room": np.sort(corners, axis=1)[None],
    }
    assert np.allclose(labels.room_layout(scene), labels.room_layout(other), atol=1e-5)
    assert np.allclose(labels.vanishing_point(scene), labels.vanishing_point(other), atol=1e-6)


def test_network_inputs():
    rgb = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    low_sat = network_input(rgb, "low_sat")
    assert low_sat.min() == pytest.approx(-0.8)
    assert low_sat.max() == pytest.approx(0.8)
    top, bottom, left, right = CENTRE_HOLE
    hole = network_input(rgb, "hole")
    assert not hole[:, top:bottom, left:right].any()
    plain = network_input(rgb, "plain")
    hole[:, top:bottom, left:right] = plain[:, top:bottom, left:right]
    assert np.array_equal(hole, plain)
    assert np.array_equal(network_input(rgb, "noisy"), low_sat)
    noisy = network_input(np.full_like(rgb, 128), "noisy", np.random.default_rng(1))
    assert noisy.std() / 2 == pytest.approx(0.12, rel=0.03)
    with pytest.raises(SettingsError, match="sharp"):
        network_input(rgb, "sharp")


def test_dense_labels_keep_shape_and_range():
    K = np.repeat(intrinsics(), 2, axis=0)
    scene = {
        key: np.repeat(np.asarray(v), 2, axis=0)
        for key, v in ball_scene(1.0, 4.0, K[:1])[0].items()
        if key != "K"
    }
    scene["K"] = K
    scene["rgb"] = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    for one in TASKS.values():
        if one.kind == "dense":
            label = one.label(scene)
            assert label.shape == (2, SIZE, SIZE, one.channels), one.name
            assert label.dtype == np.float32, one.name
            assert label.min() >= one.range[0] - 1e-6, one.name
            assert label.max() <= one.range[1] + 1e-6, one.name
