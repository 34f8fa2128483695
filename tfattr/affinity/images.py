"""Cosines image by image: what intervals, sizes of the probe and further models are computed from."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr.affinity.state import AffinityState
from tfattr.errors import RecordsError, SettingsError
from tfattr.records.whole import whole_file

_BATCH = 64  # resamples at a time: bounds the memory of weighted sums


@dataclass(frozen=True)
class ImageCosines:
    """Cosines between the models' maps on each probe image; their mean over images is the affinity.

    Attributes:
        models: M names.
        images: N ids.
        cosines: per method, float32 ``[N, M (M - 1) / 2]``: pairs i < j, row by row (scipy's squareform
            order); NaN where one of the two maps was left out.
    """

    models: tuple[str, ...]
    images: tuple[str, ...]
    cosines: dict[str, np.ndarray]

    @classmethod
    def from_states(cls, states: Mapping[str, AffinityState], images: Sequence[str]) -> ImageCosines:
        """Collects what states with ``keep_images=True`` kept, in the order of ``images``.

        Raises:
            SettingsError: a state kept no images, or lacks one of these.
        """
        cosines = {}
        for method, state in states.items():
            if state.kept is None or any(image not in state.kept for image in images):
                raise SettingsError(
                    f"the affinity state of {method} does not hold the cosines of every image; "
                    "make it with keep_images=True"
                )
            cosines[method] = np.stack([state.kept[image] for image in images])
        return cls(next(iter(states.values())).models, tuple(images), cosines)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.cosines)

    def check_method(self, method: str) -> None:
        """Raises SettingsError if there are no cosines of this method."""
        if method not in self.cosines:
            raise SettingsError(
                f"no method {method!r} in this run; expected one of {', '.join(self.methods)}"
            )

    def matrices(self, method: str) -> np.ndarray:
        """The matrix of every image: float64 ``[N, M, M]``, diagonal 1."""
        return _square(self.cosines[method].astype(np.float64), len(self.models))

    def mean(self, method: str, weights: np.ndarray | None = None) -> np.ndarray:
        """The affinity, with images weighted or resampled.

        Args:
            method: one of ``methods``.
            weights: how often (or how much) each image counts: ``[N]``, or ``[B, N]`` for B affinities at
                once; all once if None.

        Returns:
            float64 ``[M, M]``, or ``[B, M, M]``; NaN where no image counts, diagonal 1.
        """
        values = self.cosines[method].astype(np.float64)
        known = np.isfinite(values)
        values = np.where(known, values, 0.0)
        weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
        rows = np.atleast_2d(weights)
        parts = []
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            with np.errstate(invalid="ignore", divide="ignore"):
                parts.append((some @ values) / (some @ known.astype(np.float64)))
        means = _square(np.concatenate(parts), len(self.models))
        return means if weights.ndim == 2 else means[0]

    def only(self, models: Sequence[str]) -> ImageCosines:
        """The same for some of the models, in the order given.

        Raises:
            SettingsError: a model is not among them.
        """
        strange = [model for model in models if model not in self.models]
        if strange:
            raise SettingsError(f"no model is named {strange[0]!r}; there are {', '.join(self.models)}")
        at = [self.models.index(model) for model in models]
        upper = np.triu_indices(len(at), 1)
        pairs = _square(np.arange(self._pairs, dtype=np.float64)[None], len(self.models), diagonal=-1)[0]
        columns = pairs[np.ix_(at, at)][upper].astype(int)
        return ImageCosines(
            tuple(models), self.images, {name: one[:, columns] for name, one in self.cosines.items()}
        )

    @property
    def _pairs(self) -> int:
        return len(self.models) * (len(self.models) - 1) // 2

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the .npz (plain arrays: one by each method's name, ``models``, ``images``, ``methods``)."""
        path = Path(path)
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                **self.cosines,
                models=np.array(self.models, dtype=str),
                images=np.array(self.images, dtype=str),
                methods=np.array(self.methods, dtype=str),
            )
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ImageCosines:
        """Reads what :meth:`save` wrote.

        Raises:
            RecordsError: missing, damaged, or another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                models = tuple(str(name) for name in file["models"])
                images = tuple(str(name) for name in file["images"])
                cosines = {str(name): file[str(name)] for name in file["methods"]}
        except FileNotFoundError as error:
            raise RecordsError(f"{path}: no such file; compute it with `tfattr affinity`") from error
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise RecordsError(
                f"{path}: cannot be read as the cosines of a run ({error}); compute it again with `tfattr affinity`"
            ) from error
        found = cls(models, images, cosines)
        for method, values in cosines.items():
            if values.shape != (len(images), found._pairs):
                raise RecordsError(
                    f"{path}: {method} has shape {values.shape}, expected {(len(images), found._pairs)}; "
                    "compute it again with `tfattr affinity`"
                )
        return found


def _square(values: np.ndarray, models: int, diagonal: float = 1.0) -> np.ndarray:
    """``[B, M (M - 1) / 2]`` to symmetric ``[B, M, M]``."""
    full = np.full((len(values), models, models), diagonal, np.float64)
    rows, columns = np.triu_indices(models, 1)
    full[:, rows, columns] = values
    full[:, columns, rows] = values
    return full
