"""Furniture: functions from a style to pieces made of boxes, frusta, ellipsoids and quads.

A piece stands on the floor with the middle of its back at the origin: width along x, depth along -y (its front
looks to -y), height along z, metres. What it carries (a lamp on a table, a monitor on a desk) is a piece of its
own, so that it gets its own category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfattr.rooms import materials as mat
from tfattr.rooms.materials import Material, Style
from tfattr.rooms.meshes import Mesh, box, ellipsoid, frustum, quad, rotation_x


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


def _at(piece: Piece, x: float, y: float, z: float = 0.0) -> Piece:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return piece.moved(matrix)


def _legs(style: Style, material: Material, wide, deep, high, thick=0.06) -> list[tuple[Mesh, Material]]:
    # four legs (or two side panels) under a wide x deep plate
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
        parts += _legs(style, top, wide, deep, high - 0.05)
    return [Piece("table", parts)]


def desk(rng, style: Style, computer: float = 0.8) -> list[Piece]:
    """A desk with a drawer block and, by chance ``computer``, a monitor and keyboard; papers otherwise."""
    m, wide, deep, high = style.materials, rng.uniform(1.2, 1.6), rng.uniform(0.6, 0.75), 0.74
    parts = [(box((-wide / 2, -deep, high - 0.04), (wide / 2, 0, high)), m["wood2"])]
    parts += _legs(style, m["metal"] if rng.uniform() < 0.5 else m["wood2"], wide, deep, high - 0.04, 0.05)
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
        pieces.append(_at(monitor(rng, style), -side * 0.15, -0.1, high))
        keys = [(box((-0.22, -0.14, 0), (0.22, 0, 0.025)), m["dark"])]
        pieces.append(_at(Piece("clutter", keys), -side * 0.15, -deep * 0.6, high))
    else:
        pieces += clutter_on(rng, style, wide, deep, high, 3)
    if rng.uniform() < 0.5:
        pieces.append(_at(table_lamp(rng, style), -side * (wide / 2 - 0.2), -0.2, high))
    return pieces


def chair(rng, style: Style, upholstered=None) -> list[Piece]:
    """A chair with a back: solid, slatted or of posts."""
    m, wide, deep, seat = style.materials, 0.44, 0.44, 0.45
    frame = m["wood"] if style.numbers["scale"] > 1 else m["wood2"]
    cushion = m["cloth"] if (rng.uniform() < 0.5 if upholstered is None else upholstered) else frame
    parts = [(box((-wide / 2, -deep, seat - 0.05), (wide / 2, 0, seat)), cushion)]
    parts += _legs(style, frame, wide, deep, seat - 0.05, 0.045)
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


def _fronts(rng, style: Style, wide, deep, low, high, columns, kind=None) -> list[tuple[Mesh, Material]]:
    # door or drawer fronts with handles on the face at y = -deep
    m, kind = style.materials, style.kinds["cabinet"] if kind is None else kind
    out, step = [], wide / columns
    for c in range(columns):
        x0 = -wide / 2 + c * step
        drawers = kind == "drawers" or (kind == "mixed" and c % 2 == 0)
        count = max(2, round((high - low) / 0.3)) if drawers else 1
        for r in range(count):
            z0, z1 = low + (high - low) * r / count, low + (high - low) * (r + 1) / count
            front = box((x0 + 0.012, -deep - 0.02, z0 + 0.012), (x0 + step - 0.012, -deep, z1 - 0.012))
            out.append((front, m["cabinet"]))
            if drawers:
                xm = x0 + step / 2
                out.append(
                    (
                        box(
                            (xm - 0.07, -deep - 0.045, (z0 + z1) / 2),
                            (xm + 0.07, -deep - 0.02, (z0 + z1) / 2 + 0.02),
                        ),
                        m["metal"],
                    )
                )
            else:
                xh = x0 + (step - 0.06 if c % 2 == 0 else 0.06)
                zm = (z0 + z1) / 2
                out.append(
                    (
                        box((xh - 0.01, -deep - 0.045, zm - 0.08), (xh + 0.01, -deep - 0.02, zm + 0.08)),
                        m["metal"],
                    )
                )
    return out


def cabinet(rng, style: Style, wide=None, high=None, deep=None, kind=None) -> list[Piece]:
    """A cabinet; a wardrobe when high, a chest of drawers when low."""
    m = style.materials
    wide = rng.uniform(0.9, 1.5) if wide is None else wide
    high = rng.choice([0.85, 1.0, 1.9, 2.05]) if high is None else high
    deep = rng.uniform(0.4, 0.55) if deep is None else deep
    body = [(box((-wide / 2, -deep, 0.05), (wide / 2, 0, high)), m["cabinet"])]
    body += [(box((-wide / 2 + 0.04, -deep + 0.04, 0), (wide / 2 - 0.04, 0, 0.05)), m["dark"])]
    body += _fronts(rng, style, wide, deep, 0.07, high - 0.02, max(2, round(wide / 0.5)), kind)
    pieces = [Piece("cabinet", body)]
    if high < 1.2:
        pieces += clutter_on(rng, style, wide, deep, high, int(rng.integers(0, 3)))
        if rng.uniform() < 0.4:
            pieces.append(_at(table_lamp(rng, style), rng.uniform(-0.3, 0.3) * wide, -deep / 2, high))
    return pieces


def nightstand(rng, style: Style) -> list[Piece]:
    """A small cabinet with a lamp."""
    pieces = [p for p in cabinet(rng, style, 0.45, 0.5, 0.38, "drawers") if p.category == "cabinet"]
    return [*pieces, _at(table_lamp(rng, style), 0, -0.19, 0.5)]


def bookcase(rng, style: Style, wide=None, high=None) -> list[Piece]:
    """Open shelves filled with books and small things."""
    m = style.materials
    wide = rng.uniform(0.8, 1.4) if wide is None else wide
    high = rng.choice([1.1, 1.8, 2.1]) if high is None else high
    deep, side = 0.3, 0.03
    wood = m["wood"]
    parts = [
        (box((-wide / 2, -deep, 0), (-wide / 2 + side, 0, high)), wood),
        (box((wide / 2 - side, -deep, 0), (wide / 2, 0, high)), wood),
        (box((-wide / 2, -0.02, 0), (wide / 2, 0, high)), wood),
    ]
    levels = round(high / 0.36)
    covers = mat.book_colours(rng, 7)
    for level in range(levels + 1):
        z = level * (high - side) / levels
        parts.append((box((-wide / 2, -deep, z), (wide / 2, 0, z + side)), wood))
        if level == levels:
            break
        x, limit = -wide / 2 + 0.05, wide / 2 - 0.05
        while x < limit:
            thick = rng.uniform(0.06, 0.16)
            if rng.uniform() < 0.85 and x + thick < limit:
                tall, out = rng.uniform(0.2, 0.3), rng.uniform(0.16, 0.24)
                book = box((x, -out - 0.02, z + side), (x + thick * 0.95, -0.02, z + side + tall))
                parts.append((book, covers[int(rng.integers(len(covers)))]))
            x += thick
    return [Piece("shelf", parts)]


def wall_shelf(rng, style: Style) -> list[Piece]:
    """A board on the wall with books, 1.2 to 1.6 m up."""
    m, wide, z = style.materials, rng.uniform(0.7, 1.2), rng.uniform(1.25, 1.6)
    parts = [(box((-wide / 2, -0.24, z), (wide / 2, 0, z + 0.035)), m["wood"])]
    covers, x = mat.book_colours(rng, 5), -wide / 2 + 0.03
    while x < wide / 2 - 0.12:
        thick = rng.uniform(0.05, 0.12)
        if rng.uniform() < 0.75:
            book = box((x, -0.2, z + 0.035), (x + thick, -0.02, z + rng.uniform(0.2, 0.32)))
            parts.append((book, covers[int(rng.integers(5))]))
        x += thick
    return [Piece("shelf", parts)]


def _shade(style: Style, z: float, size: float) -> tuple[Mesh, Material]:
    shade, kind = style.materials["shade"], style.kinds["lamp"]
    if kind == "ball":
        return ellipsoid((0, 0, z + size * 0.5), (size * 0.5,) * 3), shade
    top = 0.55 if kind == "cone" else 1.0
    return frustum((0, 0, z), size * 0.55, size * 0.55 * top, size * 0.8, 18), shade


def table_lamp(rng, style: Style) -> Piece:
    """A small lamp, centred on the origin."""
    m, stem = style.materials, rng.uniform(0.18, 0.3)
    base = [
        (frustum((0, 0, 0), 0.08, 0.06, 0.03, 14), m["metal"]),
        (frustum((0, 0, 0), 0.02, 0.02, stem, 8), m["metal"]),
    ]
    return Piece("lamp", [*base, _shade(style, stem, rng.uniform(0.24, 0.34))])


def floor_lamp(rng, style: Style) -> list[Piece]:
    """A standing lamp."""
    m, stem, size = style.materials, rng.uniform(1.25, 1.5), rng.uniform(0.38, 0.5)
    parts = [
        (frustum((0, 0, 0), 0.15, 0.13, 0.03, 16), m["metal"]),
        (frustum((0, 0, 0), 0.022, 0.022, stem, 8), m["metal"]),
    ]
    return [_at(Piece("lamp", [*parts, _shade(style, stem, size)]), 0, -0.28)]


def pendant(rng, style: Style, height: float) -> Piece:
    """A lamp hanging from the ceiling at ``height``, centred on the origin."""
    drop, size = rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.6)
    z = height - drop
    cord = (frustum((0, 0, z + size * 0.5), 0.012, 0.012, drop - size * 0.5, 6), style.materials["dark"])
    return Piece("lamp", [cord, _shade(style, z - size * 0.3, size)])


def plant(rng, style: Style, size=None) -> list[Piece]:
    """A pot plant: bush, blades or a small tree."""
    m, kind = style.materials, style.kinds["plant"]
    if rng.uniform() < 0.3:
        kind = str(rng.choice(["bush", "blades", "tree"]))
    s = rng.uniform(0.8, 1.5) if size is None else size
    pot_r, pot_h = 0.16 * s, 0.3 * s
    parts = [(frustum((0, 0, 0), pot_r * 0.75, pot_r, pot_h, 16), m["pot"])]
    if kind == "tree":
        parts.append((frustum((0, 0, pot_h), 0.03 * s, 0.02 * s, 0.5 * s, 8), m["wood"]))
    centre = pot_h + (0.62 * s if kind == "tree" else 0.18 * s)
    for _ in range(9):
        d = rng.normal(0, 1, 3)
        d /= np.linalg.norm(d)
        if kind == "blades":
            tip = np.array([d[0] * 0.22, d[1] * 0.22, 0.75 + 0.25 * abs(d[2])]) * s
            side = np.cross(tip, [0.3, 0.5, 1.0])
            side = side / np.linalg.norm(side) * 0.07 * s
            for flip in (1, -1):
                parts.append((quad((0, 0, pot_h * 0.9) - side / 2, tip * 0.85, flip * side), m["leaf"]))
        else:
            at = np.array([d[0] * 0.16, d[1] * 0.16, d[2] * 0.16]) * s + [0, 0, centre]
            r = rng.uniform(0.12, 0.2) * s
            parts.append((ellipsoid(at, (r, r, r * 0.85), 6, 9), m["leaf"]))
    return [_at(Piece("plant", parts), 0, -0.3 * s)]


def bathtub(rng, style: Style) -> list[Piece]:
    """A bathtub with its long side at the wall."""
    m, wide, deep, high = style.materials, rng.uniform(1.5, 1.75), 0.75, 0.58
    c, rim = m["ceramic"], 0.07
    w = wide / 2
    parts = [
        (box((-w, -deep, 0), (w, -deep + rim, high)), c),
        (box((-w, -rim, 0), (w, 0, high)), c),
        (box((-w, -deep, 0), (-w + rim, 0, high)), c),
        (box((w - rim, -deep, 0), (w, 0, high)), c),
        (box((-w, -deep, 0.0), (w, 0, 0.15)), c),
        (frustum((w - 0.2, -0.05, high), 0.025, 0.025, 0.15, 8), m["metal"]),
    ]
    return [Piece("bath", parts)]


def toilet(rng, style: Style) -> list[Piece]:
    """A toilet with cistern."""
    c = style.materials["ceramic"]
    parts = [
        (box((-0.2, -0.2, 0.38), (0.2, 0, 0.82)), c),
        (frustum((0, -0.42, 0), 0.13, 0.2, 0.4, 18), c),
        (frustum((0, -0.42, 0.4), 0.22, 0.22, 0.04, 18), c),
        (box((-0.12, -0.35, 0), (0.12, 0, 0.38)), c),
    ]
    return [Piece("bath", parts)]


def washbasin(rng, style: Style) -> list[Piece]:
    """A washbasin on a foot or a cabinet, with a mirror-like picture above."""
    m = style.materials
    c, pieces = m["ceramic"], []
    if rng.uniform() < 0.5:
        pieces += [p for p in cabinet(rng, style, 0.8, 0.72, 0.45) if p.category == "cabinet"]
        wide = 0.8
    else:
        pieces.append(Piece("bath", [(frustum((0, -0.22, 0), 0.12, 0.08, 0.72, 14), c)]))
        wide = 0.6
    bowl = [
        (box((-wide / 2, -0.48, 0.72), (wide / 2, 0, 0.8)), c),
        (frustum((0, -0.27, 0.78), 0.16, 0.2, 0.06, 18), m["stone"]),
        (frustum((0, -0.06, 0.8), 0.02, 0.02, 0.18, 8), m["metal"]),
    ]
    pieces.append(Piece("bath", bowl))
    pieces += [
        p.raised(1.15) for p in framed(rng, style, 0.6, 0.75, mat.plain(mat.hsv(0.55, 0.08, 0.8), gloss=True))
    ]
    return pieces


def monitor(rng, style: Style) -> Piece:
    """A computer screen on a foot, showing bands of colour; back at the origin."""
    m, wide, high = style.materials, rng.uniform(0.5, 0.7), rng.uniform(0.32, 0.4)
    glow = mat.light(mat.hsv(rng.uniform(0.5, 0.7), rng.uniform(0.2, 0.6), 0.8), rng.uniform(0.5, 1.2))
    parts = [
        (box((-0.12, -0.2, 0), (0.12, -0.02, 0.02)), m["dark"]),
        (box((-0.03, -0.1, 0), (0.03, -0.07, 0.2)), m["dark"]),
        (box((-wide / 2, -0.14, 0.12), (wide / 2, -0.1, 0.12 + high)), m["dark"]),
        (quad((-wide / 2 + 0.03, -0.145, 0.15), (wide - 0.06, 0, 0), (0, 0, high - 0.06)), glow),
    ]
    return Piece("screen", parts)


def television(rng, style: Style) -> list[Piece]:
    """A television on a low cabinet."""
    m, wide = style.materials, rng.uniform(1.0, 1.4)
    stand = [p for p in cabinet(rng, style, wide + 0.3, 0.45, 0.42, "drawers") if p.category == "cabinet"]
    high = wide * 0.58
    parts = [(box((-wide / 2, -0.2, 0.5), (wide / 2, -0.14, 0.5 + high)), m["dark"])]
    parts.append((box((-0.2, -0.28, 0.45), (0.2, -0.1, 0.5)), m["dark"]))
    if rng.uniform() < 0.5:
        glow = mat.light(mat.hsv(rng.uniform(0.45, 0.7), rng.uniform(0.3, 0.7), 0.7), rng.uniform(0.4, 1.0))
        parts.append((quad((-wide / 2 + 0.03, -0.205, 0.53), (wide - 0.06, 0, 0), (0, 0, high - 0.06)), glow))
    return [*stand, Piece("screen", parts)]


def board(rng, style: Style) -> list[Piece]:
    """A classroom's board: green or white, on the wall."""
    wide = rng.uniform(2.0, 2.6)
    face = (
        mat.plain(mat.hsv(0.42, 0.5, 0.3))
        if style.numbers["scale"] > 1
        else mat.plain(mat.hsv(0.55, 0.02, 0.96))
    )
    parts = [
        (box((-wide / 2, -0.04, 0.85), (wide / 2, 0, 2.0)), style.materials["frame"]),
        (box((-wide / 2 + 0.05, -0.05, 0.9), (wide / 2 - 0.05, -0.03, 1.95)), face),
        (box((-wide / 2, -0.12, 0.82), (wide / 2, 0, 0.86)), style.materials["wood"]),
    ]
    return [Piece("screen", parts)]


def fridge(rng, style: Style) -> list[Piece]:
    """A refrigerator."""
    m, wide, deep, high = style.materials, rng.uniform(0.62, 0.8), 0.65, rng.uniform(1.6, 1.9)
    split = high * rng.uniform(0.55, 0.7)
    a = m["appliance"]
    parts = [
        (box((-wide / 2, -deep, 0.03), (wide / 2, 0, high)), a),
        (box((-wide / 2, -deep - 0.04, 0.06), (wide / 2, -deep - 0.005, split - 0.01)), a),
        (box((-wide / 2, -deep - 0.04, split + 0.01), (wide / 2, -deep - 0.005, high)), a),
        (
            box((wide / 2 - 0.1, -deep - 0.08, split - 0.45), (wide / 2 - 0.06, -deep - 0.04, split - 0.06)),
            m["dark"],
        ),
        (
            box((wide / 2 - 0.1, -deep - 0.08, split + 0.06), (wide / 2 - 0.06, -deep - 0.04, split + 0.35)),
            m["dark"],
        ),
    ]
    return [Piece("appliance", parts)]


def stove(rng, style: Style) -> list[Piece]:
    """A cooker with oven window, knobs and an extractor hood above."""
    m, wide, deep, high = style.materials, 0.6, 0.62, 0.88
    parts = [
        (box((-wide / 2, -deep, 0.03), (wide / 2, 0, high)), m["appliance"]),
        (box((-0.22, -deep - 0.01, 0.25), (0.22, -deep, 0.6)), m["dark"]),
        (box((-0.24, -deep - 0.04, 0.64), (0.24, -deep - 0.01, 0.67)), m["metal"]),
        (box((-wide / 2, -deep + 0.02, high), (wide / 2, -0.02, high + 0.01)), m["dark"]),
    ]
    for x in (-0.15, 0.15):
        for y in (-0.18, -0.44):
            parts.append((frustum((x, y, high), 0.08, 0.08, 0.025, 14), m["metal"]))
    hood = [
        (frustum((0, -0.25, 1.5), 0.38, 0.15, 0.25, 4), m["metal"]),
        (box((-0.13, -0.3, 1.7), (0.13, 0, 2.3)), m["metal"]),
    ]
    return [Piece("appliance", parts + hood)]


def washer(rng, style: Style) -> list[Piece]:
    """A washing machine."""
    m = style.materials
    door = frustum((0, 0, 0), 0.19, 0.17, 0.04, 20).moved(rotation_x(np.pi / 2, (0, -0.58, 0.42)))
    glass = frustum((0, 0, 0), 0.13, 0.12, 0.02, 20).moved(rotation_x(np.pi / 2, (0, -0.62, 0.42)))
    parts = [
        (box((-0.3, -0.58, 0.02), (0.3, 0, 0.85)), m["appliance"]),
        (door, m["metal"]),
        (glass, m["dark"]),
    ]
    parts.append((box((-0.28, -0.59, 0.72), (0.28, -0.58, 0.82)), m["dark"]))
    return [Piece("appliance", parts)]


def counter(rng, style: Style, wide=None, sink: bool = False) -> list[Piece]:
    """A kitchen worktop over cabinets, with wall cabinets above and by choice a sink."""
    m, deep, high = style.materials, 0.6, 0.88
    wide = rng.uniform(1.2, 2.2) if wide is None else wide
    body = [
        (box((-wide / 2, -deep + 0.03, 0.08), (wide / 2, 0, high - 0.04)), m["cabinet"]),
        (box((-wide / 2, -deep, high - 0.04), (wide / 2, 0, high)), m["stone"]),
    ]
    columns = max(2, round(wide / 0.5))
    body += _fronts(rng, style, wide, deep - 0.03, 0.1, high - 0.06, columns)
    if rng.uniform() < 0.75:
        body.append((box((-wide / 2, -0.33, 1.45), (wide / 2, 0, 2.05)), m["cabinet"]))
        body += _fronts(rng, style, wide, 0.33, 1.47, 2.03, columns, "doors")
    pieces = [Piece("cabinet", body)]
    if sink:
        basin = [
            (box((-0.28, -0.5, high), (0.28, -0.1, high + 0.015)), m["metal"]),
            (box((-0.22, -0.45, high + 0.01), (0.22, -0.16, high + 0.02)), m["dark"]),
            (frustum((0, -0.08, high), 0.02, 0.02, 0.25, 8), m["metal"]),
            (box((-0.015, -0.25, high + 0.22), (0.015, -0.08, high + 0.25)), m["metal"]),
        ]
        pieces.append(Piece("bath", basin))
    else:
        pieces += clutter_on(rng, style, wide, deep, high, int(rng.integers(1, 4)))
    return pieces


def framed(rng, style: Style, wide: float, high: float, canvas: Material | None = None) -> list[Piece]:
    """A framed picture whose lower edge is at the origin's height."""
    canvas = mat.painting(rng) if canvas is None else canvas
    face = quad((-wide / 2 + 0.04, -0.035, 0.04), (wide - 0.08, 0, 0), (0, 0, high - 0.08))
    face = Mesh(face.vertices, face.normals, face.uv / [wide - 0.08, high - 0.08], face.faces)
    return [
        Piece(
            "picture",
            [(box((-wide / 2, -0.03, 0), (wide / 2, 0, high)), style.materials["frame"]), (face, canvas)],
        )
    ]


def picture(rng, style: Style) -> list[Piece]:
    """A picture on the wall at eye height."""
    wide, high = rng.uniform(0.5, 1.3), rng.uniform(0.45, 0.9)
    return [p.raised(1.65 - high / 2) for p in framed(rng, style, wide, high)]


def rug(rng, style: Style, wide=None, deep=None) -> Piece:
    """A rug, centred on the origin: rectangular or round."""
    wide = rng.uniform(1.2, 2.2) if wide is None else wide
    deep = rng.uniform(1.0, 1.6) if deep is None else deep
    cloth = style.materials["rug"]
    if style.kinds["table"] == "round":
        return Piece("rug", [(frustum((0, 0, 0.002), deep / 2 + 0.2, deep / 2 + 0.2, 0.012, 28), cloth)])
    return Piece("rug", [(box((-wide / 2, -deep / 2, 0.002), (wide / 2, deep / 2, 0.014)), cloth)])


def thing(rng, style: Style) -> Piece:
    """A small thing centred on the origin: vase, box, ball, books, bottle."""
    m = style.materials
    colour = mat.book_colours(rng, 1)[0]
    kind = rng.choice(["vase", "box", "ball", "books", "bottle", "bowl"])
    if kind == "vase":
        parts = [
            (frustum((0, 0, 0), 0.05, 0.09, 0.14, 14), colour),
            (frustum((0, 0, 0.14), 0.09, 0.05, 0.1, 14), colour),
        ]
    elif kind == "box":
        a, b, c = rng.uniform(0.06, 0.14), rng.uniform(0.06, 0.12), rng.uniform(0.08, 0.22)
        parts = [(box((-a, -b, 0), (a, b, c)), colour)]
    elif kind == "ball":
        r = rng.uniform(0.07, 0.13)
        parts = [(ellipsoid((0, 0, r), (r, r, r)), colour)]
    elif kind == "books":
        covers, z, parts = mat.book_colours(rng, 3), 0.0, []
        for cover in covers:
            a, b, t = rng.uniform(0.1, 0.15), rng.uniform(0.08, 0.11), rng.uniform(0.025, 0.05)
            parts.append((box((-a, -b, z), (a, b, z + t)), cover))
            z += t
    elif kind == "bottle":
        parts = [
            (frustum((0, 0, 0), 0.045, 0.045, 0.18, 12), colour),
            (frustum((0, 0, 0.18), 0.045, 0.015, 0.1, 12), colour),
        ]
    else:
        parts = [(frustum((0, 0, 0), 0.06, 0.14, 0.09, 16), m["ceramic"] if rng.uniform() < 0.5 else colour)]
    return Piece("clutter", parts)


def clutter_on(rng, style: Style, wide, deep, high, count: int) -> list[Piece]:
    """``count`` small things spread over a surface."""
    return [
        _at(
            thing(rng, style),
            (i + 0.5 - count / 2) * 0.7 * wide / max(count, 1),
            -deep * rng.uniform(0.35, 0.65),
            high,
        )
        for i in range(count)
    ]


def basket(rng, style: Style) -> list[Piece]:
    """Clutter on the floor: a crate, a basket, a ball or a pouf."""
    m, kind = style.materials, rng.choice(["crate", "basket", "ball", "pouf"])
    if kind == "crate":
        parts = [(box((-0.25, -0.45, 0), (0.25, 0, rng.uniform(0.25, 0.45))), m["wood2"])]
    elif kind == "basket":
        parts = [(frustum((0, -0.22, 0), 0.16, 0.21, 0.4, 18), m["pot"])]
    elif kind == "ball":
        parts = [(ellipsoid((0, -0.22, 0.2), (0.2, 0.2, 0.2)), mat.book_colours(rng, 1)[0])]
    else:
        parts = [(frustum((0, -0.28, 0), 0.26, 0.26, 0.38, 20), m["cloth2"])]
    return [Piece("clutter", parts)]
