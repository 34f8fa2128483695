"""One attribution map <-> one ``tf.train.Example``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfattr.errors import RecordsError, SettingsError
from tfattr.records.channels import channel_mean

CHANNELS = ("mean", "all")
DTYPES = ("float16", "float32")
_LITTLE_ENDIAN = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
_FLOAT32_MAX = float(np.finfo(np.float32).max)


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
        map: the attribution map; non-finite values are kept and flagged.
        id: the probe image's id.
        index: its position among the run's readable probe images.
        channels: "mean" stores the channel mean (the authors'), "all" every channel.
        dtype: "float16" stores the map at unit peak, so that nothing over- or underflows and the error is
            at most 2**-11 of a value or 2**-25 of the peak; "float32" stores it as it is.
        origin: the mark of model, method and run.

    Raises:
        SettingsError: unknown ``channels`` or ``dtype``, or a map that is not ``[H, W, C]``.
    """
    check_storage(channels, dtype)
    if map.ndim != 3 or 0 in map.shape:
        raise SettingsError(f"the map of {id} has shape {map.shape}, expected [H, W, C] with no side of 0")
    if channels == "mean":
        values = channel_mean(map)
    else:
        with np.errstate(over="ignore"):
            values = np.asarray(map, dtype=np.float32)
    peak = float(max(values.max(), -values.min()))
    finite = bool(np.isfinite(peak))
    if not finite:
        peak = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    unit = values / np.float32(peak) if peak > 0 else values
    norm = min(peak * float(np.linalg.norm(unit.astype(np.float64).ravel())), _FLOAT32_MAX)
    if dtype == "float16":
        stored, scale = unit.astype(np.float16), peak or 1.0
    else:
        stored, scale = values, 1.0
    return MapRecord(id, int(index), stored, scale, norm if finite else float("nan"), finite, origin)


def check_storage(channels: str, dtype: str) -> None:
    """Raises SettingsError for unknown ``channels`` or ``dtype``."""
    if channels not in CHANNELS:
        raise SettingsError(f"channels is {channels!r}, expected one of {', '.join(CHANNELS)}")
    if dtype not in DTYPES:
        raise SettingsError(f"the dtype of records is {dtype!r}, expected one of {', '.join(DTYPES)}")


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
