"""Furnished rooms: from (split, building, room) to a scene of pieces, lights and labels. No renderer needed.

A building fixes the style; a room type fixes the contents; seeds fix everything. World: z up, the room is the
box [0,width] x [0,depth] x [0,height].
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from studies.rooms import furniture as make
from studies.rooms import materials as mat
from studies.rooms.categories import ROOM_TYPES
from studies.rooms.furnisher import Furnisher
from studies.rooms.materials import Material, Style
from studies.rooms.meshes import box, quad, rotation_z
from studies.rooms.pieces import Piece
from studies.rooms.recipes import RECIPES


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
    RECIPES[room_type](f)
    if room_type == "dining_room" or rng.uniform() < 0.3:
        f.pieces.append(make.pendant(rng, style, height).moved(rotation_z(0, (width / 2, depth / 2, 0))))
    else:
        x, y, s = width * rng.uniform(0.4, 0.6), depth * rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.3)
        panel = box((x - s, y - s, height - 0.06), (x + s, y + s, height - 0.005))
        f.pieces.append(Piece("ceiling", [(panel, style.materials["ceiling_light"])]))
    bulb = PointLight((width / 2, depth / 2, height - 0.5), tuple(float(v) for v in fill * warm))
    box_ = np.array([[0, width], [0, depth], [0, height]])
    return Scene(room_type, box_, f.pieces, [bulb])
