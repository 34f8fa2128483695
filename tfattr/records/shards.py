"""TFRecord shards of attribution maps: written whole or not at all, read with their checksums."""

from __future__ import annotations

import functools
import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import google_crc32c
import numpy as np

from tfattr.errors import RecordsError
from tfattr.io import atomic_write
from tfattr.records.example import Encoder, MapRecord, decode, decode_apart, records_of
from tfattr.records.layout import ShardLayout, find_shards
from tfattr.records.manifest import expected_record_key
from tfattr.records.stored import StoredMaps, check_storage, stored_maps


class ShardWriter:
    """Writes one shard; a context manager that leaves the whole shard or nothing.

    ::

        with ShardWriter(directory, layout, shard, ids) as writer:
            writer.add(maps)  # StoredMaps or [n, H, W, C], in the order of the shard's ids; any batch size

    Args:
        directory: the folder of the maps, see :func:`tfattr.records.map_directory`; made if missing.
        layout: the run's layout.
        shard: number of this shard.
        ids: ids of ALL of the run's probe images, in order.
        channels, dtype: how raw maps are stored, see :func:`tfattr.records.stored.stored_maps`.
        record_key: the key of model, method and run.

    Raises:
        SettingsError: bad ``channels``, ``dtype`` or map shape.
        RecordsError: more or fewer maps than the shard holds, or the disk refuses.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        layout: ShardLayout,
        shard: int,
        ids: Sequence[str],
        *,
        channels: str = "mean",
        dtype: str = "float16",
        record_key: str = "",
    ) -> None:
        check_storage(channels, dtype)
        if len(ids) != layout.images:
            raise RecordsError(f"{directory}: got {len(ids)} image ids, the layout holds {layout.images}")
        self.path = Path(directory) / layout.name(shard)
        self._span = layout.span(shard)
        self._ids = ids
        self._storage = {"channels": channels, "dtype": dtype}
        self._origin, self._encode = record_key, Encoder()
        self._next = self._span.start

    def __enter__(self) -> ShardWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_write(self.path))
            try:
                self._file = stack.enter_context(open(temporary, "wb"))
            except OSError as error:
                raise self._refused(error) from error
            self._stack = stack.pop_all()
        return self

    def add(self, maps: StoredMaps | np.ndarray) -> None:
        """Appends the maps of the next ``n`` images: as they are stored, or raw ``[n, H, W, C]``."""
        if not isinstance(maps, StoredMaps):
            maps = stored_maps(np.asarray(maps), **self._storage)
        count = len(maps.stored)
        if self._next + count > self._span.stop:
            raise RecordsError(f"{self.path}: more maps than the {len(self._span)} images of this shard")
        ids = self._ids[self._next : self._next + count]
        try:
            for record in records_of(maps, ids, self._next, self._origin):
                _write_payload(self._file, *self._encode(record))
        except OSError as error:
            raise self._refused(error) from error
        self._next += count

    def __exit__(self, kind, error, trace) -> None:
        failure = None
        try:
            self._file.close()
        except OSError as refusal:
            failure = self._refused(refusal)
        if failure is None and self._next != self._span.stop:
            failure = RecordsError(
                f"{self.path}: got {self._next - self._span.start} maps, expected {len(self._span)}; "
                "the shard is not kept"
            )
        if error is None and failure is not None:
            with self._stack:  # the temporary file goes with the failure
                raise failure
        self._stack.__exit__(kind, error, trace)

    def _refused(self, error: OSError) -> RecordsError:
        return RecordsError(f"{self.path}: cannot be written ({error.strerror}); check space and permissions")


def read_shard(
    path: str | os.PathLike[str],
    ids: Sequence[str] | None = None,
    record_key: str | None = None,
    place: Callable[[], np.ndarray | None] = lambda: None,
) -> Iterator[MapRecord]:
    """Yields the records of one shard, one in memory at a time.

    Args:
        path: the shard.
        ids: the ids that it must hold, in order; not checked if None.
        record_key: the key that its records must carry (:meth:`tfattr.records.RunManifest.record_key`); not checked
            if None.
        place: asked before each record for a contiguous array, which becomes the record's ``stored`` if the map is of its
            shape and dtype; what it holds is lost in any case.

    Raises:
        RecordsError: the shard is missing, damaged (checksum, truncated), foreign, or not of these images.
    """
    counter = itertools.count()
    # Nothing here keeps a record: where many shards are read in lockstep, the next one finds its memory in the cache.
    yield from map(functools.partial(_checked, path, ids, record_key), _payloads(path, place), counter)
    count = next(counter)
    if ids is not None and count < len(ids):
        raise RecordsError(f"{path}: holds {count} maps, expected {len(ids)}; {_AGAIN}")


def _checked(
    path: str | os.PathLike[str],
    ids: Sequence[str] | None,
    record_key: str | None,
    pieces: tuple[bytes, np.ndarray | None],
    count: int,
) -> MapRecord:
    data, values = pieces
    try:
        record = decode(data) if values is None else decode_apart(data, values)
    except RecordsError as error:
        raise RecordsError(f"{path}: record {count}: {error}") from error
    if record_key is not None and record.record_key != record_key:
        key = f"has the key {record.record_key}" if record.record_key else "has no key"
        raise RecordsError(
            f"{path}: record {count} {key}, expected {record_key}: another run made this shard; {_AGAIN}"
        )
    if ids is not None:
        if count == len(ids):
            raise RecordsError(f"{path}: holds more than the expected {len(ids)} maps; {_AGAIN}")
        if record.id != ids[count]:
            raise RecordsError(
                f"{path}: record {count} is of image {record.id}, expected {ids[count]}; {_AGAIN}"
            )
    return record


_AGAIN = "run the same `tfattr run` again with --repair, it computes such shards anew"


def _payloads(
    path: str | os.PathLike[str], place: Callable[[], np.ndarray | None]
) -> Iterator[tuple[bytes, np.ndarray | None]]:
    """Yields the payloads of a TFRecord file, both checksums of each compared; their ends where ``place`` says.

    Read without a buffer: TensorFlow's readers hold 16 MB each, and where the shards of many models are read in
    lockstep that fresh memory costs more than all the rest; ``tf.data`` takes 10 ms to open a file.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.path.getsize(path)
            while file.tell() < size:
                yield _payload(file, path, size, place())
    except FileNotFoundError as error:
        raise RecordsError(f"{path}: no such shard; run `tfattr attribute`") from error
    except OSError as error:
        raise RecordsError(f"{path}: cannot be read ({error.strerror})") from error


def _payload(
    file: io.FileIO, path: str | os.PathLike[str], size: int, end: np.ndarray | None
) -> tuple[bytes, np.ndarray | None]:
    start, header = file.tell(), file.read(12)
    whole, length = _checksum(header[:8]) == header[8:], int.from_bytes(header[:8], "little")
    if len(header) < 12 or (whole and start + 16 + length > size):
        raise RecordsError(f"{path}: damaged (the record at byte {start} is cut); {_AGAIN}")
    if end is None or end.nbytes > length or not _READS_ARRAYS:
        end = None
    payload = file.read(length - (0 if end is None else end.nbytes)) if whole else b""
    crc = google_crc32c.value(payload)
    if whole and end is not None:
        whole = file.readinto(end.data) == end.nbytes
        crc = google_crc32c.extend(crc, end)
    if not whole or _masked(crc) != file.read(4):
        raise RecordsError(f"{path}: damaged (wrong checksum of the record at byte {start}); {_AGAIN}")
    return payload, end


_READS_ARRAYS = google_crc32c.implementation == "c"  # not only bytes


def _write_payload(file: io.BufferedWriter, head: bytes, values: np.ndarray) -> None:
    """One record of a TFRecord file, whose payload is ``head`` and the bytes of ``values``.

    TensorFlow's writer takes one string, which cost a copy to make and another to take.
    """
    length = (len(head) + values.nbytes).to_bytes(8, "little")
    file.write(length + _checksum(length) + head)
    file.write(values.data)
    rest = values if _READS_ARRAYS else values.tobytes()
    file.write(_masked(google_crc32c.extend(google_crc32c.value(head), rest)))


def _checksum(data: bytes) -> bytes:
    return _masked(google_crc32c.value(data))


def _masked(crc: int) -> bytes:
    """A CRC-32C as TFRecord files have it."""
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def read_maps(directory: str | os.PathLike[str], ids: Sequence[str] | None = None) -> Iterator[MapRecord]:
    """Yields all records of one model and method, shard by shard, in the order of the probe images.

    In a run's directory they must carry the key that its ``run.json`` asks for.

    Args:
        directory: the folder of the maps.
        ids: the run's probe image ids in order; count and ids are checked against them, not if None.

    Raises:
        RecordsError: a shard is missing or damaged, the records are not those of ``ids``, or another run's.
    """
    count, record_key = 0, expected_record_key(directory)
    for path in find_shards(directory):
        for record in read_shard(path, record_key=record_key):
            if record.index != count:
                raise RecordsError(
                    f"{path}: found map number {record.index} ({record.id}), expected number {count}; {_AGAIN}"
                )
            if ids is not None and (count >= len(ids) or record.id != ids[count]):
                wanted = ids[count] if count < len(ids) else f"the end after {len(ids)} images"
                raise RecordsError(f"{path}: found image {record.id}, expected {wanted}; {_AGAIN}")
            yield record
            count += 1
    if ids is not None and count != len(ids):
        raise RecordsError(f"{directory}: holds {count} maps, expected {len(ids)}; {_AGAIN}")


def damaged_shards(
    directory: str | os.PathLike[str], layout: ShardLayout, ids: Sequence[str], record_key: str | None = None
) -> dict[int, str]:
    """Reads every shard that is there and says which cannot be trusted: shard number -> what is wrong.

    Missing shards are not damaged; ``layout.missing`` names them.
    """
    missing = set(layout.missing(directory))
    wrong = {}
    for shard in range(layout.count):
        if shard in missing:
            continue
        span = layout.span(shard)
        try:
            for _ in read_shard(
                Path(directory) / layout.name(shard), ids[span.start : span.stop], record_key
            ):
                pass
        except RecordsError as error:
            wrong[shard] = str(error).removesuffix(f"; {_AGAIN}")
    return wrong
