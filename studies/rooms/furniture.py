"""Furniture: functions from a generator and a style to pieces.

A piece stands on the floor with the middle of its back at the origin: width along x, depth along -y (its front
looks to -y), height along z, metres. What it carries (a lamp on a table, a monitor on a desk) is a piece of its
own, so that it gets its own category.
"""

from __future__ import annotations

from studies.rooms.furniture_fixtures import (
    bathtub,
    board,
    fridge,
    stove,
    television,
    toilet,
    washbasin,
    washer,
)
from studies.rooms.furniture_seats import bed, chair, desk, office_chair, sofa, table
from studies.rooms.furniture_small import (
    basket,
    clutter_on,
    floor_lamp,
    framed,
    monitor,
    pendant,
    picture,
    plant,
    rug,
    table_lamp,
    thing,
)
from studies.rooms.furniture_storage import bookcase, cabinet, counter, nightstand, wall_shelf
from studies.rooms.pieces import Piece

__all__ = [
    "Piece",
    "basket",
    "bathtub",
    "bed",
    "board",
    "bookcase",
    "cabinet",
    "chair",
    "clutter_on",
    "counter",
    "desk",
    "floor_lamp",
    "framed",
    "fridge",
    "monitor",
    "nightstand",
    "office_chair",
    "pendant",
    "picture",
    "plant",
    "rug",
    "sofa",
    "stove",
    "table",
    "table_lamp",
    "television",
    "thing",
    "toilet",
    "wall_shelf",
    "washbasin",
    "washer",
]
