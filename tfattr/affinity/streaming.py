"""Affinity from records: the shards of all models read in lockstep, one image at a time, while two are compared."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice, zip_longest
from pathlib import Path

from threadpoolctl import threadpool_limits

from tfattr.affinity.measures import DEFAULT_MEASURE, Measure
from tfattr.affinity.state import AffinityState
from tfattr.errors import RecordsError, SettingsError
from tfattr.records import expected_record_key, find_shards, parse_shard_name

_COMPARING = 2  # threads, each with an image


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
        The state; the maps of four images, of all models, are all that is in memory at a time, besides
        TensorFlow's read buffers: at most 16 MiB, or the shard if smaller, for each model.

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
    images = (
        each
        for shard in chosen
        for each in _lockstep({model: paths[shard] for model, paths in files.items()}, ids, record_keys)
    )
    seen = 0
    for _ in _compared(states, images):
        seen += 1
        if progress is not None:
            progress(1)
    if shards is None and ids is not None and seen != len(ids):
        raise RecordsError(
            f"{directories[first]}: holds {seen} maps, expected {len(ids)}; run `tfattr attribute` again"
        )


def _compared(states: Sequence[AffinityState], images: Iterator[tuple[str, list]]) -> Iterator[str]:
    """Adds every image to every state, in order; yields its id. This thread reads while two others compare."""
    with ExitStack() as stack:
        # Threads of the matrix products beside ours would only get in their way.
        stack.enter_context(threadpool_limits(1, "blas"))
        for image, maps in islice(images, 1):  # it settles the grid
            for state in states:
                state.update(maps, image)
            yield image
        pool = stack.enter_context(ThreadPoolExecutor(_COMPARING))
        waiting: deque[tuple[str, list[Future]]] = deque()
        for image, maps in images:
            waiting.append((image, [pool.submit(state.compare, maps, image) for state in states]))
            if len(waiting) > _COMPARING:
                yield _added(states, *waiting.popleft())
        while waiting:
            yield _added(states, *waiting.popleft())


def _added(states: Sequence[AffinityState], image: str, futures: Sequence[Future]) -> str:
    for state, future in zip(states, futures):
        state.add(future.result())
    return image


def _lockstep(
    shards: Mapping[str, Path], ids: Sequence[str] | None, record_keys: Mapping[str, str | None]
) -> Iterator[tuple[str, list]]:
    """Yields (image id, stored maps), one map from each shard; the shards must be of the same images.

    The stored maps are taken without their scales: no measure depends on them.
    """
    from tfattr.records import read_shard  # needs TensorFlow

    paths = list(shards.values())
    for records in zip_longest(
        *(read_shard(path, record_key=record_keys[model]) for model, path in shards.items())
    ):
        for path, record in zip(paths, records):
            if record is None:
                raise RecordsError(
                    f"{path}: ends before the same shard of the other models; run the same `tfattr run` again "
                    "with --repair, it computes such shards anew"
                )
            expected, whose = records[0], paths[0]
            if (record.id, record.index) != (expected.id, expected.index):
                raise RecordsError(
                    f"{path}: found image {record.id} (number {record.index}) where {whose} has {expected.id} "
                    f"(number {expected.index}); compute the maps of all models in one run"
                )
            if ids is not None and (record.index >= len(ids) or ids[record.index] != record.id):
                wanted = ids[record.index] if record.index < len(ids) else f"at most {len(ids)} images"
                raise RecordsError(
                    f"{path}: found image {record.id} as number {record.index}, expected {wanted} "
                    f"in shard {parse_shard_name(path.name)[0]}; these maps belong to another run"
                )
        yield records[0].id, [record.stored for record in records]
