"""Where maps lie and how shards are named: the one owner of ``maps-00000-of-00003.tfrecord``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tfattr.errors import RecordsError, SettingsError

IMAGES_PER_SHARD = 64  # 8 MiB of 256 x 256 float16 maps: little is lost when a run is killed

ATTRIBUTIONS, REPRESENTATIONS = "attributions", "representations"  # folders of a run

_SHARD_NAME = re.compile(r"maps-(\d{5,})-of-(\d{5,})\.tfrecord")
_SAFE_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*")


@dataclass(frozen=True)
class ShardLayout:
    """How ``images`` maps are cut into shards of ``per_shard`` images; the last shard may be shorter."""

    images: int
    per_shard: int = IMAGES_PER_SHARD

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SettingsError(f"a run has {self.images} images; it needs at least 1")
        if self.per_shard < 1:
            raise SettingsError(f"images per shard is {self.per_shard}; it must be at least 1")

    @property
    def count(self) -> int:
        """Number of shards."""
        return -(-self.images // self.per_shard)

    def name(self, shard: int) -> str:
        """File name of a shard."""
        self._check(shard)
        return f"maps-{shard:05d}-of-{self.count:05d}.tfrecord"

    def names(self) -> list[str]:
        """File names of all shards, in order."""
        return [self.name(shard) for shard in range(self.count)]

    def span(self, shard: int) -> range:
        """Indices of the images that a shard holds."""
        self._check(shard)
        return range(shard * self.per_shard, min((shard + 1) * self.per_shard, self.images))

    def missing(self, directory: str | os.PathLike[str]) -> list[int]:
        """Shards that ``directory`` lacks (a shard that is there is whole).

        Raises:
            RecordsError: the directory holds shards of another layout.
        """
        directory = Path(directory)
        found = {file.name for file in directory.glob("maps-*.tfrecord")}
        names = self.names()
        foreign = sorted(found.difference(names))
        if foreign:
            raise RecordsError(
                f"{directory}: found {foreign[0]}, expected {self.count} shards named {names[0]} ...; "
                "these maps belong to another run, use another --out"
            )
        return [shard for shard, name in enumerate(names) if name not in found]

    def _check(self, shard: int) -> None:
        if not 0 <= shard < self.count:
            raise IndexError(f"shard {shard} of {self.count}")


def parse_shard_name(name: str) -> tuple[int, int]:
    """``maps-00001-of-00003.tfrecord`` -> (1, 3).

    Raises:
        RecordsError: not the name of a shard.
    """
    match = _SHARD_NAME.fullmatch(name)
    if not match or int(match[1]) >= int(match[2]):
        raise RecordsError(f"{name}: not a shard's name, expected one like maps-00000-of-00003.tfrecord")
    return int(match[1]), int(match[2])


def map_directory(run: str | os.PathLike[str], model: str, method: str) -> Path:
    """The folder of one model's maps of one method: ``<run>/attributions/<model>/<method>``.

    Raises:
        SettingsError: a name that cannot be a folder (empty, with a slash, or starting with a dot).
    """
    return Path(run) / ATTRIBUTIONS / _folder("model", model) / _folder("method", method)


def representation_directory(run: str | os.PathLike[str], model: str) -> Path:
    """The folder of one model's representations, shards like those of maps: ``<run>/representations/<model>``.

    Raises:
        SettingsError: a name that cannot be a folder.
    """
    return Path(run) / REPRESENTATIONS / _folder("model", model)


def _folder(kind: str, name: str) -> str:
    if not _SAFE_NAME.fullmatch(name):
        raise SettingsError(
            f"the {kind} name {name!r} cannot name a folder; use one without slashes that starts with no dot"
        )
    return name


def find_shards(directory: str | os.PathLike[str]) -> list[Path]:
    """All shards of a directory in order.

    Raises:
        RecordsError: no shard there, some missing, or shards of two layouts.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RecordsError(f"{directory}: no such directory of maps; compute them with `tfattr attribute`")
    files = {parse_shard_name(file.name): file for file in directory.glob("*.tfrecord")}
    if not files:
        raise RecordsError(f"{directory}: no shard in it; compute the maps with `tfattr attribute`")
    counts = sorted({count for _, count in files})
    if len(counts) > 1:
        raise RecordsError(
            f"{directory}: found shards of {counts[0]} and of {counts[1]}, expected one set; "
            "two runs wrote here, remove the older"
        )
    lacking = [shard for shard in range(counts[0]) if (shard, counts[0]) not in files]
    if lacking:
        raise RecordsError(
            f"{directory}: {len(lacking)} of {counts[0]} shards are missing (the first is number {lacking[0]}); "
            "run `tfattr attribute` again, it computes only those"
        )
    return [files[shard, counts[0]] for shard in range(counts[0])]
