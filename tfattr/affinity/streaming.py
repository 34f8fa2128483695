"""Affinity from records: the shards of all models read in lockstep, one image at a time, while another is compared."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from tfattr.affinity.measures import DEFAULT_MEASURE, Measure
from tfattr.affinity.state import AffinityState
from tfattr.errors import RecordsError, SettingsError
from tfattr.records import expected_record_key, find_shards, parse_shard_name

if TYPE_CHECKING:
    from tfattr.records import MapRecord

_COMPARING = 1  # threads, each with an image; two and the one that reads would wait for each other


def affinity_from_records(
    directories: Mapping[str, str | os.PathLike[str]],
    *,
    ids: Sequence[str] | None = None,
    grid: tuple[int, int] | int | None = None,
    shards: Iterable[int] | None = None,
    progress: Callable[[int], object] | None = None,
    keep_images: bool = False,
    measure: str | Measure = DEFAULT_MEASURE,
) -> AffinityState:
    """Streams the maps of all models, of one method, into an :class:`AffinityState`.

    Args:
        directories: per model, the folder of its maps (:func:`tfattr.records.map_directory`). In a run's
            directory the records must carry the mark that its ``run.json`` asks for.
        ids: the run's probe image ids in order; the records are checked against them, not if None.
        grid: size to compare at, see :func:`tfattr.affinity.common_grid`.
        shards: numbers of the shards to read, all if None; states of a partition merge to the whole.
        progress: called with 1 after each image (``tqdm.update`` fits).
        keep_images: also keep each image's own comparisons in the state.
        measure: how maps compare: a registered measure's name, or a measure.

    Returns:
        The state; the maps of three images, of all models, are all that is in memory at a time.

    Raises:
        RecordsError: missing or damaged shards, shards of another run, or models whose records are of
            different images.
        SettingsError: no model, a bad grid, no such measure, or no such shard.
    """
    state = AffinityState.empty(list(directories), grid, keep_images, measure)
    fill_states([state], directories, ids=ids, shards=shards, progress=progress)
    return state


def fill_states(
    states: Sequence[AffinityState],
    directories: Mapping[str, str | os.PathLike[str]],
    *,
    ids: Sequence[str] | None = None,
    shards: Iterable[int] | None = None,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Streams the maps once into states of several measures; see :func:`affinity_from_records`."""
    files = {model: find_shards(directory) for model, directory in directories.items()}
    counts = {model: len(paths) for model, paths in files.items()}
    first = next(iter(counts))
    for model, count in counts.items():
        if count != counts[first]:
            raise RecordsError(
                f"{directories[model]}: found {count} shards, expected {counts[first]} as for {first}; "
                "compute the maps of all models in one run"
            )
    chosen = range(counts[first]) if shards is None else list(shards)
    wrong = [shard for shard in chosen if not 0 <= shard < counts[first]]
    if wrong:
        raise SettingsError(f"there is no shard {wrong[0]}; the maps are in {counts[first]} shards")
    record_keys = {model: expected_record_key(directory) for model, directory in directories.items()}
    spare: list[np.ndarray] = []
    images = (
        each
        for shard in chosen
        for each in _lockstep(
            {model: paths[shard] for model, paths in files.items()}, ids, record_keys, spare
        )
    )
    seen = 0
    for _ in _compared(states, images, spare):
        seen += 1
        if progress is not None:
            progress(1)
    if shards is None and ids is not None and seen != len(ids):
        raise RecordsError(
            f"{directories[first]}: holds {seen} maps, expected {len(ids)}; run `tfattr attribute` again"
        )


def _compared(
    states: Sequence[AffinityState], images: Iterator[tuple[str, np.ndarray | list]], spare: list[np.ndarray]
) -> Iterator[str]:
    """Adds every image to every state, in order; yields its id. This thread reads while another compares."""
    waiting: deque[tuple[np.ndarray | list, str, list[Future]]] = deque()

    def added() -> str:
        maps, image, futures = waiting.popleft()
        for state, future in zip(states, futures):
            state.add(future.result())
        if isinstance(maps, np.ndarray):
            spare.append(maps)
        return image

    # Threads of the matrix products beside ours would only get in their way.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(_COMPARING) as pool:
        for image, maps in islice(images, 1):  # it settles the grid
            for state in states:
                state.update(maps, image)
            yield image
        for image, maps in images:
            waiting.append((maps, image, [pool.submit(state.compare, maps, image) for state in states]))
            if len(waiting) > _COMPARING:
                yield added()
        while waiting:
            yield added()


def _lockstep(
    shards: Mapping[str, Path],
    ids: Sequence[str] | None,
    record_keys: Mapping[str, str | None],
    spare: list[np.ndarray],
) -> Iterator[tuple[str, np.ndarray | list]]:
    """Yields (image id, stored maps), one map from each shard; the shards must be of the same images.

    The stored maps are taken without their scales: no measure depends on them.
    """
    from tfattr.records import read_shard  # needs TensorFlow

    whole: np.ndarray | None = None  # of one image, where the next maps are read to

    def reader(position: int, model: str) -> Iterator[MapRecord]:
        place = lambda: None if whole is None else whole[position]  # noqa: E731
        return read_shard(shards[model], record_key=record_keys[model], place=place)

    (leading, *others) = [reader(position, model) for position, model in enumerate(shards)]
    first, *paths = shards.values()
    for leader in leading:
        if ids is not None and (leader.index >= len(ids) or ids[leader.index] != leader.id):
            wanted = ids[leader.index] if leader.index < len(ids) else f"at most {len(ids)} images"
            raise RecordsError(
                f"{first}: found image {leader.id} as number {leader.index}, expected {wanted} "
                f"in shard {parse_shard_name(first.name)[0]}; these maps belong to another run"
            )
        maps = [leader.stored]
        if whole is None or leader.stored.shape != whole.shape[1:] or leader.stored.dtype != whole.dtype:
            whole = _room(spare, len(shards), leader.stored)
            whole[0] = leader.stored
            maps = [whole[0]]
        for path, reading in zip(paths, others):
            record = next(reading, None)
            if record is None:
                raise _too_short(path)
            if (record.id, record.index) != (leader.id, leader.index):
                raise RecordsError(
                    f"{path}: found image {record.id} (number {record.index}) where {first} has {leader.id} "
                    f"(number {leader.index}); compute the maps of all models in one run"
                )
            maps.append(record.stored)
        yield leader.id, whole if all(map.base is whole for map in maps) else maps
        whole = _room(spare, len(shards), maps[0])
    if whole is not None:
        spare.append(whole)
    if any(next(reading, None) is not None for reading in others):
        raise _too_short(first)


def _room(spare: list[np.ndarray], count: int, map: np.ndarray) -> np.ndarray:
    """An array for ``count`` maps like this one: a spare one where it fits, for fresh memory costs more than the reading."""
    whole = spare.pop() if spare else None
    if whole is not None and (whole.shape, whole.dtype) == ((count, *map.shape), map.dtype):
        return whole
    return np.empty((count, *map.shape), map.dtype)


def _too_short(path: Path) -> RecordsError:
    return RecordsError(
        f"{path}: ends before the same shard of the other models; run the same `tfattr run` again with --repair, "
        "it computes such shards anew"
    )
