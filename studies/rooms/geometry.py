"""Geometry of pictures: rays, planes, curvature and the Manhattan frame, on batches of arrays.

Camera frame: x right, y down, z forward. World: z up. Depth is z-depth in metres.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def pixel_rays(K: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Rays through the pixel centres with z = 1, float32 [N,H,W,3], for intrinsics [N,3,3]."""
    K = np.asarray(K, np.float32)
    v, u = np.meshgrid(
        np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32), indexing="ij"
    )
    x = (u[None] - K[:, 0, 2, None, None]) / K[:, 0, 0, None, None]
    y = (v[None] - K[:, 1, 2, None, None]) / K[:, 1, 1, None, None]
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def positions(depth: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Surface points in the camera frame, metres, float32 [N,H,W,3]."""
    depth = np.asarray(depth, np.float32)
    return pixel_rays(K, depth.shape[1:]) * depth[..., None]


def principal_curvatures(depth: np.ndarray, normal: np.ndarray, K: np.ndarray, sigma: float) -> np.ndarray:
    """Principal curvatures k1 >= k2 in 1/m, float32 [N,H,W,2]; convex is positive.

    The shape operator is I^-1 II with first and second fundamental forms from Gaussian derivatives (``sigma``
    pixels) of positions and normals (do Carmo, Differential Geometry, section 3.3). Across an occlusion
    positions jump, which makes the forms' ratio small: occlusions add next to nothing.
    """
    points, normal = positions(depth, K), np.asarray(normal, np.float32)

    def derivative(x, axis):
        order = [0, 0, 0, 0]
        order[axis] = 1
        return ndimage.gaussian_filter(x, (0, sigma, sigma, 0), order=order, mode="nearest")

    pu, pv, nu, nv = (derivative(x, axis) for x in (points, normal) for axis in (2, 1))
    e, f, g = ((p * q).sum(-1) for p, q in ((pu, pu), (pu, pv), (pv, pv)))
    a, b, c = (nu * pu).sum(-1), 0.5 * ((nu * pv).sum(-1) + (nv * pu).sum(-1)), (nv * pv).sum(-1)
    area = np.maximum(e * g - f * f, 1e-12)
    mean = 0.5 * (a * g - 2 * b * f + c * e) / area
    gauss = (a * c - b * b) / area
    spread = np.sqrt(np.maximum(mean * mean - gauss, 0))
    return np.stack([mean + spread, mean - spread], axis=-1)


def plane_features(depth: np.ndarray, normal: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Normal and log(1 + distance of the tangent plane from the camera): constant on a plane, [N,H,W,4]."""
    normal = np.asarray(normal, np.float32)
    offset = np.abs((positions(depth, K) * normal).sum(-1, keepdims=True))
    return np.concatenate([normal, np.log1p(np.minimum(offset, 50))], axis=-1)


def plane_residual(depth: np.ndarray, normal: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Relative depth jump to the four neighbours against the tangent planes, float32 [N,H,W].

    For each neighbouring pair the depth at one is compared with the other's tangent plane continued there,
    both ways, and the smaller relative difference kept; a pixel gets the largest of its four pairs.
    """
    depth, normal = np.asarray(depth, np.float32), np.asarray(normal, np.float32)
    rays = pixel_rays(K, depth.shape[1:])
    offset = (rays * depth[..., None] * normal).sum(-1)

    def predicted(ray, plane_normal, plane_offset):
        slope = (ray * plane_normal).sum(-1)
        z = plane_offset / np.where(np.abs(slope) < 1e-3, -1e-3, slope)
        return np.where(z > 0, z, 1e3)

    out = np.zeros_like(depth)
    for axis in (1, 2):
        a = [slice(None)] * 3
        b = [slice(None)] * 3
        a[axis], b[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(a), tuple(b)
        nearer = np.maximum(np.minimum(depth[a], depth[b]), 1e-3)
        forth = np.abs(predicted(rays[b], normal[a], offset[a]) - depth[b])
        back = np.abs(predicted(rays[a], normal[b], offset[b]) - depth[a])
        jump = np.minimum(np.minimum(forth, back), np.abs(depth[a] - depth[b])) / nearer
        out[a] = np.maximum(out[a], jump)
        out[b] = np.maximum(out[b], jump)
    return out


def manhattan_axes(rotation: np.ndarray) -> np.ndarray:
    """Forward, right and up of the Manhattan frame in camera coordinates, unit rows [N,3,3].

    ``rotation`` [N,3,3] is world to camera; world axes are the walls' (x, y) and up (z). Forward is the
    horizontal wall direction nearest the viewing direction (so that the yaw is within 45 degrees).
    """
    rotation = np.asarray(rotation, np.float32)
    horizontal = np.stack(
        [rotation[:, :, 0], rotation[:, :, 1], -rotation[:, :, 0], -rotation[:, :, 1]], axis=1
    )
    best = horizontal[:, :, 2].argmax(1)
    forward = horizontal[np.arange(len(rotation)), best]
    up = rotation[:, :, 2]
    return np.stack([forward, np.cross(forward, up), up], axis=1)


def camera_angles(rotation: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll of the camera against its Manhattan frame, radians, float32 [N,3].

    Yaw is positive to the right, pitch positive upwards, roll positive clockwise as the photographer turns.
    """
    forward, right, up = np.moveaxis(manhattan_axes(rotation), 1, 0)
    # the camera's z axis in the frame is (right_z, up_z, forward_z)
    yaw = np.arctan2(right[:, 2], forward[:, 2])
    pitch = np.arcsin(np.clip(up[:, 2], -1, 1))
    roll = np.arctan2(-up[:, 0], -up[:, 1])
    return np.stack([yaw, pitch, roll], axis=1).astype(np.float32)
