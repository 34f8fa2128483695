"""Furnished rooms: from (split, building, room) to a scene of pieces, lights and labels. No renderer needed.

A building fixes the style; a room type fixes the contents; seeds fix everything. World: z up, the room is the
box [0,width] x [0,depth] x [0,height].
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from tfattr.rooms import furniture as make
from tfattr.rooms import materials as mat
from tfattr.rooms.categories import ROOM_TYPES
from tfattr.rooms.furniture import Piece
from tfattr.rooms.materials import Material, Style
from tfattr.rooms.meshes import box, quad, rotation_z


@dataclass(frozen=True)
class PointLight:
    """A point light: position [3] in metres, intensity [3] (linear RGB)."""

    position: tuple[float, float, float]
    intensity: tuple[float, float, float]


@dataclass
class Scene:
    """Pieces (an instance each), lights and the box of the room [3,2] (metres).

    Outdoors ``sky`` is the radiance of the sky (linear RGB) and ``sun`` a direction of light and its irradiance.
    """

    room_type: str
    room: np.ndarray
    pieces: list[Piece] = field(default_factory=list)
    lights: list[PointLight] = field(default_factory=list)
    sky: tuple[float, float, float] | None = None
    sun: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None

    def objects(self) -> list[tuple[int, Piece]]:
        """(instance, piece) of the furniture, without walls, floor, windows, doors, rugs and clutter."""
        skip = ("wall", "floor", "ceiling", "window", "door", "rug", "clutter", "background")
        return [(i + 1, p) for i, p in enumerate(self.pieces) if p.category not in skip]


def seeded(*key) -> np.random.Generator:
    """A generator that depends on the key alone (strings and integers), on every platform."""
    words = [zlib.crc32(str(part).encode()) for part in key]
    return np.random.default_rng(np.random.SeedSequence(words))


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


def _turned(pieces: list[Piece], angle: float, x: float, y: float) -> list[Piece]:
    return [p.moved(rotation_z(angle, (x, y, 0))) for p in pieces]


def _desk_place(rng, style: Style, kind=make.desk) -> list[Piece]:
    desk = kind(rng, style)
    seat = make.office_chair if kind is make.desk and rng.uniform() < 0.7 else make.chair
    return desk + _turned(
        seat(rng, style), np.pi + rng.normal(0, 0.25), rng.uniform(-0.15, 0.15), -rng.uniform(1.0, 1.25)
    )


def _school_desk(rng, style: Style) -> list[Piece]:
    return make.table(rng, style, 1.1, 0.55, kind="square", top=style.materials["wood2"])


def _table_with_chairs(rng, style: Style, chairs: int) -> list[Piece]:
    wide, deep = (1.5, 0.9) if chairs > 4 else (1.15, 0.8)
    pieces = make.table(rng, style, wide, deep)
    low, high = pieces[0].bounds()
    wide, deep = high[0] - low[0], high[1] - low[1]
    if style.kinds["table"] == "round":
        for i in range(chairs):
            a = 2 * np.pi * (i + 0.15 * rng.normal()) / chairs
            r = deep / 2 + 0.42
            pieces += _turned(make.chair(rng, style), a, -r * np.sin(a), -deep / 2 + r * np.cos(a))
    else:
        for side in (0, 1):
            for i in range(max(1, chairs // 2)):
                x = (i + 0.5) * wide / max(1, chairs // 2) - wide / 2 + rng.normal(0, 0.03)
                y = rng.uniform(0.2, 0.35)
                pieces += _turned(
                    make.chair(rng, style), np.pi * side, x, y + 0.1 if side == 0 else -deep - y - 0.1
                )
    middle = -deep / 2
    for i in range(int(rng.integers(1, 4))):
        pieces.append(make.thing(rng, style).moved(rotation_z(0, ((i - 1) * 0.3, middle, 0.74))))
    return pieces


def _bathroom(f: Furnisher) -> None:
    for kind in (make.bathtub, make.toilet, make.washbasin):
        f.at_wall(kind(f.rng, f.style), tries=80)
    f.maybe(0.55, make.washer)
    f.maybe(0.4, make.cabinet)
    f.maybe(0.35, make.basket)
    f.maybe(0.3, make.plant)
    f.maybe(0.3, make.picture)
    f.flat(make.rug(f.rng, f.style, 0.9, 0.6))


def _bedroom(f: Furnisher) -> None:
    pieces = make.bed(f.rng, f.style)
    half = pieces[0].bounds()[1][0]
    for side in (-1, 1):
        if f.rng.uniform() < 0.7:
            pieces = pieces + _turned(make.nightstand(f.rng, f.style), 0, side * (half + 0.35), 0)
    f.at_wall(pieces, tries=120)
    f.at_wall(make.cabinet(f.rng, f.style, high=f.rng.uniform(1.85, 2.1)))
    f.maybe(0.5, make.cabinet)
    f.maybe(0.25, make.television)
    f.maybe(0.25, _desk_place)
    for chance, kind in ((0.8, make.picture), (0.3, make.picture), (0.4, make.plant), (0.4, make.floor_lamp)):
        f.maybe(chance, kind)
    f.maybe(0.3, lambda rng, style: make.sofa(rng, style, 1))
    f.maybe(0.4, make.basket)
    f.flat(make.rug(f.rng, f.style))


def _classroom(f: Furnisher) -> None:
    wall = f.at_wall(make.board(f.rng, f.style), tries=60, keep=0.0)
    wall = 0 if wall is None else wall
    # rows of desks look at the board; the desks' fronts (where pupils sit) are away from it
    turn = (0.0, -np.pi / 2, np.pi, np.pi / 2)[wall]
    for _ in range(int(f.rng.integers(4, 8))):
        f.in_middle(_desk_place(f.rng, f.style, _school_desk), 1.0, 25, 0.08, turn)
    f.maybe(0.7, make.bookcase)
    f.maybe(0.5, make.cabinet)
    for chance, kind in ((0.6, make.picture), (0.5, make.picture), (0.4, make.plant), (0.3, make.basket)):
        f.maybe(chance, kind)


def _dining_room(f: Furnisher) -> None:
    f.in_middle(_table_with_chairs(f.rng, f.style, int(f.rng.choice([4, 4, 6]))), 0.25, 80)
    f.at_wall(make.cabinet(f.rng, f.style, high=f.rng.choice([0.85, 1.0, 1.9])))
    f.maybe(0.4, make.cabinet)
    for chance, kind in ((0.9, make.picture), (0.6, make.picture), (0.6, make.plant), (0.4, make.floor_lamp)):
        f.maybe(chance, kind)
    if f.rng.uniform() < 0.5:
        f.flat(make.rug(f.rng, f.style, 2.4, 1.8))


def _kitchen(f: Furnisher) -> None:
    wall = f.at_wall(make.counter(f.rng, f.style, sink=True), tries=80)
    f.at_wall(make.stove(f.rng, f.style), wall=wall, tries=60)
    f.at_wall(make.fridge(f.rng, f.style), tries=60)
    f.at_wall(make.counter(f.rng, f.style), tries=60)
    if f.rng.uniform() < 0.55:
        f.in_middle(_table_with_chairs(f.rng, f.style, 2 if f.rng.uniform() < 0.5 else 4), 0.3, 40)
    f.maybe(0.25, make.washer)
    for chance, kind in (
        (0.35, make.plant),
        (0.35, make.picture),
        (0.3, make.basket),
        (0.3, make.wall_shelf),
    ):
        f.maybe(chance, kind)


def _library(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(4, 7))):
        f.at_wall(make.bookcase(f.rng, f.style, high=f.rng.choice([1.8, 2.1])))
    if f.rng.uniform() < 0.5:
        f.in_middle(_table_with_chairs(f.rng, f.style, 2), 0.4)
    f.maybe(0.6, lambda rng, style: make.sofa(rng, style, 1))
    for chance, kind in ((0.5, make.floor_lamp), (0.35, make.plant), (0.4, make.picture), (0.3, _desk_place)):
        f.maybe(chance, kind)
    f.flat(make.rug(f.rng, f.style))


def _living_room(f: Furnisher) -> None:
    seat = make.sofa(f.rng, f.style)
    if f.rng.uniform() < 0.75:
        low = make.table(f.rng, f.style, 0.95, 0.5, 0.4)
        low += make.clutter_on(f.rng, f.style, 0.9, 0.5, 0.4, int(f.rng.integers(0, 3)))
        seat = seat + _turned(low, 0, 0, -1.3)
    wall = f.at_wall(seat, tries=80)
    f.at_wall(make.television(f.rng, f.style), wall=None if wall is None else (wall + 2) % 4, tries=60)
    f.maybe(0.55, lambda rng, style: make.sofa(rng, style, 1))
    f.maybe(0.5, make.bookcase)
    for chance, kind in ((0.7, make.floor_lamp), (0.7, make.plant), (0.8, make.picture), (0.5, make.picture)):
        f.maybe(chance, kind)
    f.maybe(0.35, make.basket)
    f.maybe(0.3, make.wall_shelf)
    if f.rng.uniform() < 0.8:
        f.flat(make.rug(f.rng, f.style))


def _office(f: Furnisher) -> None:
    for _ in range(int(f.rng.integers(1, 4))):
        f.at_wall(_desk_place(f.rng, f.style), tries=60)
    f.maybe(0.7, make.bookcase)
    f.maybe(0.6, make.cabinet)
    for chance, kind in (
        (0.5, make.plant),
        (0.5, make.picture),
        (0.35, make.floor_lamp),
        (0.4, make.wall_shelf),
    ):
        f.maybe(chance, kind)
    f.maybe(0.4, make.basket)


_RECIPES = {
    "bathroom": _bathroom,
    "bedroom": _bedroom,
    "classroom": _classroom,
    "dining_room": _dining_room,
    "kitchen": _kitchen,
    "library": _library,
    "living_room": _living_room,
    "office": _office,
}


def _window(rng, style: Style, height: float) -> list[Piece]:
    m, tall = style.materials, style.kinds["window"] == "tall"
    wide = rng.uniform(0.8, 1.7)
    low, high = (0.15 if tall else 0.9), min(height - 0.25, rng.uniform(2.0, 2.3))
    split = low + (high - low) * rng.uniform(0.2, 0.5)
    half = wide / 2
    frame = m["frame"] if rng.uniform() < 0.3 else m["ceiling"]
    parts = [
        (quad((-half, -0.01, split), (wide, 0, 0), (0, 0, high - split)), m["sky"]),
        (quad((-half, -0.01, low), (wide, 0, 0), (0, 0, split - low)), m["outside"]),
        (box((-half - 0.06, -0.05, high), (half + 0.06, 0, high + 0.06)), frame),
        (box((-half - 0.08, -0.12, low - 0.05), (half + 0.08, 0, low)), frame),
        (box((-half - 0.06, -0.05, low), (-half, 0, high)), frame),
        (box((half, -0.05, low), (half + 0.06, 0, high)), frame),
        (box((-0.02, -0.04, low), (0.02, -0.012, high)), frame),
    ]
    if style.kinds["window"] == "grid":
        parts += [
            (box((-half, -0.04, z), (half, -0.012, z + 0.03)), frame) for z in np.linspace(low, high, 4)[1:3]
        ]
    if rng.uniform() < 0.5:
        for s in (-1, 1):
            x0, x1 = sorted((s * (half - 0.05), s * (half + 0.3)))
            parts.append(
                (box((x0, -0.14, low - 0.3 if not tall else 0.05), (x1, -0.06, high + 0.12)), m["cloth2"])
            )
    return [Piece("window", parts)]


def _door(rng, style: Style) -> list[Piece]:
    m = style.materials
    parts = [
        (box((-0.5, -0.03, 0), (0.5, 0, 2.1)), m["frame"]),
        (box((-0.43, -0.05, 0), (0.43, -0.01, 2.03)), m["door"]),
        (box((-0.36, -0.09, 0.98), (-0.26, -0.05, 1.01)), m["metal"]),
    ]
    return [Piece("door", parts)]


def _shell(style: Style, room_type: str, w: float, d: float, h: float) -> list[Piece]:
    # floor, ceiling, four walls (normals inwards) and skirting
    m, wet = style.materials, room_type in ("bathroom", "kitchen")
    floor = m["wet_floor"] if wet else m["dry_floor"]
    wall = m["wet_wall"] if room_type == "bathroom" else m["wall"]
    other = wall if wet else m["wall2"]
    pieces = [
        Piece("floor", [(quad((0, 0, 0), (w, 0, 0), (0, d, 0)), floor)]),
        Piece("ceiling", [(quad((0, 0, h), (0, d, 0), (w, 0, 0)), m["ceiling"])]),
    ]
    corners = ((0, d), (w, d), (w, 0), (0, 0))
    for k in range(4):
        (x0, y0), (x1, y1) = corners[k], corners[(k + 1) % 4]
        face = quad((x0, y0, 0), (x1 - x0, y1 - y0, 0), (0, 0, h))
        parts = [(face, other if k == 0 else wall)]
        if not wet:
            low = np.minimum((x0, y0), (x1, y1)) - 0.015
            high = np.maximum((x0, y0), (x1, y1)) + 0.015
            parts.append((box((*low, 0), (*high, 0.09)), m["ceiling"]))
        pieces.append(Piece("wall", parts))
    return pieces


def _lit(style: Style, rng: np.random.Generator) -> tuple[Style, float, np.ndarray]:
    # one view's time of day: scales of daylight, lamps and fill
    day = rng.choice([rng.uniform(0.02, 0.15), rng.uniform(0.5, 1.3)], p=[0.25, 0.75])
    lamps = rng.uniform(0.6, 1.2) if day < 0.2 or rng.uniform() < 0.6 else 0.12
    scale = {
        "sky": day,
        "outside": day,
        "shade": lamps,
        "ceiling_light": lamps if rng.uniform() < 0.8 else 0.15,
    }
    materials = dict(style.materials)
    for name, factor in scale.items():
        old: Material = materials[name]
        materials[name] = replace(old, radiance=tuple(v * factor for v in old.radiance))
    warm = mat.srgb_to_linear(mat.hsv(0.1, 0.25, 1.0) if day < 0.2 else mat.hsv(0.58, 0.06, 1.0))
    return replace(style, materials=materials), float(rng.uniform(1.2, 3.0)), warm


@functools.lru_cache(maxsize=4)
def style_of(split: str, building: int) -> Style:
    """The style of a building."""
    return mat.building_style(seeded("style", split, building))


def room_scene(split: str, building: int, room: int, view: int = 0) -> Scene:
    """The furnished room ``room`` of a building; ``view`` changes the light only."""
    style = style_of(split, building)
    style, fill, warm = _lit(style, seeded("light", split, building, room, view))
    rng = seeded("room", split, building, room)
    # every eight rooms of a building hold each type once
    order = seeded("types", split, building, room // len(ROOM_TYPES)).permutation(len(ROOM_TYPES))
    room_type = ROOM_TYPES[order[room % len(ROOM_TYPES)]]
    small = room_type in ("bathroom", "kitchen")
    width, depth = rng.uniform(2.6, 4.2, 2) if small else rng.uniform(3.3, 5.4, 2)
    height = style.numbers["height"] + rng.uniform(-0.08, 0.08)
    f = Furnisher(rng, style, width, depth, height)
    f.pieces += _shell(style, room_type, width, depth, height)
    for _ in range(int(rng.choice([1, 1, 2]))):
        f.at_wall(_window(rng, style, height), gap=0.002)
    f.at_wall(_door(rng, style), gap=0.002)
    _RECIPES[room_type](f)
    if room_type == "dining_room" or rng.uniform() < 0.3:
        f.pieces.append(make.pendant(rng, style, height).moved(rotation_z(0, (width / 2, depth / 2, 0))))
    else:
        x, y, s = width * rng.uniform(0.4, 0.6), depth * rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.3)
        panel = box((x - s, y - s, height - 0.06), (x + s, y + s, height - 0.005))
        f.pieces.append(Piece("ceiling", [(panel, style.materials["ceiling_light"])]))
    bulb = PointLight((width / 2, depth / 2, height - 0.5), tuple(float(v) for v in fill * warm))
    box_ = np.array([[0, width], [0, depth], [0, height]])
    return Scene(room_type, box_, f.pieces, [bulb])
