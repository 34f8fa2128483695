"""Two probe worlds of another look: streets (blocks and trees under a sky) and still lifes (close-ups)."""

from __future__ import annotations

import numpy as np

from studies.rooms import furniture as make
from studies.rooms import materials as mat
from studies.rooms.camera import Camera, pose
from studies.rooms.materials import Material
from studies.rooms.meshes import Mesh, box, ellipsoid, frustum, quad, rotation_z
from studies.rooms.pieces import Piece
from studies.rooms.scene import PointLight, Scene, seeded


def _facade(rng) -> Material:
    # rows of windows on a plain or brick wall; one period is one storey and one bay
    side, wall = (
        64,
        mat.hsv(rng.choice([0.03, 0.08, 0.11, 0.6]), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.9)),
    )
    canvas = np.tile(wall, (side, side, 1)) * rng.uniform(0.93, 1.05, (side, side, 1))
    glass = mat.hsv(0.58, rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.5))
    u, low, high = int(rng.integers(9, 20)), int(rng.integers(12, 22)), int(rng.integers(48, 58))
    canvas[low - 3 : high + 3, u - 3 : side - u + 3] = np.minimum(wall * 1.25, 1)
    canvas[low:high, u : side - u] = glass
    if rng.uniform() < 0.5:
        canvas[low:high, side // 2 - 1 : side // 2 + 1] = np.minimum(wall * 1.25, 1)
    return Material(mat.srgb_to_linear(np.clip(canvas, 0, 1)), period=rng.uniform(2.4, 3.4))


def _house(rng, x: float, y: float, wide: float, deep: float) -> Piece:
    # a block with windows and a flat or gabled roof, its south-west corner at (x, y)
    high = rng.uniform(4, 16)
    parts = [(box((x, y, 0), (x + wide, y + deep, high)), _facade(rng))]
    roof = mat.plain(mat.hsv(rng.choice([0.02, 0.05, 0.6]), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.55)))
    if high < 9:
        ridge, peak = y + deep / 2, high + rng.uniform(1.2, 2.5)
        south = np.array([0, deep / 2 + 0.3, peak - high])
        parts.append((quad((x - 0.2, y - 0.3, high), (wide + 0.4, 0, 0), south), roof))
        north = np.array([0, -deep / 2 - 0.3, peak - high])
        parts.append((quad((x + wide + 0.2, y + deep + 0.3, high), (-wide - 0.4, 0, 0), north), roof))
        for end, flip in ((x, 1), (x + wide, -1)):
            a, b, c = (end, y, high), (end, y + deep, high), (end, ridge, peak - 0.2)
            normal = np.tile([-1.0 * flip, 0, 0], (3, 1))
            uv = np.array([[0, 0], [deep, 0], [deep / 2, 2]])
            parts.append((Mesh(np.array([a, b, c], float), normal, uv, np.array([[0, 1, 2]])), roof))
    else:
        parts.append((box((x - 0.2, y - 0.2, high), (x + wide + 0.2, y + deep + 0.2, high + 0.4)), roof))
    return Piece("wall", parts)


def _tree(rng, leaf: Material, bark: Material) -> Piece:
    s = rng.uniform(0.8, 1.7)
    parts = [(frustum((0, 0, 0), 0.16 * s, 0.1 * s, 2.2 * s, 10), bark)]
    if rng.uniform() < 0.35:
        for k in range(3):
            parts.append((frustum((0, 0, (1.0 + 0.9 * k) * s), (1.2 - 0.3 * k) * s, 0.05, 1.4 * s, 12), leaf))
    else:
        for _ in range(7):
            at = rng.normal(0, 0.5, 3) * s * [1, 1, 0.7] + [0, 0, 2.9 * s]
            r = rng.uniform(0.55, 0.95) * s
            parts.append((ellipsoid(at, (r, r, r * 0.85), 7, 10), leaf))
    return Piece("plant", parts)


def _car(rng) -> Piece:
    paint = mat.plain(
        mat.hsv(rng.choice([0.0, 0.6, 0.12, 0.35]), rng.choice([0.05, 0.7]), rng.uniform(0.2, 0.9)),
        gloss=True,
    )
    dark = mat.plain(mat.hsv(0.6, 0.2, 0.12), gloss=True)
    parts = [
        (box((-2.1, -0.85, 0.3), (2.1, 0.85, 0.85)), paint),
        (box((-1.2, -0.75, 0.85), (1.1, 0.75, 1.4)), dark),
    ]
    parts.append((box((-1.15, -0.76, 1.36), (1.05, 0.76, 1.45)), paint))
    for x in (-1.3, 1.3):
        for y in (-0.86, 0.7):
            parts.append((box((x - 0.32, y, 0), (x + 0.32, y + 0.16, 0.62)), dark))
    return Piece("clutter", parts)


def street_view(index: int) -> tuple[Scene, Camera]:
    """Street picture ``index``: houses on both sides of a road along +x, trees, cars, lamp posts, sun and sky."""
    rng = seeded("street", index)
    road = mat.fabric(rng, mat.hsv(0.6, 0.03, rng.uniform(0.3, 0.5)), "weave", period=3.0)
    grass = mat.fabric(
        rng,
        mat.hsv(rng.uniform(0.2, 0.32), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.55)),
        "weave",
        period=2.0,
    )
    paving = mat.tiles(rng, mat.hsv(0.1, 0.08, 0.7), mat.hsv(0.1, 0.05, 0.6), 4, False, 2.0)
    leaf = mat.fabric(
        rng,
        mat.hsv(rng.uniform(0.15, 0.35), rng.uniform(0.4, 0.7), rng.uniform(0.25, 0.5)),
        "weave",
        period=1.0,
    )
    bark = mat.plain(mat.hsv(0.07, 0.4, 0.3))
    white = mat.plain(mat.hsv(0, 0, 0.9))
    ground = [(quad((-60, -80, -0.02), (200, 0, 0), (0, 160, 0)), grass)]
    ground.append((quad((-60, -3.5, 0), (200, 0, 0), (0, 7, 0)), road))
    ground += [(box((-60, s - 1.2, 0), (140, s + 1.2, 0.12)), paving) for s in (-4.7, 4.7)]
    ground += [(quad((x, -0.1, 0.01), (2, 0, 0), (0, 0.2, 0)), white) for x in np.arange(-10.0, 60.0, 5.0)]
    pieces = [Piece("floor", ground)]
    for side in (-1, 1):
        x = rng.uniform(-10, -2)
        while x < 60:
            wide, deep, back = rng.uniform(6, 13), rng.uniform(7, 11), rng.uniform(6.5, 9)
            if rng.uniform() < 0.8:
                pieces.append(_house(rng, x, back if side > 0 else -back - deep, wide, deep))
            x += wide + rng.choice([0.0, 0.0, rng.uniform(1, 5)])
        for _ in range(int(rng.integers(2, 6))):
            spot = (rng.uniform(2, 35), side * rng.uniform(4.6, 6.2), 0)
            pieces.append(_tree(rng, leaf, bark).moved(rotation_z(0, spot)))
        for _ in range(int(rng.integers(0, 3))):
            spot = (rng.uniform(4, 30), side * 2.6, 0)
            pieces.append(_car(rng).moved(rotation_z(np.pi * (side < 0), spot)))
    elevation, bearing = rng.uniform(0.35, 1.1), rng.uniform(0, 2 * np.pi)
    down = (-np.cos(elevation) * np.cos(bearing), -np.cos(elevation) * np.sin(bearing), -np.sin(elevation))
    blue = mat.srgb_to_linear(mat.hsv(rng.uniform(0.54, 0.6), rng.uniform(0.1, 0.5), 0.95))
    warm = mat.srgb_to_linear(mat.hsv(0.1, rng.uniform(0.05, 0.3), 1.0)) * rng.uniform(1.0, 3.5)
    extent = np.array([[-60.0, 140.0], [-80.0, 80.0], [0.0, 20.0]])
    scene = Scene("street", extent, pieces, sky=tuple(map(float, blue)), sun=(down, tuple(map(float, warm))))
    position = np.array([rng.uniform(-2, 3), rng.uniform(-4.5, 4.5), rng.uniform(1.4, 2.6)])
    yaw, pitch = np.radians(rng.normal(0, 22)), np.radians(rng.normal(3, 5))
    return scene, Camera(position, pose(yaw, pitch, np.radians(rng.normal(0, 2))), float(rng.uniform(55, 80)))


def still_life_view(index: int) -> tuple[Scene, Camera]:
    """Still life ``index``: three to seven things on a table top before a backdrop, seen from under a metre away."""
    rng = seeded("still_life", index)
    style = mat.building_style(seeded("still_life style", index))
    m = style.materials
    top = m[str(rng.choice(["wood", "wood2", "cloth", "linen", "stone", "rug"]))]
    back = m[str(rng.choice(["wall", "wall2", "wet_wall", "cloth2"]))]
    pieces = [Piece("table", [(box((-1.2, -0.8, -0.05), (1.2, 0.8, 0)), top)])]
    pieces.append(Piece("wall", [(quad((-3, 0.8, -1), (6, 0, 0), (0, 0, 4)), back)]))
    pieces.append(Piece("floor", [(quad((-3, -3, -0.75), (6, 0, 0), (0, 4, 0)), m["dry_floor"])]))
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(4, 9))):
        piece = _fruit(rng) if rng.uniform() < 0.4 else make.thing(rng, style)
        low, high = piece.bounds()
        r = float(max(high[:2] - low[:2])) / 2
        for _ in range(20):
            x, y = rng.uniform(-0.35, 0.35), rng.uniform(-0.3, 0.35)
            if all(np.hypot(x - a, y - b) > r + c for a, b, c in taken):
                taken.append((x, y, r))
                pieces.append(piece.moved(rotation_z(rng.uniform(0, 2 * np.pi), (x, y, 0))))
                break
    s = rng.choice([-1, 1])
    warm = mat.light(mat.hsv(rng.choice([0.1, 0.58]), rng.uniform(0.02, 0.25), 1.0), rng.uniform(6, 14))
    pieces.append(
        Piece("window", [(quad((s * 1.9, -1.0, 0.4), (0, -s * 0.9, 0.3), (-0.3 * s, 0, 0.9)), warm)])
    )
    fill = PointLight((-s * 1.0, -1.2, 1.6), (0.9, 0.9, 0.9))
    bearing, distance, tilt = rng.uniform(-0.6, 0.6), rng.uniform(0.75, 1.25), rng.uniform(0.2, 0.75)
    target = np.array([*rng.normal(0, 0.05, 2), 0.08])
    offset = np.array([np.sin(bearing) * np.cos(tilt), -np.cos(bearing) * np.cos(tilt), np.sin(tilt)])
    away = -offset
    rotation = pose(np.arctan2(away[1], away[0]), np.arcsin(away[2]), np.radians(rng.normal(0, 4)))
    extent = np.array([[-3.0, 3.0], [-3.0, 0.8], [-0.75, 3.0]])
    scene = Scene("still_life", extent, pieces, [fill])
    return scene, Camera(target + distance * offset, rotation, float(rng.uniform(35, 50)))


def _fruit(rng) -> Piece:
    # apples, oranges, lemons, pears, aubergines
    hue, s, v, stretch = (
        (0.0, 0.75, 0.6, 1.0),
        (0.08, 0.85, 0.85, 1.0),
        (0.15, 0.75, 0.85, 1.3),
        (0.22, 0.6, 0.65, 1.35),
        (0.8, 0.5, 0.25, 1.7),
    )[int(rng.integers(5))]
    r = rng.uniform(0.05, 0.075)
    skin = mat.plain(mat.hsv(hue + rng.normal(0, 0.015), s, v), gloss=bool(rng.uniform() < 0.5))
    if stretch > 1.2 and rng.uniform() < 0.6:
        parts = [(ellipsoid((0, 0, r), (r * stretch, r, r)), skin)]
    else:
        parts = [(ellipsoid((0, 0, r * stretch * 0.95), (r, r, r * stretch)), skin)]
        parts.append(
            (
                frustum((0, 0, 1.9 * r * stretch - 0.005), 0.004, 0.003, 0.03, 6),
                mat.plain(mat.hsv(0.08, 0.5, 0.25)),
            )
        )
    return Piece("clutter", parts)
