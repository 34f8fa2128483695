"""Beds, tables, desks, chairs and sofas."""

from __future__ import annotations

import numpy as np

from studies.rooms.furniture_small import clutter_on, monitor, table_lamp
from studies.rooms.materials import Style
from studies.rooms.meshes import box, ellipsoid, frustum, rotation_x
from studies.rooms.pieces import Piece, legs, placed


def bed(rng, style: Style) -> list[Piece]:
    """A bed with frame, mattress, cover and pillows; its head is at the wall."""
    m, wide, deep = style.materials, rng.choice([0.95, 1.45, 1.7]), rng.uniform(1.9, 2.1)
    frame_high = 0.22 if style.kinds["bed"] == "low" else 0.32
    wood, half = m["wood"], wide / 2
    parts = [(box((-half, -deep, 0.06), (half, 0, frame_high)), wood)]
    parts.append(
        (box((-half + 0.03, -deep + 0.04, frame_high), (half - 0.03, -0.06, frame_high + 0.2)), m["linen"])
    )
    top = frame_high + 0.2
    parts.append(
        (box((-half - 0.01, -deep + 0.02, frame_high - 0.02), (half + 0.01, -0.62, top + 0.05)), m["cloth"])
    )
    parts.append((box((-half - 0.015, -0.85, frame_high), (half + 0.015, -0.6, top + 0.06)), m["linen"]))
    count = 1 if wide < 1.2 else 2
    for i in range(count):
        x = (i - (count - 1) / 2) * 0.7
        pillow = m["linen"] if rng.uniform() < 0.6 else m["cloth2"]
        parts.append((ellipsoid((x, -0.3, top + 0.1), (0.3, 0.2, 0.12)), pillow))
    head = 0.95 if style.kinds["bed"] != "low" else 0.7
    parts.append((box((-half, -0.05, 0), (half, 0, head)), wood))
    if style.kinds["bed"] == "posts":
        for x in (-half, half):
            for y in (-0.03, -deep):
                parts.append((frustum((x, y, 0), 0.05, 0.04, head + 0.35 if y > -1 else 0.75, 12), wood))
    return [Piece("bed", parts)]


def table(rng, style: Style, wide=None, deep=None, high=0.74, kind=None, top=None) -> list[Piece]:
    """A table: rectangular on legs, or round on a foot."""
    m = style.materials
    wide = rng.uniform(1.1, 1.7) if wide is None else wide
    deep = rng.uniform(0.7, 0.95) if deep is None else deep
    kind = style.kinds["table"] if kind is None else kind
    top = m["wood"] if top is None else top
    if kind == "round":
        r = max(deep, 0.9) / 2 + 0.1
        parts = [
            (frustum((0, -r, high - 0.05), r, r, 0.05, 28), top),
            (frustum((0, -r, 0.04), 0.06, 0.05, high - 0.09, 12), top),
            (frustum((0, -r, 0), r * 0.55, r * 0.4, 0.05, 20), top),
        ]
    else:
        parts = [(box((-wide / 2, -deep, high - 0.05), (wide / 2, 0, high)), top)]
        parts += legs(style, top, wide, deep, high - 0.05)
    return [Piece("table", parts)]


def desk(rng, style: Style, computer: float = 0.8) -> list[Piece]:
    """A desk with a drawer block and, by chance ``computer``, a monitor and keyboard; papers otherwise."""
    m, wide, deep, high = style.materials, rng.uniform(1.2, 1.6), rng.uniform(0.6, 0.75), 0.74
    parts = [(box((-wide / 2, -deep, high - 0.04), (wide / 2, 0, high)), m["wood2"])]
    parts += legs(style, m["metal"] if rng.uniform() < 0.5 else m["wood2"], wide, deep, high - 0.04, 0.05)
    pieces = [Piece("table", parts)]
    side = rng.choice([-1, 1])
    x = side * (wide / 2 - 0.25)
    block = [(box((x - 0.2, -deep + 0.05, 0.05), (x + 0.2, -0.03, high - 0.06)), m["cabinet"])]
    block += [
        (box((x - 0.06, -deep + 0.03, z), (x + 0.06, -deep + 0.05, z + 0.03)), m["metal"])
        for z in (0.2, 0.42, 0.6)
    ]
    pieces.append(Piece("cabinet", block))
    if rng.uniform() < computer:
        pieces.append(placed(monitor(rng, style), -side * 0.15, -0.1, high))
        keys = [(box((-0.22, -0.14, 0), (0.22, 0, 0.025)), m["dark"])]
        pieces.append(placed(Piece("clutter", keys), -side * 0.15, -deep * 0.6, high))
    else:
        pieces += clutter_on(rng, style, wide, deep, high, 3)
    if rng.uniform() < 0.5:
        pieces.append(placed(table_lamp(rng, style), -side * (wide / 2 - 0.2), -0.2, high))
    return pieces


def chair(rng, style: Style, upholstered=None) -> list[Piece]:
    """A chair with a back: solid, slatted or of posts."""
    m, wide, deep, seat = style.materials, 0.44, 0.44, 0.45
    frame = m["wood"] if style.numbers["scale"] > 1 else m["wood2"]
    cushion = m["cloth"] if (rng.uniform() < 0.5 if upholstered is None else upholstered) else frame
    parts = [(box((-wide / 2, -deep, seat - 0.05), (wide / 2, 0, seat)), cushion)]
    parts += legs(style, frame, wide, deep, seat - 0.05, 0.045)
    kind = style.kinds["chair"]
    if kind == "solid":
        parts.append((box((-wide / 2, -0.05, seat), (wide / 2, 0, 0.95)), cushion))
    else:
        for x in (-wide / 2 + 0.03, wide / 2 - 0.03):
            parts.append((box((x - 0.025, -0.045, seat), (x + 0.025, 0, 0.95)), frame))
        heights = ((0.58, 0.66), (0.72, 0.8), (0.86, 0.94)) if kind == "slats" else ((0.72, 0.95),)
        parts += [
            (box((-wide / 2 + 0.03, -0.04, a), (wide / 2 - 0.03, -0.005, b)), cushion) for a, b in heights
        ]
    return [Piece("chair", parts)]


def office_chair(rng, style: Style) -> list[Piece]:
    """A swivel chair on a column."""
    m = style.materials
    cloth = m["dark"] if rng.uniform() < 0.5 else m["cloth"]
    parts = [
        (box((-0.24, -0.5, 0.42), (0.24, -0.02, 0.5)), cloth),
        (box((-0.22, -0.07, 0.55), (0.22, 0, 1.05)), cloth),
        (frustum((0, -0.25, 0.06), 0.035, 0.035, 0.36, 10), m["metal"]),
        (frustum((0, -0.25, 0.0), 0.28, 0.06, 0.07, 10), m["dark"]),
    ]
    return [Piece("chair", parts)]


def sofa(rng, style: Style, seats=None) -> list[Piece]:
    """A sofa (or an armchair, one seat) with arms and cushions."""
    m, seats = style.materials, int(rng.choice([2, 3])) if seats is None else seats
    kind, cloth = style.kinds["sofa"], m["cloth"]
    wide, deep, back = 0.3 + 0.62 * seats, rng.uniform(0.8, 0.95), 0.7 if kind == "low" else 0.85
    half, seat = wide / 2, 0.42
    parts = [
        (box((-half, -deep, 0.08), (half, 0, 0.3)), cloth),
        (box((-half, -0.22, 0.1), (half, 0, back)), cloth),
    ]
    for i in range(seats):
        x = -half + 0.15 + 0.62 * i
        parts.append((box((x + 0.01, -deep - 0.02, 0.3), (x + 0.61, -0.22, seat)), cloth))
        if rng.uniform() < 0.45:
            pillow = m["cloth2"]
            parts.append((ellipsoid((x + 0.3, -0.32, seat + 0.18), (0.2, 0.1, 0.19)), pillow))
    for s in (-1, 1):
        x0, x1 = sorted((s * half, s * (half - 0.15)))
        if kind == "rounded":
            turned = frustum((0, 0, 0), 0.1, 0.1, deep, 14).moved(
                rotation_x(np.pi / 2, (s * (half - 0.08), 0, 0.55))
            )
            parts.append((turned, cloth))
        parts.append((box((x0, -deep, 0.08), (x1, 0, 0.55 if kind == "low" else 0.6)), cloth))
    return [Piece("sofa", parts)]
