"""One attribution map <-> one ``tf.train.Example``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfattr.attribution.storage import StoredMaps, stored_maps
from tfattr.errors import RecordsError, SettingsError

_LITTLE_ENDIAN = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


@dataclass(frozen=True)
class MapRecord:
    """A stored map: ``stored * scale`` is the map, ``stored`` is float16 or float32 ``[H, W, C]``.

    ``norm`` is the map's Euclidean norm (NaN if not finite), ``finite`` says whether all values are;
    ``origin`` is the mark of model, method and run (:mod:`tfattr.records.mark`), empty if none was given.
    """

    id: str
    index: int
    stored: np.ndarray
    scale: float
    norm: float
    finite: bool
    origin: str = ""

    @property
    def map(self) -> np.ndarray:
        """The map itself, float32 ``[H, W, C]``."""
        return self.stored.astype(np.float32) * np.float32(self.scale)


def make_record(
    map: np.ndarray,
    id: str,
    index: int,
    *,
    channels: str = "mean",
    dtype: str = "float16",
    origin: str = "",
) -> MapRecord:
    """Prepares a map ``[H, W, C]`` for storage.

    Args:
        map: the attribution map.
        id: the probe image's id.
        index: its position among the run's readable probe images.
        channels, dtype: see :func:`tfattr.attribution.storage.stored_maps`.
        origin: the mark of model, method and run.

    Raises:
        SettingsError: unknown ``channels`` or ``dtype``, or a map that is not ``[H, W, C]``.
    """
    if map.ndim != 3:
        raise SettingsError(f"the map of {id} has shape {map.shape}, expected [H, W, C] with no side of 0")
    batch = stored_maps(map[None], channels, dtype)
    return next(records_of(batch, [id], index, origin))


def records_of(batch: StoredMaps, ids: Sequence[str], first: int, origin: str = "") -> Iterator[MapRecord]:
    """The records of a batch of maps; ``ids`` are its images', ``first`` is the position of the first."""
    columns = (batch.scale.tolist(), batch.norm.tolist(), batch.finite.tolist())
    for offset, (id, stored, scale, norm, finite) in enumerate(zip(ids, batch.stored, *columns)):
        yield MapRecord(id, first + offset, stored, scale, norm, finite, origin)


def encode(record: MapRecord) -> bytes:
    """Serialises a record as a ``tf.train.Example``; the features are those of ``FEATURE_SPEC``."""
    dtype = record.stored.dtype.name
    raw = np.ascontiguousarray(record.stored, dtype=_LITTLE_ENDIAN[dtype]).tobytes()
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "id": _bytes(record.id.encode()),
                "index": _ints(record.index),
                "map": _bytes(raw),
                "dtype": _bytes(dtype.encode()),
                "shape": _ints(*record.stored.shape),
                "scale": _float(record.scale),
                "norm": _float(record.norm),
                "finite": _ints(int(record.finite)),
                "origin": _bytes(record.origin.encode()),
            }
        )
    ).SerializeToString(deterministic=True)


def decode(data: bytes) -> MapRecord:
    """Parses a serialised record; its array is a read-only view of the parsed bytes.

    Raises:
        RecordsError: not an Example, a feature is missing, or the bytes disagree with dtype and shape.
    """
    try:
        feature = tf.train.Example.FromString(data).features.feature
        shape = tuple(feature["shape"].int64_list.value)
        dtype = _LITTLE_ENDIAN[feature["dtype"].bytes_list.value[0].decode()]
        marks = feature["origin"].bytes_list.value  # absent from records of tfattr 0.1
        stored = np.frombuffer(feature["map"].bytes_list.value[0], dtype).reshape(shape)
        return MapRecord(
            id=feature["id"].bytes_list.value[0].decode(),
            index=feature["index"].int64_list.value[0],
            stored=stored,
            scale=feature["scale"].float_list.value[0],
            norm=feature["norm"].float_list.value[0],
            finite=bool(feature["finite"].int64_list.value[0]),
            origin=marks[0].decode() if marks else "",
        )
    except (DecodeError, IndexError, KeyError, ValueError) as error:
        raise RecordsError(f"a record is not an attribution map of tfattr ({error})") from error


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
