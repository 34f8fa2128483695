"""Cameras: intrinsics, pose, and the choice of views of a room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.rooms.scene import Scene

#: How often a category is made the centre of a view, relative to the others.
FOCUS_WEIGHT = {
    "bed": 1.6,
    "table": 0.5,
    "chair": 0.9,
    "sofa": 1.4,
    "cabinet": 0.6,
    "shelf": 0.9,
    "lamp": 1.2,
    "plant": 1.8,
    "bath": 1.1,
    "screen": 1.6,
    "appliance": 1.8,
    "picture": 1.0,
}


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. ``rotation`` [3,3] takes world to camera (x right, y down, z forward); metres, degrees."""

    position: np.ndarray
    rotation: np.ndarray
    fov: float

    def intrinsics(self, size: int) -> np.ndarray:
        """K [3,3] for a square picture; pixel (row, column) has its centre at (row, column)."""
        focal = size / 2 / np.tan(np.radians(self.fov) / 2)
        middle = (size - 1) / 2
        return np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])


def pose(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """World-to-camera rotation [3,3] from radians: yaw anticlockwise from +x seen from above, pitch up, roll clockwise."""
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    level = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, level)
    right = np.cos(roll) * level + np.sin(roll) * down
    return np.stack([right, np.cross(forward, right), forward])


def candidates(rng: np.random.Generator, scene: Scene, count: int) -> list[Camera]:
    """Views of a room, best first: each looks at a furniture piece from near the wall behind the camera.

    The yaw is within 40 degrees of a wall direction, the pitch within -30..10 degrees, the field of view 52-80
    degrees, the camera 0.9-1.8 m high.
    """
    objects = scene.objects()
    weights = np.array([FOCUS_WEIGHT[piece.category] for _, piece in objects])
    _, sizes = np.unique([piece.category for _, piece in objects], return_inverse=True)
    weights = weights / np.bincount(sizes)[sizes]
    centres = [piece.bounds().mean(0) for _, piece in objects]
    open_ = ("wall", "floor", "ceiling", "rug")
    solid = np.array([piece.bounds() for piece in scene.pieces if piece.category not in open_])
    found, prize = [], []
    for _ in range(count * 40):
        target = centres[int(rng.choice(len(objects), p=weights / weights.sum()))] + rng.normal(0, 0.12, 3)
        position = np.array([*(rng.uniform(0.15, 0.85, 2) * scene.room[:2, 1]), rng.uniform(0.9, 1.8)])
        away = target - position
        flat = np.hypot(away[0], away[1])
        if not 1.1 < flat < 4.5:
            continue
        yaw = np.arctan2(away[1], away[0]) + np.radians(rng.normal(0, 5))
        quarter = np.round(yaw / (np.pi / 2)) * (np.pi / 2)
        blocked = ((position > solid[:, 0] - 0.3) & (position < solid[:, 1] + 0.3)).all(1).any()
        if abs(yaw - quarter) > np.radians(40) or blocked:
            continue
        pitch = np.clip(np.arctan2(away[2], flat), np.radians(-30), np.radians(10)) + np.radians(
            rng.normal(0, 3)
        )
        rotation = pose(yaw, pitch, np.radians(rng.normal(0, 2.5)))
        direction = np.array([np.cos(quarter), np.sin(quarter)])
        behind = min(
            position[i] if direction[i] > 0 else scene.room[i, 1] - position[i]
            for i in (0, 1)
            if abs(direction[i]) > 0.5
        )
        found.append(Camera(position, rotation, float(rng.uniform(52, 80))))
        prize.append(-behind / 0.5 - 0.4 * (flat - 2.2) ** 2 + rng.gumbel())
        if len(found) == count * 6:
            break
    return [found[i] for i in np.argsort(prize)[::-1][:count]]
