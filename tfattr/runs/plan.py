"""What a run computes, and where: everything that a worker needs beside the trunk and the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from tfattr.records import ShardLayout, map_directory, representation_directory
from tfattr.runs.settings import RunSettings


@dataclasses.dataclass(frozen=True)
class Work:
    """What one shard of one model lacks."""

    model: str
    shard: int
    methods: tuple[str, ...]
    representation: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run computes, and where.

    Attributes:
        out: the run's directory.
        ids: ids of the readable probe images, in order.
        settings: of the run.
        run: digest of the run's settings and images (:attr:`tfattr.records.RunManifest.digest`), which goes
            into the key of every record.
        models: how many the run has.
    """

    out: Path
    ids: tuple[str, ...]
    settings: RunSettings
    run: str = ""
    models: int = 2

    @property
    def methods(self) -> tuple[str, ...]:
        return self.settings.attribution.methods

    @property
    def layout(self) -> ShardLayout:
        return ShardLayout(len(self.ids), self.settings.images_per_shard)

    def map_dirs(self, model: str) -> dict[str, Path]:
        """Method to the folder of its maps."""
        return {method: map_directory(self.out, model, method) for method in self.methods}

    def missing(self, model: str) -> list[Work]:
        """What is not on disk yet of a model, shard by shard.

        Raises:
            RecordsError: a folder holds shards of another layout.
        """
        lacking = {
            method: set(self.layout.missing(map_dir)) for method, map_dir in self.map_dirs(model).items()
        }
        outputs = representation_directory(self.out, model)
        unrepresented = set(self.layout.missing(outputs)) if self.settings.representations else set()
        works = (
            Work(
                model,
                shard,
                tuple(method for method in self.methods if shard in lacking[method]),
                shard in unrepresented,
            )
            for shard in range(self.layout.count)
        )
        return [work for work in works if work.methods or work.representation]

    def images(self, works: Iterable[Work]) -> int:
        """How many images the works have."""
        return sum(len(self.layout.span(work.shard)) for work in works)
