"""Places furniture into an empty room without overlaps."""

from __future__ import annotations

import numpy as np

from studies.rooms.materials import Style
from studies.rooms.meshes import rotation_z
from studies.rooms.pieces import Piece


class Furnisher:
    """Places pieces into an empty room without overlaps."""

    def __init__(self, rng: np.random.Generator, style: Style, width: float, depth: float, height: float):
        self.rng, self.style = rng, style
        self.width, self.depth, self.height = width, depth, height
        self.pieces: list[Piece] = []
        self._taken: list[np.ndarray] = []

    def _free(self, bounds: np.ndarray, margin: float) -> bool:
        low, high = bounds[0] - [margin, margin, 0], bounds[1] + [margin, margin, 0]
        inside = low[0] > -margin - 0.03 and low[1] > -margin - 0.03
        inside &= high[0] < self.width + margin + 0.03 and high[1] < self.depth + margin + 0.03
        return bool(inside and bounds[1][2] < self.height) and not any(
            np.all(low < other[1]) and np.all(high > other[0]) for other in self._taken
        )

    def _add(self, pieces: list[Piece], matrix: np.ndarray, margin: float, keep: float = 0.0) -> bool:
        moved = [p.moved(matrix) for p in pieces]
        all_bounds = np.stack([p.bounds() for p in moved])
        bounds = np.stack([all_bounds[:, 0].min(0), all_bounds[:, 1].max(0)])
        if not self._free(bounds, margin):
            return False
        self._taken.append(bounds + np.array([[-keep, -keep, 0], [keep, keep, 0]]))
        self.pieces += moved
        return True

    def _wall_matrix(self, wall: int, along: float, gap: float) -> np.ndarray:
        # wall 0 is y = depth, then clockwise seen from above: x = width, y = 0, x = 0; fronts look inwards
        spots = (
            (0.0, (along, self.depth - gap, 0)),
            (-np.pi / 2, (self.width - gap, along, 0)),
            (np.pi, (along, gap, 0)),
            (np.pi / 2, (gap, along, 0)),
        )
        return rotation_z(*spots[wall])

    def at_wall(
        self, pieces: list[Piece], wall: int | None = None, gap=0.01, tries=40, keep=0.0
    ) -> int | None:
        """Puts a group with its back to a wall (any, or the one given); the wall, or None when there is no room."""
        for _ in range(tries):
            k = int(self.rng.integers(4)) if wall is None else wall
            length = self.width if k % 2 == 0 else self.depth
            along = self.rng.uniform(0.25, length - 0.25)
            if self._add(pieces, self._wall_matrix(k, along, gap), 0.02, keep):
                return k
        return None

    def in_middle(
        self, pieces: list[Piece], spread: float = 0.5, tries: int = 40, margin: float = 0.1, turn=None
    ) -> bool:
        """Puts a group near the middle of the room, turned by a multiple of 90 degrees and a little more."""
        bounds = np.stack([p.bounds() for p in pieces])
        middle = 0.5 * (bounds[:, 0].min(0) + bounds[:, 1].max(0))
        for _ in range(tries):
            angle = np.pi / 2 * self.rng.integers(4) if turn is None else turn
            x = self.width * (0.5 + spread * self.rng.uniform(-0.5, 0.5))
            y = self.depth * (0.5 + spread * self.rng.uniform(-0.5, 0.5))
            matrix = rotation_z(angle, (x, y, 0)) @ rotation_z(0, (-middle[0], -middle[1], 0))
            if self._add(pieces, matrix, margin):
                return True
        return False

    def flat(self, piece: Piece) -> None:
        """Lays a rug: it takes no space."""
        x = self.width * self.rng.uniform(0.35, 0.65)
        y = self.depth * self.rng.uniform(0.35, 0.65)
        self.pieces.append(piece.moved(rotation_z(np.pi / 2 * self.rng.integers(2), (x, y, 0))))

    def maybe(self, chance: float, kind, **where) -> None:
        """With probability ``chance``, one more group ``kind(rng, style)`` at a wall."""
        if self.rng.uniform() < chance:
            self.at_wall(kind(self.rng, self.style), **where)
