"""Affinity in parts: some shards of all models to a partial state; states merge to the whole, to the bit."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

import numpy as np

from tfattr.affinity import AffinityState, affinity_from_records
from tfattr.affinity.measures import find_measure
from tfattr.affinity.state import DroppedMap
from tfattr.io import atomic_write
from tfattr.records import find_shards, map_directory
from tfattr.runs.timing import Stopwatch

_MOST_PARTS = 16  # of an entry


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared: the maps of ``models`` in the run ``out``, on its images ``ids``.

    ``entries``: pairs of a method and the name of the measure that its maps are compared by.
    """

    out: Path
    models: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    grid: tuple[int, int] | None = None
    keep_images: bool = False

    def map_dirs(self, method: str) -> dict[str, Path]:
        return {model: map_directory(self.out, model, method) for model in self.models}


@dataclasses.dataclass(frozen=True)
class Part:
    """Shards of one of the comparison's entries, given by its number."""

    entry: int
    shards: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Partial:
    """The state of a part, and the processor seconds that it took."""

    state: AffinityState
    core_s: float


def parts_of(comparison: Comparison) -> list[Part]:
    """The whole comparison in parts.

    Raises:
        RecordsError: a method has no shards.
    """
    parts = []
    for number, (method, _) in enumerate(comparison.entries):
        count = len(find_shards(comparison.map_dirs(method)[comparison.models[0]]))
        shards = np.array_split(np.arange(count), min(count, _MOST_PARTS))
        parts += [Part(number, tuple(map(int, some))) for some in shards]
    return parts


def partial_of(part: Part, comparison: Comparison) -> tuple[int, Partial]:
    """A part computed, by its entry's number."""
    method, measure = comparison.entries[part.entry]
    with Stopwatch() as watch:
        state = affinity_from_records(
            comparison.map_dirs(method),
            ids=comparison.ids,
            grid=comparison.grid,
            shards=part.shards,
            keep_images=comparison.keep_images,
            measure=measure,
        )
    return part.entry, Partial(state, watch.core)


def merged(partials: Iterable[Partial]) -> Partial:
    """One of several; their order does not matter."""
    return reduce(lambda one, two: Partial(one.state.merge(two.state), one.core_s + two.core_s), partials)


def in_order(state: AffinityState, ids: Iterable[str]) -> AffinityState:
    """The state with its lists as one process would have made them, image by image."""
    at = {image: number for number, image in enumerate(ids)}
    model_at = {model: number for number, model in enumerate(state.models)}
    dropped = sorted(state.dropped, key=lambda one: (at[one.image], model_at[one.model]))
    kept = None if state.kept is None else {image: state.kept[image] for image in at if image in state.kept}
    return dataclasses.replace(state, dropped=dropped, kept=kept)


def save_partial(numbered: tuple[int, Partial], folder: str | os.PathLike[str]) -> None:
    """Writes ``<folder>/<entry's number>.npz``, plain arrays without pickles."""
    number, partial = numbered
    state = partial.state
    kept = state.kept or {}
    with atomic_write(Path(folder) / f"{number}.npz") as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            models=np.array(state.models, dtype=str),
            grid=np.array(state.grid or (0, 0), np.int64),
            total=state.total,
            counts=state.counts,
            images=state.images,
            dropped=np.array(state.dropped, dtype=str).reshape(-1, 3),
            kept_images=np.array(list(kept), dtype=str),
            kept=np.array(list(kept.values()), np.float32),
            keeps=state.kept is not None,
            measure=state.measure.name,
            core_s=partial.core_s,
        )


def load_partial(folder: str | os.PathLike[str], number: int) -> Partial:
    """Reads what :func:`save_partial` wrote."""
    with np.load(Path(folder) / f"{number}.npz", allow_pickle=False) as file:
        grid = tuple(map(int, file["grid"]))
        state = AffinityState(
            models=tuple(map(str, file["models"])),
            grid=grid if all(grid) else None,
            total=file["total"],
            counts=file["counts"],
            images=int(file["images"]),
            dropped=[DroppedMap(*map(str, row)) for row in file["dropped"]],
            kept=dict(zip(map(str, file["kept_images"]), file["kept"])) if file["keeps"] else None,
            measure=find_measure(str(file["measure"])),
        )
        return Partial(state, float(file["core_s"]))
