"""One attribution map <-> one ``tf.train.Example``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfattr.errors import RecordsError
from tfattr.records.stored import StoredMaps

_LITTLE_ENDIAN: dict[str, np.dtype] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class MapRecord:
    """A stored map: ``stored * scale`` is the map, ``stored`` is float16 or float32 ``[H, W, C]``.

    ``norm`` is the map's Euclidean norm (NaN if not finite), ``finite`` says whether all values are;
    ``record_key`` is the key of model, method and run (:mod:`tfattr.records.record_key`), empty if none was given.
    """

    id: str
    index: int
    stored: np.ndarray
    scale: float
    norm: float
    finite: bool
    record_key: str = ""

    @property
    def map(self) -> np.ndarray:
        """The map itself, float32 ``[H, W, C]``."""
        return self.stored.astype(np.float32) * np.float32(self.scale)


def records_of(
    batch: StoredMaps, ids: Sequence[str], first: int, record_key: str = ""
) -> Iterator[MapRecord]:
    """The records of a batch of maps; ``ids`` are its images', ``first`` is the position of the first."""
    columns = (batch.scale.tolist(), batch.norm.tolist(), batch.finite.tolist())
    for offset, (id, stored, scale, norm, finite) in enumerate(zip(ids, batch.stored, *columns)):
        yield MapRecord(id, first + offset, stored, scale, norm, finite, record_key)


class Encoder:
    """Serialises records as ``tf.train.Example``, one message used again; the features are those of ``FEATURE_SPEC``.

    For one thread. A new message for each record would cost four times as much. The map stands last, so that it is
    written from where it is: protocol buffers take fields in any order and in pieces.
    """

    def __init__(self) -> None:
        self._features = tf.train.Features()
        feature = self._features.feature
        for name in ("id", "dtype", "origin"):
            feature[name].bytes_list.value.append(b"")
        for name in ("index", "finite"):
            feature[name].int64_list.value.append(0)
        for name in ("scale", "norm"):
            feature[name].float_list.value.append(0.0)
        feature["shape"].int64_list.value.extend((0, 0, 0))

    def __call__(self, record: MapRecord) -> tuple[bytes, np.ndarray]:
        """What comes before the map's values, and these, contiguous and little-endian: the record in two pieces."""
        dtype, feature = record.stored.dtype.name, self._features.feature
        feature["id"].bytes_list.value[0] = record.id.encode()
        feature["index"].int64_list.value[0] = record.index
        feature["dtype"].bytes_list.value[0] = dtype.encode()
        feature["shape"].int64_list.value[:] = record.stored.shape
        feature["scale"].float_list.value[0] = record.scale
        feature["norm"].float_list.value[0] = record.norm
        feature["finite"].int64_list.value[0] = int(record.finite)
        feature["origin"].bytes_list.value[0] = record.record_key.encode()
        values = np.ascontiguousarray(record.stored, dtype=_LITTLE_ENDIAN[dtype])
        left = values.nbytes  # from the inside out: BytesList, Feature, the entry of the map of features
        head = b"\n" + _varint(left)
        head = b"\n" + _varint(len(head) + left) + head
        head = _MAP_KEY + _varint(len(head) + left) + head
        head = b"\n" + _varint(len(head) + left) + head
        head = self._features.SerializeToString(deterministic=True) + head
        return b"\n" + _varint(len(head) + left) + head, values


_MAP_KEY = b"\n\x03map\x12"  # the entry's key, a string of three bytes, and the tag of its value


def _varint(number: int) -> bytes:
    """A length, as protocol buffers write it: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def decode(data: bytes) -> MapRecord:
    """Parses a serialised record; its array is a read-only view of the parsed bytes.

    Raises:
        RecordsError: not an Example, a feature is missing, or the bytes disagree with dtype and shape.
    """
    try:
        feature = tf.train.Example.FromString(data).features.feature
        shape = tuple(feature["shape"].int64_list.value)
        dtype = _LITTLE_ENDIAN[feature["dtype"].bytes_list.value[0].decode()]
        keys = feature["origin"].bytes_list.value  # absent from records of tfattr 0.1
        stored = np.frombuffer(feature["map"].bytes_list.value[0], dtype).reshape(shape)
        return MapRecord(
            id=feature["id"].bytes_list.value[0].decode(),
            index=feature["index"].int64_list.value[0],
            stored=stored,
            scale=feature["scale"].float_list.value[0],
            norm=feature["norm"].float_list.value[0],
            finite=bool(feature["finite"].int64_list.value[0]),
            record_key=keys[0].decode() if keys else "",
        )
    except (DecodeError, IndexError, KeyError, ValueError) as error:
        raise RecordsError(f"a record is not an attribution map of tfattr ({error})") from error
