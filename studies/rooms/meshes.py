"""Triangle meshes of simple solids: the building blocks of furniture. Pure numpy, metres, z up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """Vertices [V,3], unit vertex normals [V,3], texture coordinates [V,2] in metres, faces [F,3] int."""

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def moved(self, matrix: np.ndarray) -> Mesh:
        """The mesh under a rigid 4x4 map (rotation and translation)."""
        turn = matrix[:3, :3].T
        return Mesh(self.vertices @ turn + matrix[:3, 3], self.normals @ turn, self.uv, self.faces)


def join(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one; faces keep their order."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts)]),
    )


def quad(corner, edge_u, edge_v) -> Mesh:
    """A parallelogram; its normal is edge_u x edge_v; texture coordinates are metres along the edges."""
    corner, edge_u, edge_v = (np.asarray(x, float) for x in (corner, edge_u, edge_v))
    normal = np.cross(edge_u, edge_v)
    normal = normal / np.linalg.norm(normal)
    lu, lv = np.linalg.norm(edge_u), np.linalg.norm(edge_v)
    vertices = np.array([corner, corner + edge_u, corner + edge_u + edge_v, corner + edge_v])
    uv = np.array([[0, 0], [lu, 0], [lu, lv], [0, lv]])
    return Mesh(vertices, np.tile(normal, (4, 1)), uv, np.array([[0, 1, 2], [0, 2, 3]]))


# the six faces of the unit cube as quads: corner, first edge, second edge (normal = first x second, outwards)
_CUBE = np.array(
    [
        [(0, 0, 0), (1, 0, 0), (0, 0, 1)],
        [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        [(1, 1, 0), (-1, 0, 0), (0, 0, 1)],
        [(0, 1, 0), (0, -1, 0), (0, 0, 1)],
        [(0, 0, 1), (1, 0, 0), (0, 1, 0)],
        [(0, 1, 0), (1, 0, 0), (0, -1, 0)],
    ],
    float,
)
_CUBE_NORMALS = np.repeat(np.cross(_CUBE[:, 1], _CUBE[:, 2]), 4, axis=0)
_CUBE_FACES = (4 * np.arange(6)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
_QUAD_UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def box(low, high) -> Mesh:
    """An axis-aligned box with flat faces."""
    low = np.asarray(low, float)
    size = np.asarray(high, float) - low
    corner, u, v = (_CUBE * size).transpose(1, 0, 2)
    vertices = low + np.stack([corner, corner + u, corner + u + v, corner + v], axis=1).reshape(-1, 3)
    lengths = np.stack([np.abs(u).sum(1), np.abs(v).sum(1)], axis=1)
    return Mesh(vertices, _CUBE_NORMALS, (_QUAD_UV * lengths[:, None]).reshape(-1, 2), _CUBE_FACES)


def frustum(
    centre, radius0: float, radius1: float, height: float, sides: int = 20, caps: bool = True
) -> Mesh:
    """A cone, frustum or cylinder standing on ``centre``, smooth on its side, with flat caps."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1)
    slope = np.array([0, 0, (radius0 - radius1) / height])
    normals = ring + slope
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    low = np.asarray(centre, float) + ring * radius0
    high = np.asarray(centre, float) + ring * radius1 + [0, 0, height]
    along = angle * max(radius0, radius1)
    i = np.arange(sides)
    n = sides + 1
    faces = np.concatenate([np.stack([i, i + 1, i + n + 1], 1), np.stack([i, i + n + 1, i + n], 1)])
    uv = np.concatenate([np.stack([along, 0 * along], 1), np.stack([along, 0 * along + height], 1)])
    parts = [Mesh(np.concatenate([low, high]), np.concatenate([normals, normals]), uv, faces)]
    if caps:
        for circle, up in ((low, -1.0), (high, 1.0)):
            mid = circle[:-1].mean(0)
            fan = np.stack([np.full(sides, n), i, i + 1], 1)
            vertices = np.concatenate([circle, mid[None]])
            flat = np.tile([0.0, 0.0, up], (n + 1, 1))
            parts.append(Mesh(vertices, flat, vertices[:, :2] - mid[:2], fan if up > 0 else fan[:, ::-1]))
    return join(parts)


def ellipsoid(centre, radii, rings: int = 10, sides: int = 16) -> Mesh:
    """An ellipsoid with smooth normals."""
    theta, phi = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sides + 1), indexing="ij"
    )
    unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(
        -1, 3
    )
    radii = np.asarray(radii, float)
    normals = unit / radii
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    index = np.arange((rings + 1) * (sides + 1)).reshape(rings + 1, sides + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    uv = np.stack([phi.ravel(), theta.ravel()], 1) * radii.mean()
    return Mesh(np.asarray(centre, float) + unit * radii, normals, uv, faces)


def rotation_z(angle: float, offset=(0.0, 0.0, 0.0)) -> np.ndarray:
    """4x4: turn about z by ``angle`` (radians), then move."""
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = offset
    return matrix


def rotation_x(angle: float, offset=(0.0, 0.0, 0.0)) -> np.ndarray:
    """4x4: turn about x by ``angle`` (radians), then move."""
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = offset
    return matrix
