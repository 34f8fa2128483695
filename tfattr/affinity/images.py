"""Comparisons image by image: what intervals, sizes of the probe and further models are computed from."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.affinity.state import AffinityState, pair_indices
from tfattr.errors import RecordsError, SettingsError
from tfattr.io import atomic_write

_FORMAT = 2  # 2: measures; files before it hold cosines
_BATCH = 64  # resamples at a time: bounds the memory of weighted sums


@dataclass(frozen=True)
class ImageCosines:
    """How the models' maps compare on each probe image; the mean over images is the affinity.

    Attributes:
        models: M names.
        images: N ids.
        cosines: per entry (a method, or :func:`tfattr.affinity.measures.entry_name` of a method and a measure)
            float32 ``[N, M (M - 1) / 2]``: pairs i < j, row by row (scipy's squareform order); of a measure that is
            not symmetric ``[N, M (M - 1)]``: all pairs i != j, row by row, row = target. NaN where one of the two
            maps was left out.
        measures: per entry, the measure's name; an entry that is not named here is of cosines.
    """

    models: tuple[str, ...]
    images: tuple[str, ...]
    cosines: dict[str, np.ndarray]
    measures: dict[str, str] = field(default_factory=dict)

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
                    f"the affinity state of {method} does not hold the comparisons of every image; "
                    "make it with keep_images=True"
                )
            cosines[method] = np.stack([state.kept[image] for image in images])
        measures = {method: state.measure.name for method, state in states.items()}
        return cls(next(iter(states.values())).models, tuple(images), cosines, measures)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.cosines)

    def measure(self, method: str) -> str:
        """The name of the measure that an entry is by."""
        return self.measures.get(method, DEFAULT_MEASURE)

    def check_method(self, method: str) -> None:
        """Raises SettingsError if there is no such entry."""
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
        found = {}
        for name, values in self.cosines.items():
            pairs = _square(
                np.arange(values.shape[1], dtype=np.float64)[None], len(self.models), diagonal=-1
            )[0]
            wanted = pair_indices(len(at), _symmetric(values.shape[1], len(self.models)))
            found[name] = values[:, pairs[np.ix_(at, at)][wanted].astype(int)]
        return ImageCosines(tuple(models), self.images, found, self.measures)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the .npz, plain arrays: one by each entry's name, ``models``, ``images``, ``methods`` (the entries),
        ``measures`` (of each entry), ``format``.
        """
        path = Path(path)
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                **self.cosines,
                models=np.array(self.models, dtype=str),
                images=np.array(self.images, dtype=str),
                methods=np.array(self.methods, dtype=str),
                measures=np.array([self.measure(method) for method in self.methods], dtype=str),
                format=_FORMAT,
            )
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ImageCosines:
        """Reads what :meth:`save` wrote, and files of tfattr 0.1 (cosines).

        Raises:
            RecordsError: missing, damaged, of a later format, or another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                models = tuple(str(name) for name in file["models"])
                images = tuple(str(name) for name in file["images"])
                cosines = {str(name): file[str(name)] for name in file["methods"]}
                format = int(file["format"]) if "format" in file else 1
                measures = dict(zip(cosines, map(str, file["measures"]))) if format > 1 else {}
        except FileNotFoundError as error:
            raise RecordsError(f"{path}: no such file; compute it with `tfattr affinity`") from error
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise RecordsError(
                f"{path}: cannot be read as the cosines of a run ({error}); compute it again with `tfattr affinity`"
            ) from error
        if format > _FORMAT:
            raise RecordsError(f"{path}: format {format}, this tfattr reads up to {_FORMAT}; update tfattr")
        pairs = len(models) * (len(models) - 1) // 2
        for method, values in cosines.items():
            if values.shape not in ((len(images), pairs), (len(images), 2 * pairs)):
                raise RecordsError(
                    f"{path}: {method} has shape {values.shape}, expected {(len(images), pairs)}; "
                    "compute it again with `tfattr affinity`"
                )
        return cls(models, images, cosines, measures)


def _symmetric(columns: int, models: int) -> bool:
    return columns == models * (models - 1) // 2


def _square(values: np.ndarray, models: int, diagonal: float = 1.0) -> np.ndarray:
    """``[B, M (M - 1) / 2]`` to symmetric, or ``[B, M (M - 1)]`` to full, ``[B, M, M]``."""
    full = np.full((len(values), models, models), diagonal, np.float64)
    symmetric = _symmetric(values.shape[1], models)
    rows, columns = pair_indices(models, symmetric)
    full[:, rows, columns] = values
    if symmetric:
        full[:, columns, rows] = values
    return full
