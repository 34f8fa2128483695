"""``affinity.npz``: the affinity of a run's models under each method, and the authors' own files of it."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.io

from tfattr.affinity.measures import DEFAULT_MEASURE
from tfattr.affinity.state import AffinityState, DroppedMap
from tfattr.errors import RecordsError, SettingsError
from tfattr.io import atomic_write

_RESERVED = ("models", "methods", "counts", "images", "grids", "dropped", "measures")
_NAMED = 5  # dropped maps that a warning names; the result holds them all


class AffinityWarning(UserWarning):
    """Maps were left out of an affinity."""


@dataclass(frozen=True)
class AffinityResult:
    """Affinities of a run.

    Attributes:
        models: names, in the order of rows and columns.
        affinity: per entry (a method, or :func:`tfattr.affinity.measures.entry_name` of a method and a measure),
            float64 ``[M, M]``, row = target; diagonal 1, NaN where no image counts. All below is per entry too.
        counts: per method, int64 ``[M, M]``: images that count for a pair.
        images: per method, images seen.
        grids: per method, the size that maps were compared at.
        dropped: per method, the maps left out (zero, not finite, or constant).
        measures: per method, the measure's name; cosine where none is named.
    """

    models: tuple[str, ...]
    affinity: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]
    images: dict[str, int]
    grids: dict[str, tuple[int, int] | None]
    dropped: dict[str, tuple[DroppedMap, ...]]
    measures: dict[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.affinity)

    def measure(self, method: str) -> str:
        """The name of the measure that an entry is by."""
        return self.measures.get(method, DEFAULT_MEASURE)

    @classmethod
    def from_states(cls, states: Mapping[str, AffinityState]) -> AffinityResult:
        """Computes the result of ``{method: state}``; warns, by name, of maps that were left out.

        Raises:
            SettingsError: no method, methods of different models, or a method named like a key of the file.
        """
        if not states:
            raise SettingsError("there is no affinity to save; give at least one method")
        models = {state.models for state in states.values()}
        if len(models) > 1:
            raise SettingsError(
                f"the methods {', '.join(states)} are not of the same models in the same order"
            )
        for method in states:
            if method in _RESERVED:
                raise SettingsError(f"a method cannot be named {method!r}; affinity.npz uses that name")
        computed = {method: state.compute() for method, state in states.items()}
        for method, state in states.items():
            if state.dropped:
                warnings.warn(_dropped_text(method, state), AffinityWarning, stacklevel=2)
        return cls(
            models=models.pop(),
            affinity={method: affinity for method, (affinity, _) in computed.items()},
            counts={method: counts for method, (_, counts) in computed.items()},
            images={method: state.images for method, state in states.items()},
            grids={method: state.grid for method, state in states.items()},
            dropped={method: tuple(state.dropped) for method, state in states.items()},
            measures={method: state.measure.name for method, state in states.items()},
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the .npz, whole or not at all; plain arrays only, so ``np.load`` needs no pickles.

        Keys: one ``[M, M]`` array by each method's name; ``models``, ``methods`` (names); ``counts``
        ``[K, M, M]``, ``images`` ``[K]``, ``grids`` ``[K, 2]`` (0 if unknown) in the order of ``methods``;
        ``measures`` likewise; ``dropped`` ``[D, 4]``: method, model, image, reason.
        """
        path = Path(path)
        dropped = [(method, *one) for method, several in self.dropped.items() for one in several]
        arrays = {
            **self.affinity,
            "models": np.array(self.models, dtype=str),
            "methods": np.array(self.methods, dtype=str),
            "counts": np.stack([self.counts[method] for method in self.methods]),
            "images": np.array([self.images[method] for method in self.methods], np.int64),
            "grids": np.array([self.grids[method] or (0, 0) for method in self.methods], np.int64),
            "dropped": np.array(dropped, dtype=str).reshape(-1, 4),
            "measures": np.array([self.measure(method) for method in self.methods], dtype=str),
        }
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AffinityResult:
        """Reads what :meth:`save` wrote.

        Raises:
            RecordsError: missing, damaged, or not an affinity of tfattr.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            methods = [str(method) for method in arrays["methods"]]
            at = list(enumerate(methods))
            return cls(
                models=tuple(str(model) for model in arrays["models"]),
                affinity={method: arrays[method] for method in methods},
                counts={method: arrays["counts"][k] for k, method in at},
                images={method: int(arrays["images"][k]) for k, method in at},
                grids={
                    method: (int(arrays["grids"][k][0]), int(arrays["grids"][k][1]))
                    if arrays["grids"][k].all()
                    else None
                    for k, method in at
                },
                dropped={
                    method: tuple(
                        DroppedMap(*map(str, row[1:])) for row in arrays["dropped"] if row[0] == method
                    )
                    for method in methods
                },
                measures={method: str(arrays["measures"][k]) for k, method in at}
                if "measures" in arrays
                else {},
            )
        except FileNotFoundError as error:
            raise RecordsError(f"{path}: no such file; {_AGAIN}") from error
        except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise RecordsError(f"{path}: cannot be read as an affinity.npz ({error}); {_AGAIN}") from error
        except (KeyError, IndexError) as error:
            raise RecordsError(f"{path}: not an affinity of tfattr, {error} is missing; {_AGAIN}") from error

    def save_authors_layout(self, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Writes the authors' files: ``affinity.npy`` and ``affinity.mat`` (key ``affinity``).

        Both hold float64 ``[methods, M, M]``, in the order of ``methods`` and ``models``.
        Source: the authors' ``affinity.py``.
        """
        stacked = np.stack([self.affinity[method] for method in self.methods])
        plain, matlab = Path(directory) / "affinity.npy", Path(directory) / "affinity.mat"
        with atomic_write(plain) as temporary, open(temporary, "wb") as file:
            np.save(file, stacked)
        with atomic_write(matlab) as temporary, open(temporary, "wb") as file:
            scipy.io.savemat(file, {"affinity": stacked})
        return plain, matlab


_AGAIN = "compute it again with `tfattr affinity`"


def load_authors_layout(path: str | os.PathLike[str], models: int = 20) -> dict[str, np.ndarray]:
    """The authors' ``affinity.npy`` or ``affinity.mat``: saliency, grad_input, elrp to float64 ``[M, M]``.

    Raises:
        RecordsError: the file cannot be read, or is not ``[3, models, models]``.

    Source: the authors' ``affinity.py``.
    """
    path = Path(path)
    try:
        if path.suffix == ".mat":
            stacked = scipy.io.loadmat(path)["affinity"]
        else:
            stacked = np.load(path, allow_pickle=False)
    except (OSError, ValueError, KeyError, EOFError, TypeError) as error:
        raise RecordsError(f"{path}: cannot be read as the authors' affinity ({error})") from error
    if getattr(stacked, "shape", None) != (3, models, models):
        raise RecordsError(
            f"{path}: has shape {getattr(stacked, 'shape', None)}, expected (3, {models}, {models}): saliency, "
            "gradient * input, epsilon-LRP by task and task"
        )
    return dict(zip(("saliency", "grad_input", "elrp"), np.asarray(stacked, np.float64)))


def _dropped_text(method: str, state: AffinityState) -> str:
    named = ", ".join(f"{one.model} on {one.image} ({one.reason})" for one in state.dropped[:_NAMED])
    more = f" and {len(state.dropped) - _NAMED} more" if len(state.dropped) > _NAMED else ""
    return f"{method}: {len(state.dropped)} maps are left out of the affinity: {named}{more}"
