"""What a rendered pixel, object or room can be called: the label vocabularies of the rooms world."""

from __future__ import annotations

#: Per-pixel categories of ``segmentsemantic``, by id (uint8 in the shards).
CATEGORIES = (
    "background",
    "wall",
    "floor",
    "ceiling",
    "window",
    "door",
    "rug",
    "clutter",
    "bed",
    "table",
    "chair",
    "sofa",
    "cabinet",
    "shelf",
    "lamp",
    "plant",
    "bath",
    "screen",
    "appliance",
    "picture",
)

#: Categories that can be the dominant object of an image: the classes of ``class_1000``, in order.
OBJECTS = CATEGORIES[8:]

#: Room types: the classes of ``class_places``, in order.
ROOM_TYPES = (
    "bathroom",
    "bedroom",
    "classroom",
    "dining_room",
    "kitchen",
    "library",
    "living_room",
    "office",
)

CATEGORY_ID = {name: i for i, name in enumerate(CATEGORIES)}
OBJECT_ID = {name: i for i, name in enumerate(OBJECTS)}
ROOM_TYPE_ID = {name: i for i, name in enumerate(ROOM_TYPES)}
