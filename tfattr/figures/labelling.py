"""Where to write the names of points so that no two overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DIRECTIONS = 16
_ROUNDS = 4  # of second thoughts
_TOUCHING = 0.10  # inches: a name this near its point needs no line to it


def place_labels(
    points: np.ndarray, sizes: np.ndarray, lines: Sequence[tuple[int, int]] = (), radius: float = 0.07
) -> np.ndarray:
    """Centres of names beside their points: float64 ``[M, 2]``, in inches.

    No name overlaps another one or a point; near and outward places, and those crossed by few lines, are
    preferred. The search is greedy, the most crowded point first, and the same every time.

    Args:
        points: float ``[M, 2]``.
        sizes: width and height of each name, float ``[M, 2]``.
        lines: pairs of points that a line joins.
        radius: of a point with the blank around it.
    """
    points, sizes = np.asarray(points, np.float64), np.asarray(sizes, np.float64)
    count = len(points)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    crowded = np.exp(-gaps / 0.5).sum(axis=1)
    sequence = sorted(range(count), key=lambda index: (-crowded[index], index))
    ends = [(points[one], points[other]) for one, other in lines]
    placed: dict[int, np.ndarray] = {}
    for _ in range(1 + _ROUNDS):
        before = {index: centre.copy() for index, centre in placed.items()}
        for index in sequence:
            placed.pop(index, None)
            placed[index] = _best(index, points, sizes, placed, ends, radius)
        if len(before) == count and all(np.array_equal(before[index], placed[index]) for index in placed):
            break
    return np.array([placed[index] for index in range(count)]).reshape(count, 2)


def needs_line(point: np.ndarray, centre: np.ndarray, size: np.ndarray, radius: float = 0.07) -> bool:
    """Whether a name is so far from its point that a line should join them."""
    away = np.maximum(np.abs(centre - point) - size / 2, 0)
    return bool(np.hypot(*away) > radius + _TOUCHING)


def _best(index, points, sizes, placed, ends, radius) -> np.ndarray:
    point, half = points[index], sizes[index] / 2
    outward = point - points.mean(axis=0)
    outward = outward / (np.hypot(*outward) or 1.0)
    others = np.delete(points, index, axis=0)
    taken = [key for key in placed if key != index]
    centres = np.array([placed[key] for key in taken]).reshape(-1, 2)
    halves = sizes[taken].reshape(-1, 2) / 2
    distance = radius
    while True:
        best, least = None, np.inf
        for turn in range(_DIRECTIONS):
            angle = 2 * np.pi * turn / _DIRECTIONS
            direction = np.array([np.cos(angle), np.sin(angle)]).round(9)
            # The name's nearest edge or corner stands on a ring around the point.
            centre = point + direction * distance + np.sign(direction) * half * _reach(direction)
            if (np.abs(centre - centres) < half + halves).all(axis=1).any():
                continue
            if (np.maximum(np.abs(centre - others) - half, 0) ** 2).sum(axis=1).min(initial=9) < radius**2:
                continue
            cost = 0.5 * (1 - direction @ outward) + 0.2 * abs(direction[0]) * abs(direction[1])
            cost += 0.6 * sum(_crosses(one, other, centre, half) for one, other in ends)
            cost += (
                1.5
                * sum(_crosses(point, centre, place, size) for place, size in zip(centres, halves))
                * (distance > radius)
            )
            if cost < least:
                best, least = centre, cost
        if best is not None:
            return best
        distance += 0.06


def _reach(direction: np.ndarray) -> np.ndarray:
    """How far along each axis the name is shifted: fully, and less where it stands above or beside."""
    return np.minimum(np.abs(direction) * 1.42, 1.0)


def _crosses(one: np.ndarray, other: np.ndarray, centre: np.ndarray, half: np.ndarray) -> bool:
    """Whether a line meets a box (Liang and Barsky's clipping)."""
    low, high = 0.0, 1.0
    for axis in (0, 1):
        start, step = one[axis] - centre[axis], other[axis] - one[axis]
        if step == 0:
            if abs(start) > half[axis]:
                return False
            continue
        first, second = sorted(((-half[axis] - start) / step, (half[axis] - start) / step))
        low, high = max(low, first), min(high, second)
        if low > high:
            return False
    return True
