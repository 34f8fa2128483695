"""One record from one map, without a shard."""

from __future__ import annotations

import numpy as np

from tfattr.records import MapRecord
from tfattr.records.example import Encoder, records_of
from tfattr.records.stored import stored_maps


def make_record(
    map: np.ndarray, id: str, index: int, *, channels: str = "mean", dtype: str = "float16"
) -> MapRecord:
    return next(records_of(stored_maps(map[None], channels, dtype), [id], index))


def encode(record: MapRecord) -> bytes:
    head, values = Encoder()(record)
    return head + values.tobytes()
