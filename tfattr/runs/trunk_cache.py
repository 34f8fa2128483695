"""Trunks of a study are made once, kept as files while it runs, and read back for every further run."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


class CachedSpec(ModelSpec):
    """A model of a zoo whose trunk is saved at its first loading."""

    @classmethod
    def of(cls, spec: ModelSpec, folder: Path) -> CachedSpec:
        made = cls(**{field.name: getattr(spec, field.name) for field in dataclasses.fields(ModelSpec)})
        object.__setattr__(made, "_original", spec)
        object.__setattr__(made, "_home", folder / spec.name)
        return made

    def load(self) -> Trunk:
        from tfattr.trunk.trunk import Trunk

        if (self._home / "trunk.json").exists():
            return Trunk.load(self._home)
        trunk = self._original.load()
        trunk.save(self._home)
        return trunk


@contextmanager
def cached_trunks(models: Iterable[ModelSpec], folder: str | os.PathLike[str]) -> Iterator[list[ModelSpec]]:
    """The models with their trunks kept under ``folder`` until the end of the block.

    What an earlier, interrupted block left there is of unknown age, so it is removed first.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield [CachedSpec.of(model, folder) for model in models]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
