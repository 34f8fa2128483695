"""The trunks' outputs of a run, read back model by model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfattr.errors import RecordsError
from tfattr.records import RunManifest, read_maps, representation_directory


class Representations(Mapping[str, np.ndarray]):
    """Model name to its representations, float32 ``[N, h, w, c]``, or ``[N, c]`` for vectors.

    Each is read when asked for and not kept, so that one model's are in memory at a time. Images are those of
    ``run.json``, in its order; larger outputs were averaged over space (``docs/choices.md``).
    """

    def __init__(self, run: str | os.PathLike[str], models: Sequence[str] | None = None) -> None:
        self._run = Path(run)
        manifest = RunManifest.load(run)
        self._ids = manifest.ids
        self._models = list(models or manifest.models)
        for model in self._models:
            map_dir = representation_directory(run, model)
            if not map_dir.is_dir():
                raise RecordsError(
                    f"{map_dir}: no representations of this model; run the same `tfattr run` again, it computes only "
                    "what is missing"
                )

    def __getitem__(self, model: str) -> np.ndarray:
        if model not in self._models:
            raise KeyError(model)
        records = read_maps(representation_directory(self._run, model), self._ids)
        array = np.stack([record.stored for record in records])
        return array[:, 0, 0] if array.shape[1:3] == (1, 1) else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)
