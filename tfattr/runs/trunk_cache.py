"""Trunks of a study are made once, kept as files while it runs, and read back for every further run."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class Cached:
    """A loader that saves the trunk in ``folder`` at its first loading; ``same_as``: the loader that it saves a call of."""

    folder: Path
    same_as: Callable[[ModelSpec], Trunk] | None

    def __call__(self, spec: ModelSpec) -> Trunk:
        """The trunk of the folder, made and saved there where there is none."""
        from tfattr.trunk.trunk import Trunk

        if (self.folder / "trunk.json").exists():
            return Trunk.load(self.folder)
        trunk = dataclasses.replace(spec, loader=self.same_as).load()
        trunk.save(self.folder)
        return trunk


@contextmanager
def cached_trunks(models: Iterable[ModelSpec], folder: str | os.PathLike[str]) -> Iterator[list[ModelSpec]]:
    """The models with their trunks kept under ``folder`` until the end of the block.

    What an earlier, interrupted block left there is of unknown age, so it is removed first.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield [
            dataclasses.replace(model, loader=Cached(folder / model.name, model.loader)) for model in models
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
