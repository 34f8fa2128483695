"""Fixtures: baths, appliances, televisions and boards."""

from __future__ import annotations

import numpy as np

from studies.rooms import materials as mat
from studies.rooms.furniture_small import framed
from studies.rooms.furniture_storage import cabinet
from studies.rooms.materials import Style
from studies.rooms.meshes import box, frustum, quad, rotation_x
from studies.rooms.pieces import Piece


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
