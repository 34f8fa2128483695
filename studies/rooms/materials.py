"""Materials and the style of a building: which colours, textures and kinds of furniture it uses.

A material is a linear-light texture [S,S,3] that covers ``period`` metres, or one colour ([1,1,3]), with an
optional gloss, or a light's radiance. Colours go with materials as they do in houses (woods are brown, plants
green, baths white), which is what makes colour predictable from lightness.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from studies.rooms.colour import srgb_to_linear

SIDE = 64


@dataclass(frozen=True, eq=False)
class Material:
    """Reflectance texture (linear light, [S,S,3]) over ``period`` metres; ``gloss`` 0 or 1; ``radiance`` [3] or None."""

    texture: np.ndarray
    period: float = 1.0
    gloss: bool = False
    radiance: tuple[float, float, float] | None = None


def hsv(h: float, s: float, v: float) -> np.ndarray:
    """sRGB colour [3] of hue, saturation, value in [0,1] (hue wraps)."""
    return np.array(colorsys.hsv_to_rgb(h % 1.0, float(np.clip(s, 0, 1)), float(np.clip(v, 0, 1))))


def plain(colour: np.ndarray, gloss: bool = False) -> Material:
    """One sRGB colour."""
    return Material(srgb_to_linear(np.asarray(colour, float)).reshape(1, 1, 3), gloss=gloss)


def light(colour: np.ndarray, strength: float) -> Material:
    """An emitter of the given sRGB colour and radiance."""
    linear = srgb_to_linear(np.asarray(colour, float))
    return Material(np.full((1, 1, 3), 0.5), radiance=tuple(float(v) for v in linear * strength))


def _textured(amount: np.ndarray, low: np.ndarray, high: np.ndarray, period: float) -> Material:
    # amount [S,S] in [0,1] blends two sRGB colours
    mix = low + amount[..., None] * (high - low)
    return Material(srgb_to_linear(np.clip(mix, 0, 1)), period=period)


def _noise(rng, sigma) -> np.ndarray:
    field_ = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), sigma, mode="wrap")
    field_ = field_ / (field_.std() + 1e-9)
    return np.clip(0.5 + 0.22 * field_, 0, 1)


def wood(rng, colour, planks: int = 0, period: float = 1.2) -> Material:
    """Wood grain along u; ``planks`` > 0 lays boards with dark joints and differing shades."""
    amount = _noise(rng, (0.7, 9))
    if planks:
        board = (np.arange(SIDE) * planks) // SIDE
        amount = 0.5 * amount + 0.5 * rng.uniform(0, 1, planks)[board][:, None]
        joint = np.concatenate([[True], board[1:] != board[:-1]])
        amount[joint] = -0.9
    return _textured(amount, colour * 0.68, np.minimum(colour * 1.12, 1), period)


def tiles(rng, colour, other, count: int, checker: bool, period: float = 1.0) -> Material:
    """Square tiles with grout lines, one colour or a chequer board."""
    cell = (np.arange(SIDE) * count) // SIDE
    amount = ((cell[:, None] + cell[None]) % 2 if checker else np.ones((SIDE, SIDE))).astype(float)
    amount = np.clip(amount + 0.15 * (_noise(rng, 4) - 0.5), 0, 1)
    material = _textured(amount, other, colour, period)
    line = np.concatenate([[True], cell[1:] != cell[:-1]])
    grout = line[:, None] | line[None]
    texture = np.where(grout[..., None], material.texture * 0.45, material.texture)
    return Material(texture, period)


def bricks(rng, colour, period: float = 0.9) -> Material:
    """Courses of bricks with light mortar."""
    rows, per_row = 10, 4
    row = (np.arange(SIDE) * rows) // SIDE
    shift = (row % 2) * (SIDE // (2 * per_row))
    column = ((np.arange(SIDE)[None] + shift[:, None]) * per_row // SIDE) % per_row
    shade = rng.uniform(0, 1, (rows, per_row))[row[:, None], column]
    material = _textured(
        0.25 * _noise(rng, 1) + 0.75 * shade, colour * 0.7, np.minimum(colour * 1.15, 1), period
    )
    joint = np.zeros((SIDE, SIDE), bool)
    joint[np.concatenate([[True], row[1:] != row[:-1]])] = True
    joint |= column != np.roll(column, 1, axis=1)
    return Material(np.where(joint[..., None], 0.45, material.texture), period)


def fabric(rng, colour, kind: str, other=None, period: float = 0.5) -> Material:
    """Cloth: ``weave`` (fine noise), ``stripes``, ``plaid`` or ``dots``."""
    other = colour * 0.55 if other is None else other
    t = np.arange(SIDE) / SIDE
    stripe = ((t * 4) % 1 < 0.4).astype(float)
    if kind == "stripes":
        amount = np.tile(stripe[None], (SIDE, 1))
    elif kind == "plaid":
        amount = 0.5 * stripe[None] + 0.5 * stripe[:, None]
    elif kind == "dots":
        u, v = np.meshgrid((t * 3) % 1 - 0.5, (t * 3) % 1 - 0.5)
        amount = (np.hypot(u, v) > 0.27).astype(float)
    else:
        return _textured(_noise(rng, 0.6), colour * 0.75, np.minimum(colour * 1.1, 1), period)
    return _textured(np.clip(amount + 0.1 * (_noise(rng, 0.6) - 0.5), 0, 1), other, colour, period)


def marble(rng, colour, period: float = 1.5) -> Material:
    """Veined stone."""
    vein = 1 - np.exp(-((np.abs(_noise(rng, 5) - 0.5) / 0.05) ** 2)) * 0.6
    return _textured(vein, colour * 0.5, colour, period)


def painting(rng) -> Material:
    """An abstract picture: bands and blobs of a few hues, stretched over the canvas."""
    base = rng.uniform()
    canvas = np.tile(hsv(base, rng.uniform(0.1, 0.5), rng.uniform(0.6, 0.95)), (SIDE, SIDE, 1))
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    for _ in range(int(rng.integers(3, 7))):
        colour = hsv(base + rng.normal(0, 0.18), rng.uniform(0.3, 0.9), rng.uniform(0.15, 0.95))
        if rng.uniform() < 0.5:
            cy, cx, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.3)
            canvas[np.hypot(y - cy, x - cx) < r] = colour
        else:
            a, b = rng.normal(0, 1), rng.uniform(0, 1)
            canvas[y > b + a * (x - 0.5)] = colour
    return Material(srgb_to_linear(canvas), period=1.0)


@dataclass(frozen=True, eq=False)
class Style:
    """What a building has in common: materials by use and the kinds of its furniture."""

    materials: dict[str, Material] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def _wall(rng, hue, value):
    kind = rng.choice(["paint", "paint", "paint", "stripes", "noise", "bricks", "panel"])
    colour = hsv(hue, rng.uniform(0.03, 0.22), value)
    if kind == "stripes":
        return fabric(rng, colour, "stripes", colour * rng.uniform(0.8, 0.93), period=rng.uniform(0.8, 1.6))
    if kind == "noise":
        return _textured(_noise(rng, 3), colour * 0.88, np.minimum(colour * 1.05, 1), 1.5)
    if kind == "bricks":
        if rng.uniform() < 0.5:
            return bricks(rng, hsv(rng.uniform(0.02, 0.07), rng.uniform(0.35, 0.55), rng.uniform(0.55, 0.75)))
        return bricks(rng, hsv(0.1, 0.06, rng.uniform(0.75, 0.95)))
    if kind == "panel":
        return wood(rng, hsv(rng.uniform(0.06, 0.1), rng.uniform(0.2, 0.45), rng.uniform(0.6, 0.85)), 6, 0.9)
    return plain(colour)


def building_style(rng: np.random.Generator) -> Style:
    """A building's style drawn from ``rng``."""
    wood_hue = rng.uniform(0.05, 0.10)
    wood_a = hsv(wood_hue, rng.uniform(0.45, 0.7), rng.uniform(0.3, 0.62))
    wood_b = hsv(wood_hue + 0.01, rng.uniform(0.3, 0.55), rng.uniform(0.55, 0.85))
    hue = rng.choice([0.0, 0.04, 0.55, 0.58, 0.62, 0.33, 0.45, 0.13, 0.95])
    cloth_a = hsv(hue + rng.normal(0, 0.02), rng.uniform(0.35, 0.8), rng.uniform(0.35, 0.8))
    cloth_b = hsv(hue + rng.choice([0.08, -0.1, 0.45]), rng.uniform(0.2, 0.6), rng.uniform(0.5, 0.9))
    wall_hue = rng.choice([0.08, 0.1, 0.12, 0.13, 0.25, 0.55, 0.6])
    weave = rng.choice(["weave", "weave", "stripes", "plaid", "dots"])
    floor_wood = hsv(rng.uniform(0.055, 0.095), rng.uniform(0.4, 0.65), rng.uniform(0.4, 0.75))
    if rng.uniform() < 0.4:
        dry = fabric(
            rng,
            hsv(rng.uniform(0.05, 0.13), rng.uniform(0.12, 0.35), rng.uniform(0.4, 0.75)),
            "weave",
            period=0.4,
        )
    else:
        dry = wood(rng, floor_wood, int(rng.integers(5, 9)), rng.uniform(0.8, 1.2))
    wet_hue, wet_value = rng.uniform(0.5, 0.62), rng.uniform(0.6, 0.9)
    wet = hsv(wet_hue, rng.uniform(0.04, 0.3), wet_value)
    cabinet_paint = rng.uniform() < 0.35
    materials = {
        "wall": _wall(rng, wall_hue, rng.uniform(0.72, 0.95)),
        "wall2": _wall(rng, wall_hue + rng.normal(0, 0.05), rng.uniform(0.6, 0.92)),
        "wet_wall": tiles(
            rng,
            hsv(wet_hue, rng.uniform(0.03, 0.25), 0.92),
            wet,
            int(rng.integers(3, 6)),
            rng.uniform() < 0.25,
            rng.uniform(0.7, 1.2),
        ),
        "ceiling": plain(hsv(0.12, rng.uniform(0, 0.05), rng.uniform(0.88, 0.96))),
        "dry_floor": dry,
        "wet_floor": tiles(
            rng,
            wet,
            hsv(wet_hue, 0.15, wet_value * rng.uniform(0.35, 0.8)),
            int(rng.integers(2, 4)) * 2,
            rng.uniform() < 0.65,
            rng.uniform(1.2, 2.0),
        ),
        "wood": wood(rng, wood_a, period=0.8),
        "wood2": wood(rng, wood_b, period=0.8),
        "cabinet": plain(hsv(rng.choice([0.55, 0.33, 0.12]), rng.uniform(0.02, 0.3), rng.uniform(0.7, 0.95)))
        if cabinet_paint
        else wood(rng, wood_b if rng.uniform() < 0.5 else wood_a, period=1.0),
        "cloth": fabric(rng, cloth_a, weave),
        "cloth2": fabric(rng, cloth_b, rng.choice(["weave", "stripes", "dots"]), cloth_a),
        "linen": fabric(rng, hsv(rng.uniform(0, 1), rng.uniform(0, 0.08), rng.uniform(0.85, 0.97)), "weave"),
        "rug": fabric(
            rng,
            hsv(rng.choice([0.0, 0.02, 0.06, 0.6]), rng.uniform(0.4, 0.75), rng.uniform(0.4, 0.7)),
            rng.choice(["stripes", "plaid", "dots", "weave"]),
            period=rng.uniform(0.6, 1.2),
        ),
        "metal": plain(hsv(0.6, 0.04, rng.uniform(0.35, 0.75)), gloss=True),
        "dark": plain(hsv(0.62, 0.1, rng.uniform(0.06, 0.14)), gloss=True),
        "ceramic": plain(hsv(0.1, 0.02, 0.96), gloss=True),
        "appliance": plain(hsv(0.58, 0.03, rng.choice([0.95, 0.93, 0.6])), gloss=True),
        "stone": marble(rng, hsv(0.1, 0.05, rng.uniform(0.3, 0.95))),
        "leaf": fabric(
            rng,
            hsv(rng.uniform(0.24, 0.34), rng.uniform(0.5, 0.75), rng.uniform(0.22, 0.42)),
            "weave",
            period=0.25,
        ),
        "pot": plain(hsv(rng.uniform(0.03, 0.07), rng.uniform(0.4, 0.65), rng.uniform(0.5, 0.75))),
        "frame": plain(hsv(0.09, rng.choice([0.05, 0.5]), rng.choice([0.15, 0.5, 0.95]))),
        "door": wood(rng, wood_b if rng.uniform() < 0.6 else np.array([0.93, 0.92, 0.9]), period=1.0),
        "shade": light(hsv(rng.uniform(0.08, 0.12), rng.uniform(0.25, 0.5), 1.0), rng.uniform(2.0, 4.0)),
        "ceiling_light": light(hsv(0.1, rng.uniform(0.02, 0.2), 1.0), rng.uniform(5.0, 9.0)),
        "sky": light(hsv(rng.uniform(0.53, 0.6), rng.uniform(0.1, 0.35), 1.0), rng.uniform(3.0, 6.5)),
        "outside": light(hsv(rng.uniform(0.25, 0.35), rng.uniform(0.35, 0.6), 0.6), rng.uniform(2.0, 3.5)),
    }
    kinds = {
        "leg": str(rng.choice(["square", "round", "panel"])),
        "table": str(rng.choice(["square", "round"])),
        "chair": str(rng.choice(["solid", "slats", "stool_back"])),
        "sofa": str(rng.choice(["boxy", "low", "rounded"])),
        "bed": str(rng.choice(["board", "posts", "low"])),
        "lamp": str(rng.choice(["cone", "drum", "ball"])),
        "plant": str(rng.choice(["bush", "blades", "tree"])),
        "window": str(rng.choice(["grid", "plain", "tall"])),
        "cabinet": str(rng.choice(["doors", "drawers", "mixed"])),
        "bath": str(rng.choice(["box", "rounded"])),
    }
    numbers = {"height": float(rng.uniform(2.4, 3.1)), "scale": float(rng.uniform(0.93, 1.1))}
    return Style(materials, kinds, numbers)


_COVERS = tuple(
    plain(hsv(h, s, v))
    for h, s, v in zip(
        np.random.default_rng(7).uniform(0, 1, 24),
        np.random.default_rng(8).uniform(0.15, 0.6, 24),
        np.random.default_rng(9).uniform(0.2, 0.75, 24),
    )
)


def book_colours(rng, count: int) -> list[Material]:
    """Covers of books and small things: ``count`` of two dozen muted colours of any hue."""
    return [_COVERS[i] for i in rng.choice(len(_COVERS), count)]
