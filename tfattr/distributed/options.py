"""``--runner-options``: which Beam runner, and its own options."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfattr.distributed.task import SHARDS_PER_TASK
from tfattr.errors import SettingsError

# Beam's list of short names lacks this one.
_DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
_EXPECTED = (
    "expected workers=N (processes on this machine), address=tcp://HOST:PORT (a running Dask cluster), or "
    "runner=NAME with that Beam runner's own options"
)


@dataclasses.dataclass(frozen=True)
class BeamOptions:
    """How a pipeline is run.

    Attributes:
        flags: for Beam's ``PipelineOptions``.
        workers: start a Dask cluster of so many processes on this machine; 0 starts none.
        shards_per_task: the most shards that one task computes.
    """

    flags: tuple[str, ...]
    workers: int = 0
    shards_per_task: int = SHARDS_PER_TASK

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> BeamOptions:
        """From ``KEY=VALUE``: ``workers``, ``address``, ``shards_per_task``; all others are Beam's.

        Raises:
            SettingsError: no pair, a bad number, or nothing that says where to run.
        """
        given: dict[str, str] = {}
        for pair in pairs:
            key, mark, value = pair.strip().lstrip("-").partition("=")
            if not mark or not key or not value:
                raise SettingsError(f"--runner-options {pair!r}: found no KEY=VALUE; {_EXPECTED}.")
            given[key] = value
        workers = _count(given, "workers", 0)
        shards = _count(given, "shards_per_task", SHARDS_PER_TASK)
        if "address" in given:
            given["dask_client_address"] = given.pop("address")
        on_dask = [key for key in given if key in ("dask_client_address", "dask_scheduler_file")]
        if workers and (on_dask or "runner" in given):
            raise SettingsError(
                f"--runner-options: workers=N starts a cluster of its own, {(on_dask or ['runner'])[0]} names another; "
                "give one of them."
            )
        runner = given.pop("runner", "dask" if workers or on_dask else "")
        if not runner:
            raise SettingsError(f"--runner-options: nothing says where to run; {_EXPECTED}.")
        if runner.lower() in ("dask", "daskrunner"):
            runner = _DASK
            if "dask_npartitions" not in given:
                given.setdefault("dask_partition_size", "1")  # Dask's own 128 tasks would go to one worker
        flags = (f"--runner={runner}", *(f"--{key}={value}" for key, value in given.items()))
        return cls(flags, workers, shards)


def _count(given: dict[str, str], key: str, default: int) -> int:
    text = given.pop(key, None)
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"--runner-options {key}={text}: expected a number of at least 1.")
    return int(text)
