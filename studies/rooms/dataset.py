"""Reads rendered splits and computes the tasks' labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.rooms.tasks import TASK_NAMES, task
from tfattr.errors import SettingsError

_CHUNK = 200


def shards(data: str | Path, split: str) -> list[Path]:
    """The shards of a split in order; raises SettingsError when there are none."""
    found = sorted((Path(data) / split).glob("shard-*.npz"))
    if not found:
        raise SettingsError(
            f"No rendered pictures in {Path(data) / split}; render them with: "
            f"python -m studies.rooms.render --data {data} --splits {split}"
        )
    return found


def load(
    data: str | Path, split: str, tasks: Sequence[str] = TASK_NAMES, limit: int | None = None
) -> dict[str, np.ndarray]:
    """Pictures and labels of a split.

    Returns ``rgb`` uint8 [N,64,64,3], ``building`` int32 [N], ``image_id`` strings [N], and for each of
    ``tasks`` its label array (see :class:`studies.rooms.tasks.Task`); ``limit`` takes the first pictures only.
    Labels are computed here, 200 pictures at a time. Raises SettingsError for an unknown task or a split that
    was not rendered.
    """
    wanted = [task(name) for name in tasks]
    out: dict[str, list[np.ndarray]] = {name: [] for name in ("rgb", "building", "image_id", *tasks)}
    count = 0
    for path in shards(data, split):
        arrays = read_shard(path)
        total = len(arrays["rgb"]) if limit is None else min(len(arrays["rgb"]), limit - count)
        for start in range(0, total, _CHUNK):
            part = {key: value[start : min(start + _CHUNK, total)] for key, value in arrays.items()}
            for name in ("rgb", "building", "image_id"):
                out[name].append(part[name])
            for one in wanted:
                out[one.name].append(one.label(part))
        count += total
        if limit is not None and count >= limit:
            break
    return {name: np.concatenate(parts) for name, parts in out.items()}


def read_shard(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of one shard; raises SettingsError when the file is not a whole shard."""
    try:
        with np.load(path) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SettingsError(
            f"{path} is not a readable shard of rooms ({error}); delete it and render again."
        ) from error
