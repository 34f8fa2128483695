"""A picture of pictures: a few images beside all twenty labels.

``python -m studies.rooms.contact_sheet --data DIR --split val --out sheet.png``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.rooms import labels
from studies.rooms.categories import OBJECTS, ROOM_TYPES
from studies.rooms.dataset import load
from studies.rooms.inputs import network_input
from studies.rooms.tasks import TASKS, Task
from tfattr.errors import TfattrError


def label_picture(task: Task, label: np.ndarray) -> np.ndarray | None:
    """One label [64,64,...] as a displayable array (RGB in [0,1] or one channel), None for numbers and classes."""
    if task.kind == "segmentation":
        return label / (task.channels - 1)
    if task.kind != "dense":
        return None
    low, high = task.range
    unit = np.clip((label - low) / (high - low), 0, 1)
    if task.channels in (1, 3):
        return unit.squeeze(-1) if task.channels == 1 else unit
    if task.channels == 2:
        return np.concatenate([unit, np.full_like(unit[..., :1], 0.5)], axis=-1)
    # affinities: two short-range directions and one long-range one
    return unit[..., [0, 1, 6]]


def label_text(task: Task, label: np.ndarray) -> str:
    """A number or class label in words."""
    if task.name == "class_1000":
        return OBJECTS[int(label)]
    if task.name == "class_places":
        return ROOM_TYPES[int(label)].replace("_", " ")
    if task.name == "room_layout":
        raw = label * labels.LAYOUT_SCALE + labels.LAYOUT_OFFSET
        degrees = np.degrees(raw)
        return (
            f"front wall\nat {degrees[0]:+.0f} {degrees[1]:+.0f}, {np.exp(raw[2]):.1f} m\n"
            f"{degrees[3]:.0f} x {degrees[4]:.0f}\nheight {np.exp(raw[5]):.1f} m\n"
            f"yaw {degrees[6]:.0f} pitch {degrees[7]:.0f}\nroll {degrees[8]:.0f}"
        )
    return "\n".join("{:+.2f} {:+.2f} {:+.2f}".format(*row) for row in label.reshape(3, 3))


def _show(axis, task: Task, label: np.ndarray, rgb: np.ndarray) -> None:
    shown = label_picture(task, label)
    if task.input in ("noisy", "hole"):
        # the label is the picture itself: the input says more
        shown = (network_input(rgb[None], task.input, np.random.default_rng(0))[0] + 1) / 2
    if shown is None:
        text = label_text(task, label)
        axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=7, transform=axis.transAxes)
    elif task.kind == "segmentation":
        axis.imshow(shown, cmap="tab20", vmin=0, vmax=1)
    else:
        # one channel is stretched to its own range: depths of a room fill a third of the scale
        axis.imshow(shown, cmap="viridis", vmin=shown.min(), vmax=shown.max())


def contact_sheet(data: str | Path, split: str, images: Sequence[int]):
    """A matplotlib figure of ``images`` (numbers in the split): two rows an image, the picture and its 20 labels."""
    from matplotlib.figure import Figure

    arrays = load(data, split, limit=max(images) + 1)
    columns = 11
    figure = Figure(figsize=(1.25 * columns, 2.8 * len(images)))
    axes = figure.subplots(2 * len(images), columns, squeeze=False)
    for row, index in enumerate(images):
        cells = axes[2 * row : 2 * row + 2].ravel()
        cells[0].imshow(arrays["rgb"][index])
        cells[0].set_title(str(arrays["image_id"][index]), fontsize=7, pad=2)
        for cell, (name, task) in zip(cells[1:], TASKS.items()):
            _show(cell, task, arrays[name][index], arrays["rgb"][index])
            cell.set_title(name, fontsize=7, pad=2)
        cells[-1].axis("off")
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
    figure.subplots_adjust(left=0.005, right=0.995, top=0.985, bottom=0.005, wspace=0.04, hspace=0.16)
    return figure


def main(argv: Sequence[str] | None = None) -> int:
    """The module's command line."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.rooms.contact_sheet", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--split", default="val")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 12, 23, 34, 45, 56])
    parser.add_argument("--out", required=True, help="PNG to write")
    args = parser.parse_args(argv)
    try:
        figure = contact_sheet(args.data, args.split, args.images)
    except TfattrError as error:
        print(error, file=sys.stderr)
        return 2
    temporary = f"{args.out}.{os.getpid()}.png"
    figure.savefig(temporary, dpi=150)
    os.replace(temporary, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
