"""Small furniture: lamps, plants, pictures, rugs, monitors and clutter."""

from __future__ import annotations

import numpy as np

from studies.rooms import materials as mat
from studies.rooms.materials import Material, Style
from studies.rooms.meshes import Mesh, box, ellipsoid, frustum, quad
from studies.rooms.pieces import Piece, placed


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
    return [placed(Piece("lamp", [*parts, _shade(style, stem, size)]), 0, -0.28)]


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
    return [placed(Piece("plant", parts), 0, -0.3 * s)]


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
        placed(
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
