"""The twenty tasks of the rooms world: Taskonomy's single-image tasks by name and in their order.

Source: Zamir et al., "Taskonomy: Disentangling Task Transfer Learning", CVPR 2018 (task dictionary and
supplementary material); the task names are those of the published task bank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studies.rooms import labels
from studies.rooms.categories import CATEGORIES, OBJECTS, ROOM_TYPES
from tfattr.errors import SettingsError

#: Side of a rendered image, pixels.
IMAGE_SIZE = 64

#: What ``inpainting_whole`` does not see: top, bottom, left, right (bottom and right exclusive), pixels.
CENTRE_HOLE = (16, 48, 16, 48)


@dataclass(frozen=True)
class Task:
    """One task: what the network sees, what it predicts, and how the label is computed.

    ``kind`` says how ``label`` is laid out:

    - ``dense``: float32 [N,64,64,channels], values in ``range``; regression.
    - ``segmentation``: int32 [N,64,64], ids in [0, channels).
    - ``classification``: int32 [N], ids in [0, channels).
    - ``vector``: float32 [N,channels], of order one (layout standardised, vanishing directions unit vectors).

    ``input`` names the network input (see :mod:`studies.rooms.inputs`): ``low_sat`` (clip to [.1,.9]),
    ``plain``, ``L`` (lightness only, 1 channel), ``noisy`` (low_sat of a noisy picture), ``hole`` (plain
    with the centre square at 0).
    """

    name: str
    kind: str
    channels: int
    input: str
    group: str
    label: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    range: tuple[float, float] | None = None

    @property
    def input_channels(self) -> int:
        """Channels of the network input: 1 for lightness, else 3."""
        return 1 if self.input == "L" else 3


def _dense(name, channels, group, label, low, high, source="low_sat"):
    return Task(name, "dense", channels, source, group, label, (low, high))


_ALL = (
    _dense("autoencoder", 3, "2D", labels.autoencoder, -1.0, 1.0),
    _dense("curvature", 2, "3D", labels.curvature, -1.0, 1.0),
    _dense("denoise", 3, "2D", labels.autoencoder, -1.0, 1.0, "noisy"),
    _dense("edge2d", 1, "2D", labels.edge2d, 0.0, 1.0),
    _dense("edge3d", 1, "3D", labels.edge3d, 0.0, 1.0),
    _dense("keypoint2d", 1, "2D", labels.keypoint2d, 0.0, 1.0),
    _dense("keypoint3d", 1, "3D", labels.keypoint3d, 0.0, 1.0),
    _dense("colorization", 2, "2D", labels.colorization, -1.0, 1.0, "L"),
    _dense("reshade", 1, "3D", labels.reshade, 0.0, 1.0),
    _dense("rgb2depth", 1, "3D", labels.rgb2depth, 0.0, 1.0),
    _dense("rgb2mist", 1, "3D", labels.rgb2mist, 0.0, 1.0),
    _dense("rgb2sfnorm", 3, "3D", labels.rgb2sfnorm, -1.0, 1.0),
    Task("room_layout", "vector", 9, "low_sat", "geometric", labels.room_layout),
    _dense("segment25d", labels.AFFINITY_CHANNELS, "3D", labels.segment25d, 0.0, 1.0),
    _dense("segment2d", labels.AFFINITY_CHANNELS, "2D", labels.segment2d, 0.0, 1.0),
    Task("vanishing_point", "vector", 9, "plain", "geometric", labels.vanishing_point),
    Task("segmentsemantic", "segmentation", len(CATEGORIES), "plain", "semantic", labels.segmentsemantic),
    Task("class_1000", "classification", len(OBJECTS), "plain", "semantic", labels.class_1000),
    Task("class_places", "classification", len(ROOM_TYPES), "plain", "semantic", labels.class_places),
    _dense("inpainting_whole", 3, "2D", labels.autoencoder, -1.0, 1.0, "hole"),
)

#: The tasks by name, in Taskonomy's order (the order of every matrix).
TASKS: dict[str, Task] = {task.name: task for task in _ALL}

TASK_NAMES: tuple[str, ...] = tuple(TASKS)


def task(name: str) -> Task:
    """The task called ``name``; raises SettingsError with the known names otherwise."""
    if name not in TASKS:
        raise SettingsError(f"There is no rooms task {name!r}; the tasks are {', '.join(TASK_NAMES)}.")
    return TASKS[name]
