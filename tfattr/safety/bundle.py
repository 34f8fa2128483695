"""Checkpoints looked over before TensorFlow reads them.

TensorFlow takes sizes in the last 48 bytes of a checkpoint's index as they are, and asks for so much memory: one
turned bit there ends the process. Its checksums cover the rest, but whoever means harm writes checksums too.

Format: an SSTable as LevelDB writes it (doc/table_format.md there); its values are BundleEntryProto.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator

import tensorflow as tf
from google.protobuf import message

# The entries of a V2 index; TensorFlow's reader has no way to look at offsets and sizes.
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

from tfattr.errors import ModelFileError

_FOOTER, _TRAILER = 48, 5  # bytes; the trailer of a block: its compression and its checksum
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_PLAIN = 0
_MOST_SHARDS = 100_000


class _Damaged(Exception):
    pass


def check_checkpoint(prefix: str) -> None:
    """Every size that a checkpoint's index states is one that its files have.

    ``prefix``: of a V2 checkpoint, or the one file of a V1 checkpoint. Of a V2 checkpoint without data the index
    alone is looked at.

    Raises:
        ModelFileError: the index or the data is damaged or cut short.
    """
    index = prefix + ".index"
    if not os.path.exists(index):
        index = prefix
    try:
        with open(index, "rb") as file:
            blocks = _Table(file, os.fstat(file.fileno()).st_size)
            if index != prefix:
                _check_entries(blocks.entries(), prefix)
    except OSError as error:
        raise ModelFileError(f"{index}: cannot be read ({error.strerror}); check the path.") from error
    except (_Damaged, message.DecodeError, IndexError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"{index}: not a readable TensorFlow checkpoint ({error}); expected a whole V1 or V2 checkpoint: fetch or "
            "copy it again."
        ) from error


class _Table:
    """Blocks of an SSTable; raises _Damaged, IndexError or ValueError for what is none."""

    def __init__(self, file: object, size: int) -> None:
        self.file, self.size = file, size
        if size < _FOOTER:
            raise _Damaged(f"it holds {size} bytes, less than a checkpoint can")
        file.seek(size - _FOOTER)
        footer = file.read(_FOOTER)
        if footer[-8:] != _MAGIC:
            raise _Damaged("it does not end as a checkpoint does")
        position = 0
        handles = []
        for _ in range(2):  # of the meta index, of the index
            offset, position = _varint(footer, position)
            length, position = _varint(footer, position)
            handles.append(self.checked(offset, length))
        self.blocks = [
            self.checked(*_handle(content)) for _, content in _records(self.block(*handles[1])) or ()
        ]

    def checked(self, offset: int, length: int) -> tuple[int, int]:
        if offset + length + _TRAILER > self.size:
            raise _Damaged(
                f"it names bytes {offset} to {offset + length + _TRAILER} of the {self.size} that it holds"
            )
        return offset, length

    def block(self, offset: int, length: int) -> bytes | None:
        """The content of a block; None if it is compressed."""
        self.file.seek(offset)
        content = self.file.read(length + 1)
        return content[:length] if content[length] == _PLAIN else None

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        for offset, length in self.blocks:
            yield from _records(self.block(offset, length)) or ()


def _records(block: bytes | None) -> list[tuple[bytes, bytes]] | None:
    """Keys and values of a block, whose keys leave out what they share with the one before."""
    if block is None:
        return None
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if len(block) < 4 or end < 0:
        raise _Damaged("a block of it states more restarts than it holds")
    found, key, position = [], b"", 0
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + own + length > end:
            raise _Damaged("a block of it states a longer entry than it holds")
        key = key[:shared] + block[position : position + own]
        found.append((key, block[position + own : position + own + length]))
        position += own + length
    return found


def _handle(content: bytes) -> tuple[int, int]:
    offset, position = _varint(content, 0)
    return offset, _varint(content, position)[0]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position
        if shift > 63:
            raise _Damaged("a number in it does not end")


def _check_entries(entries: Iterator[tuple[bytes, bytes]], prefix: str) -> None:
    shards = 1
    sizes: dict[str, int] = {
        path: os.path.getsize(path) for path in glob.glob(glob.escape(prefix) + ".data-*")
    }
    for key, value in entries:
        if not key:
            shards = BundleHeaderProto.FromString(value).num_shards
            if not 0 < shards <= _MOST_SHARDS:
                raise _Damaged(f"it says that it has {shards} data files")
            continue
        entry, name = BundleEntryProto.FromString(value), key.decode("utf-8", "backslashreplace")
        if entry.slices:
            continue  # a tensor in parts, each with an entry of its own
        _check_shape(entry, name)
        path = f"{prefix}.data-{entry.shard_id:05d}-of-{shards:05d}"
        if not sizes:
            continue
        if path not in sizes:
            raise ModelFileError(
                f"{path}: the index of the checkpoint names this data file and it is not there; put it beside the index."
            )
        if entry.offset < 0 or entry.offset + entry.size > sizes[path]:
            raise ModelFileError(
                f"{path}: tensor {name!r} ends at byte {entry.offset + entry.size} and the file holds {sizes[path]}; "
                "it is damaged or cut short: fetch or copy it again."
            )
        if entry.dtype == tf.string.as_datatype_enum:
            _check_strings(path, entry, name)


def _check_shape(entry: BundleEntryProto, name: str) -> None:
    dtype = tf.as_dtype(entry.dtype) if entry.dtype else None
    if dtype is None or entry.shape.unknown_rank:
        raise _Damaged(f"tensor {name!r} has no type or no shape")
    sides = [dimension.size for dimension in entry.shape.dim]
    if min(sides, default=0) < 0:
        raise _Damaged(f"tensor {name!r} has a side of {min(sides)}")
    count = math.prod(sides)
    fixed = dtype not in (tf.string, tf.variant, tf.resource)
    if entry.size < 0 or (fixed and count * dtype.size != entry.size) or (not fixed and count > entry.size):
        raise _Damaged(
            f"tensor {name!r} of {count} values of {dtype.name} is said to take {entry.size} bytes"
        )


def _check_strings(path: str, entry: BundleEntryProto, name: str) -> None:
    """Strings are stored as their lengths, a checksum of those, and their bytes."""
    count = math.prod(dimension.size for dimension in entry.shape.dim)
    with open(path, "rb") as file:
        file.seek(entry.offset)
        content = file.read(min(entry.size, 10 * count))
    position = total = 0
    for _ in range(count):
        length, position = _varint(content, position)
        total += length
    if position + 4 + total != entry.size:
        raise ModelFileError(
            f"{path}: the strings of tensor {name!r} take {position + 4 + total} bytes and not the {entry.size} that the "
            "index says; the file is damaged: fetch or copy it again."
        )
