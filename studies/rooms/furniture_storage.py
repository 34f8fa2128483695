"""Storage: cabinets, wardrobes, bookcases, shelves and kitchen counters."""

from __future__ import annotations

from studies.rooms import materials as mat
from studies.rooms.furniture_small import clutter_on, table_lamp
from studies.rooms.materials import Material, Style
from studies.rooms.meshes import Mesh, box, frustum
from studies.rooms.pieces import Piece, placed


def fronts(rng, style: Style, wide, deep, low, high, columns, kind=None) -> list[tuple[Mesh, Material]]:
    """Door or drawer fronts with handles on the face at y = -deep, between heights low and high."""
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
    body += fronts(rng, style, wide, deep, 0.07, high - 0.02, max(2, round(wide / 0.5)), kind)
    pieces = [Piece("cabinet", body)]
    if high < 1.2:
        pieces += clutter_on(rng, style, wide, deep, high, int(rng.integers(0, 3)))
        if rng.uniform() < 0.4:
            pieces.append(placed(table_lamp(rng, style), rng.uniform(-0.3, 0.3) * wide, -deep / 2, high))
    return pieces


def nightstand(rng, style: Style) -> list[Piece]:
    """A small cabinet with a lamp."""
    pieces = [p for p in cabinet(rng, style, 0.45, 0.5, 0.38, "drawers") if p.category == "cabinet"]
    return [*pieces, placed(table_lamp(rng, style), 0, -0.19, 0.5)]


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


def counter(rng, style: Style, wide=None, sink: bool = False) -> list[Piece]:
    """A kitchen worktop over cabinets, with wall cabinets above and by choice a sink."""
    m, deep, high = style.materials, 0.6, 0.88
    wide = rng.uniform(1.2, 2.2) if wide is None else wide
    body = [
        (box((-wide / 2, -deep + 0.03, 0.08), (wide / 2, 0, high - 0.04)), m["cabinet"]),
        (box((-wide / 2, -deep, high - 0.04), (wide / 2, 0, high)), m["stone"]),
    ]
    columns = max(2, round(wide / 0.5))
    body += fronts(rng, style, wide, deep - 0.03, 0.1, high - 0.06, columns)
    if rng.uniform() < 0.75:
        body.append((box((-wide / 2, -0.33, 1.45), (wide / 2, 0, 2.05)), m["cabinet"]))
        body += fronts(rng, style, wide, 0.33, 1.47, 2.03, columns, "doors")
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
