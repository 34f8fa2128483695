"""What stands in a room of each type: eight recipes that fill a Furnisher."""

from __future__ import annotations

import numpy as np

from studies.rooms import furniture as make
from studies.rooms.furnisher import Furnisher
from studies.rooms.materials import Style
from studies.rooms.meshes import rotation_z
from studies.rooms.pieces import Piece


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


#: Room type to the function that furnishes it.
RECIPES = {
    "bathroom": _bathroom,
    "bedroom": _bedroom,
    "classroom": _classroom,
    "dining_room": _dining_room,
    "kitchen": _kitchen,
    "library": _library,
    "living_room": _living_room,
    "office": _office,
}
