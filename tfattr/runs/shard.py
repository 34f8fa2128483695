"""One unit of a run's work: the maps and representations of one model on one shard of the probe images."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.attribution import AttributionSettings
from tfattr.attribution.storage import MOST_VALUES, attributions_for_storage
from tfattr.errors import SettingsError
from tfattr.records import (
    IMAGES_PER_SHARD,
    ShardLayout,
    ShardWriter,
    describe_trunk,
    identity,
    map_directory,
    origin,
    representation_directory,
)
from tfattr.runs.feed import Feed, default_batch_size

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class RecordSettings:
    """How maps are stored: ``channels`` mean or all, ``dtype`` float16 or float32, images a shard."""

    channels: str = "mean"
    dtype: str = "float16"
    images_per_shard: int = IMAGES_PER_SHARD


@dataclasses.dataclass(frozen=True)
class Work:
    """What one shard of one model lacks."""

    model: str
    shard: int
    methods: tuple[str, ...]
    representation: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run computes, and where: everything that a worker needs beside the trunk and the images.

    Attributes:
        out: the run's directory.
        ids: ids of the readable probe images, in order.
        attribution, records: settings of maps and of their storage.
        representations: whether the trunks' outputs are kept too.
        batch_size: images at a time; None fits it to each model's input size.
        run: digest of the run's settings and images (:attr:`tfattr.records.RunManifest.digest`), which goes
            into the mark of every record.
    """

    out: Path
    ids: tuple[str, ...]
    attribution: AttributionSettings
    records: RecordSettings
    representations: bool = True
    batch_size: int | None = None
    run: str = ""

    @property
    def layout(self) -> ShardLayout:
        return ShardLayout(len(self.ids), self.records.images_per_shard)

    def homes(self, model: str) -> dict[str, Path]:
        """Method to the folder of its maps."""
        return {method: map_directory(self.out, model, method) for method in self.attribution.methods}

    def missing(self, model: str) -> list[Work]:
        """What is not on disk yet of a model, shard by shard.

        Raises:
            RecordsError: a folder holds shards of another layout.
        """
        lacking = {method: set(self.layout.missing(home)) for method, home in self.homes(model).items()}
        outputs = representation_directory(self.out, model)
        unrepresented = set(self.layout.missing(outputs)) if self.representations else set()
        works = (
            Work(
                model,
                shard,
                tuple(method for method in self.attribution.methods if shard in lacking[method]),
                shard in unrepresented,
            )
            for shard in range(self.layout.count)
        )
        return [work for work in works if work.methods or work.representation]


def compute_shard(
    plan: Plan, trunk: Trunk, feed: Feed, work: Work, progress: Callable[[int], Any] | None = None
) -> None:
    """Write what ``work`` names, whole or not at all.

    Where a batch does not fit into the device's memory, it is halved and the shard begun again.

    Raises:
        RecordsError: the disk refuses.
        ProbeError: an image cannot be read any more.
        SettingsError: not even one image fits into memory.
    """
    import tensorflow as tf

    size = plan.batch_size or default_batch_size(trunk.preprocessing.size)
    size = trunk.once(("batch size",), lambda: [size])  # a list, to remember what fits this trunk
    while True:
        try:
            return _write(plan, trunk, feed, work, size[0], progress)
        except tf.errors.ResourceExhaustedError as error:
            if size[0] == 1:
                raise SettingsError(
                    f"{trunk.name}: one image of {trunk.preprocessing.size[0]} x {trunk.preprocessing.size[1]} does not "
                    "fit into the device's memory; use a larger device, or the CPU (CUDA_VISIBLE_DEVICES=-1)."
                ) from error
            size[0] //= 2
            logging.getLogger("tfattr").warning(
                "%s: out of memory; going on with %d images at a time", trunk.name, size[0]
            )


def _write(
    plan: Plan, trunk: Trunk, feed: Feed, work: Work, size: int, progress: Callable[[int], Any] | None
) -> None:
    layout, homes, ids = plan.layout, plan.homes(trunk.name), plan.ids
    model = identity(describe_trunk(trunk))
    wanted = dataclasses.replace(plan.attribution, methods=work.methods) if work.methods else None
    done = 0
    with contextlib.ExitStack() as stack:
        writers = {
            method: stack.enter_context(
                ShardWriter(
                    homes[method],
                    layout,
                    work.shard,
                    ids,
                    channels=plan.records.channels,
                    dtype=plan.records.dtype,
                    origin=origin(plan.run, trunk.name, model, method),
                )
            )
            for method in work.methods
        }
        outputs = None
        if work.representation:
            home = representation_directory(plan.out, trunk.name)
            mark = origin(plan.run, trunk.name, model)
            outputs = stack.enter_context(
                ShardWriter(home, layout, work.shard, ids, channels="all", dtype="float32", origin=mark)
            )
        try:
            for batch in feed.batches(trunk.preprocessing, layout.span(work.shard), size):
                maps, representation = attributions_for_storage(
                    trunk,
                    batch,
                    wanted,
                    channels=plan.records.channels,
                    dtype=plan.records.dtype,
                    most_values=MOST_VALUES if outputs is not None else None,
                )
                for method, found in maps.items():
                    writers[method].add(found)
                if outputs is not None:
                    outputs.add(representation)
                done += len(batch)
                if progress is not None:
                    progress(len(batch))
        except BaseException:
            if progress is not None:
                progress(-done)
            raise
