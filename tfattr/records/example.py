"""One attribution map <-> one ``tf.train.Example``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfattr.errors import RecordsError
from tfattr.records.stored import StoredMaps

_LITTLE_ENDIAN: dict[str, np.dtype] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


@dataclasses.dataclass(frozen=True)
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
        head = self._features.SerializeToString(deterministic=True) + _before_map(values.nbytes)
        return b"\n" + _varint(len(head) + values.nbytes) + head, values


_MAP_KEY = b"\n\x03map\x12"  # the entry's key, a string of three bytes, and the tag of its value


def _before_map(size: int) -> bytes:
    """What stands before the bytes of the map feature: its entry in the map of features, Feature and BytesList."""
    head = b"\n" + _varint(size)
    head = b"\n" + _varint(len(head) + size) + head
    head = _MAP_KEY + _varint(len(head) + size) + head
    return b"\n" + _varint(len(head) + size) + head


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
    with _told():
        feature = tf.train.Example.FromString(data).features.feature
        values = np.frombuffer(feature["map"].bytes_list.value[0], np.uint8)
        return _record(feature, values)


def decode_apart(head: bytes, values: np.ndarray) -> MapRecord:
    """:func:`decode` of ``head`` and the bytes of ``values``, a contiguous array that becomes the record's own, uncopied,
    where the record is as :class:`Encoder` writes it and its map of that shape and dtype.
    """
    before = _before_map(values.nbytes)
    start = head[: 1 + len(_varint(len(head) + values.nbytes))]
    whole = start == b"\n" + _varint(len(head) + values.nbytes - len(start))
    if not (whole and head.endswith(before)):
        return decode(head + values.tobytes())
    with _told():
        feature = tf.train.Features.FromString(head[len(start) : -len(before)]).feature
        record = _record(feature, values.reshape(-1).view(np.uint8))
    same = record.stored.shape == values.shape and record.stored.dtype == values.dtype
    return dataclasses.replace(record, stored=values if same else record.stored.copy())


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (DecodeError, IndexError, KeyError, ValueError) as error:
        raise RecordsError(f"a record is not an attribution map of tfattr ({error})") from error


def _record(feature: Mapping[str, tf.train.Feature], values: np.ndarray) -> MapRecord:
    """A record of its features and the bytes of its map."""
    shape = tuple(feature["shape"].int64_list.value)
    dtype = _LITTLE_ENDIAN[feature["dtype"].bytes_list.value[0].decode()]
    keys = feature["origin"].bytes_list.value  # absent from records of tfattr 0.1
    return MapRecord(
        id=feature["id"].bytes_list.value[0].decode(),
        index=feature["index"].int64_list.value[0],
        stored=values.view(dtype).reshape(shape),
        scale=feature["scale"].float_list.value[0],
        norm=feature["norm"].float_list.value[0],
        finite=bool(feature["finite"].int64_list.value[0]),
        record_key=keys[0].decode() if keys else "",
    )
