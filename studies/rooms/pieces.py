"""What furniture is made of: pieces, and parts that many kinds share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.rooms.materials import Material, Style
from studies.rooms.meshes import Mesh, box, frustum


@dataclass(frozen=True, eq=False)
class Piece:
    """One object: category name and (mesh, material) parts. ``wide`` x ``deep`` x ``high`` is the space it takes."""

    category: str
    parts: list[tuple[Mesh, Material]]

    def moved(self, matrix: np.ndarray) -> Piece:
        """The piece under a rigid 4x4 map."""
        return Piece(self.category, [(mesh.moved(matrix), material) for mesh, material in self.parts])

    def raised(self, height: float) -> Piece:
        """The piece moved up by ``height`` metres."""
        matrix = np.eye(4)
        matrix[2, 3] = height
        return self.moved(matrix)

    def bounds(self) -> np.ndarray:
        """Axis-aligned bounds [2,3]: low and high corner."""
        low = np.min([mesh.vertices.min(0) for mesh, _ in self.parts], axis=0)
        high = np.max([mesh.vertices.max(0) for mesh, _ in self.parts], axis=0)
        return np.stack([low, high])


def placed(piece: Piece, x: float, y: float, z: float = 0.0) -> Piece:
    """The piece moved by (x, y, z) metres."""
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return piece.moved(matrix)


def legs(style: Style, material: Material, wide, deep, high, thick=0.06) -> list[tuple[Mesh, Material]]:
    """Four legs, or two side panels, under a wide x deep plate whose underside is at ``high`` (metres)."""
    x, y = wide / 2 - thick, deep - thick
    kind = style.kinds["leg"]
    if kind == "panel":
        return [(box((s * x - thick / 2, -deep, 0), (s * x + thick / 2, 0, high)), material) for s in (-1, 1)]
    out = []
    for sx in (-1, 1):
        for py in (-thick, -y):
            if kind == "round":
                out.append((frustum((sx * x, py, 0), thick * 0.35, thick * 0.6, high, 10), material))
            else:
                out.append(
                    (
                        box(
                            (sx * x - thick / 2, py - thick / 2, 0),
                            (sx * x + thick / 2, py + thick / 2, high),
                        ),
                        material,
                    )
                )
    return out
