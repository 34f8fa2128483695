"""Attribution maps on disk: sharded TFRecords, a published feature spec, and ``run.json``.

TensorFlow is imported only when a name that needs it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tfattr.records.layout import (
    ShardLayout,
    find_shards,
    map_directory,
    parse_shard_name,
    representation_directory,
)
from tfattr.records.manifest import (
    MANIFEST_NAME,
    RunManifest,
    check_compatible,
    describe_trunk,
    expected_record_key,
    identity,
    versions,
)
from tfattr.records.record_key import REPRESENTATION, record_key, run_digest
from tfattr.records.stored import channel_mean

_NEED_TENSORFLOW = {
    "FEATURE_SPEC": "spec",
    "MapRecord": "example",
    "decode": "example",
    "ShardWriter": "shards",
    "damaged_shards": "shards",
    "read_maps": "shards",
    "read_shard": "shards",
}

__all__ = [
    "FEATURE_SPEC",
    "MANIFEST_NAME",
    "REPRESENTATION",
    "MapRecord",
    "RunManifest",
    "ShardLayout",
    "ShardWriter",
    "channel_mean",
    "check_compatible",
    "damaged_shards",
    "decode",
    "describe_trunk",
    "expected_record_key",
    "find_shards",
    "identity",
    "map_directory",
    "record_key",
    "parse_shard_name",
    "read_maps",
    "read_shard",
    "representation_directory",
    "run_digest",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name in _NEED_TENSORFLOW:
        return getattr(import_module(f"tfattr.records.{_NEED_TENSORFLOW[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
