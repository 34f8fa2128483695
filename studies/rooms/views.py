"""One picture of a split from its number alone: scene, camera, arrays."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from studies.rooms import tracing
from studies.rooms.camera import Camera, candidates
from studies.rooms.categories import CATEGORY_ID, ROOM_TYPE_ID
from studies.rooms.scene import room_scene, seeded
from studies.rooms.tasks import IMAGE_SIZE
from tfattr.errors import SettingsError

#: Path-tracing samples a pixel.
SAMPLES = 16
#: Pictures of one room: other cameras, other light, the same furniture.
VIEWS_PER_ROOM = 2


@dataclass(frozen=True)
class Split:
    """A set of buildings that no other split has: ``buildings`` x ``images`` pictures."""

    name: str
    buildings: int
    images: int

    @property
    def count(self) -> int:
        """Pictures in the split."""
        return self.buildings * self.images


SPLITS = {
    s.name: s
    for s in (
        Split("train", 80, 50),
        Split("val", 12, 42),
        Split("test", 8, 50),
        Split("probe", 5, 40),
        Split("train_b", 80, 25),
    )
}


def split_named(name: str) -> Split:
    """The split called ``name``; raises SettingsError with the known names otherwise."""
    if name not in SPLITS:
        raise SettingsError(f"There is no rooms split {name!r}; the splits are {', '.join(SPLITS)}.")
    return SPLITS[name]


@functools.lru_cache(maxsize=1)
def _room(split: str, building: int, room: int, view: int):
    scene = room_scene(split, building, room, view)
    return scene, tracing.load(scene)


def view_faults(maps: dict[str, np.ndarray]) -> float:
    """How badly a view shows its room: 0 is fine. Nearness of things, an empty or a walled-up picture."""
    near = float(np.percentile(maps["depth"].astype(np.float32), 10))
    shell = np.isin(maps["category"], [CATEGORY_ID[c] for c in ("wall", "floor", "ceiling")]).mean()
    floor = (maps["category"] == CATEGORY_ID["floor"]).mean() + (
        maps["category"] == CATEGORY_ID["rug"]
    ).mean()
    largest = 0.0
    for instance in np.unique(maps["instance"]):
        here = maps["instance"] == instance
        if maps["category"][here][0] not in (CATEGORY_ID["wall"], CATEGORY_ID["floor"]):
            largest = max(largest, float(here.mean()))
    _, share = tracing.dominant(maps["category"], maps["instance"])
    return (
        max(0.0, 0.6 - near)
        + max(0.0, 0.25 - shell)
        + max(0.0, shell - 0.85)
        + max(0.0, largest - 0.5)
        + max(0.0, 0.04 - float(floor)) * 2
        + max(0.0, 0.03 - share) * 4
    )


def image_record(
    split: str, index: int, size: int = IMAGE_SIZE, samples: int = SAMPLES
) -> dict[str, np.ndarray]:
    """The arrays of picture ``index`` of a room split, without the batch axis (see :mod:`studies.rooms.labels`).

    Depends on (split, index) alone: the same on every run with the same mitsuba.
    """
    spec = split_named(split)
    if not 0 <= index < spec.count:
        raise SettingsError(f"Split {split} has pictures 0 to {spec.count - 1}; {index} was asked for.")
    building, number = divmod(index, spec.images)
    room, view = divmod(number, VIEWS_PER_ROOM)
    scene, loaded = _room(split, building, room, view)
    rng = seeded("view", split, building, number)
    best: tuple[float, Camera, dict[str, np.ndarray]] | None = None
    for camera in candidates(rng, scene, 6):
        maps = tracing.geometry(loaded, camera, size)
        faults = view_faults(maps)
        if best is None or faults < best[0]:
            best = (faults, camera, maps)
        if faults == 0:
            break
    if best is None:
        raise SettingsError(f"Room {room} of building {building} ({split}) offers no view.")
    _, camera, maps = best
    rgb = tracing.picture(loaded, camera, maps, seed=1000 + number, spp=samples, rng=rng)
    name, _ = tracing.dominant(maps["category"], maps["instance"])
    return {
        "rgb": rgb,
        **maps,
        "room_type": np.uint8(ROOM_TYPE_ID[scene.room_type]),
        "dominant": np.uint8(name),
        "K": camera.intrinsics(size).astype(np.float32),
        "rotation": camera.rotation.astype(np.float32),
        "position": camera.position.astype(np.float32),
        "room": scene.room.astype(np.float32),
        "building": np.int32(building),
        "image_id": np.str_(f"{split}_b{building:02d}_{number:03d}"),
    }
