"""Which encoders the rooms zoo holds, and how each is trained."""

from __future__ import annotations

from dataclasses import dataclass

from studies.rooms.tasks import TASKS, Task
from tfattr.errors import SettingsError

#: Regression losses by task; Taskonomy's are l1 for pictures and maps, l2 for curvatures. The sparse maps
#: (edges, keypoints, affinities) take l2 too: the median of a sparse map is its background.
_L1 = frozenset({"autoencoder", "denoise", "inpainting_whole", "rgb2depth", "rgb2mist", "rgb2sfnorm"})

#: Tasks that are trained on mirrored pictures too (those that overfit without), with what the mirror multiplies each number of the label
#: by: the vanishing points' x components (and the sign of the right axis, which stays right), the room
#: wall's azimuth, yaw and roll. Classes and scalar maps do not change.
MIRROR_SIGNS: dict[str, tuple[int, ...]] = {
    "colorization": (),
    "curvature": (),
    "reshade": (),
    "segmentsemantic": (),
    "class_1000": (),
    "class_places": (),
    "vanishing_point": (-1, 1, 1, 1, -1, -1, -1, 1, 1),
    "room_layout": (-1, 1, 1, 1, 1, 1, -1, 1, -1),
}


#: Tasks whose pictures get random contrast and colour casts while training, and whose head drops units: nine
#: numbers a picture are learnt by heart otherwise.
_REGULARISED = frozenset({"room_layout"})


@dataclass(frozen=True)
class Entry:
    """One encoder of the zoo.

    name: folder and model name; task: a name of ``TASKS``; arch: a name of ``networks.ARCHS``; split: the
    buildings that it is trained on; seed: of the initial weights, the data order and the noise; steps:
    batches of ``batch`` images; rate: Adam's first learning rate, which falls to 0 as a cosine.
    """

    name: str
    task: str
    seed: int
    arch: str = "resnet"
    split: str = "train"
    steps: int = 1000
    batch: int = 32
    rate: float = 3e-3

    @property
    def spec(self) -> Task:
        """The task's definition."""
        return TASKS[self.task]

    @property
    def prefix(self) -> str:
        """Scope in front of the encoder's variables: ``feedforward`` for the four feed-forward tasks."""
        return "feedforward" if self.spec.kind in ("classification", "vector") else ""

    @property
    def loss(self) -> str:
        """``l1``, ``l2`` or ``softmax``."""
        if self.spec.kind in ("classification", "segmentation"):
            return "softmax"
        return "l1" if self.task in _L1 else "l2"

    @property
    def mirrored(self) -> bool:
        """Whether half of the training pictures are shown mirrored."""
        return self.task in MIRROR_SIGNS

    @property
    def regularised(self) -> bool:
        """Whether training pictures get random contrast and colour casts."""
        return self.task in _REGULARISED

    @property
    def keep(self) -> float:
        """Share of the hidden units of a vector or class head that training keeps."""
        return 0.5 if self.regularised or self.loss == "softmax" else 1.0


#: What one picture teaches decides how long a task trains: a map has thousands of numbers, a class one.
_BUDGET = {
    "dense": {},
    "segmentation": {},
    "classification": {"steps": 1500, "rate": 2e-3},
    "vector": {"steps": 3500, "rate": 2e-3},
}
#: Tasks that the budget of their kind leaves short.
_LONGER = {"reshade": {"steps": 2000}, "curvature": {"steps": 2500}, "colorization": {"steps": 2500}}


def _plan() -> dict[str, Entry]:
    entries = [
        Entry(name, name, seed=100 + number, **{**_BUDGET[task.kind], **_LONGER.get(name, {})})
        for number, (name, task) in enumerate(TASKS.items())
    ]
    # the same task again: other buildings twice, another architecture once
    entries += [
        Entry("autoencoder_b", "autoencoder", seed=200, split="train_b"),
        Entry("rgb2sfnorm_b", "rgb2sfnorm", seed=201, split="train_b"),
        Entry("rgb2depth_plain", "rgb2depth", seed=202, arch="plain"),
    ]
    return {entry.name: entry for entry in entries}


#: Every encoder of the zoo by name: the twenty tasks in Taskonomy's order, then the repeated ones.
ENTRIES: dict[str, Entry] = _plan()


def entry(name: str) -> Entry:
    """The entry called ``name``; raises SettingsError with the known names otherwise."""
    if name not in ENTRIES:
        raise SettingsError(f"There is no rooms encoder {name!r}; the encoders are {', '.join(ENTRIES)}.")
    return ENTRIES[name]
