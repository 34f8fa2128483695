"""The files of a run or a study, read; what is optional and absent is None or empty."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfattr.affinity import AffinityResult
from tfattr.affinity.images import ImageCosines
from tfattr.errors import RecordsError
from tfattr.evaluation.sources import RANKING_NAME, SourceRanking
from tfattr.records.manifest import MANIFEST_NAME

STUDY_NAME = "study.json"


@dataclass(frozen=True)
class _Files:
    """What the directories of runs and studies have in common.

    Attributes:
        folder: the directory.
        evaluation, claims, cost: the JSON files of these names.
        figures: stem to file in ``figures/``; the PNG where there is one, else the SVG.
    """

    folder: Path
    evaluation: Mapping[str, Any] | None = None
    claims: list[Mapping[str, Any]] | None = None
    cost: Mapping[str, Any] | None = None
    figures: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFiles(_Files):
    """What a run's directory holds.

    Attributes:
        label: the run's name: its label in a study, else the directory's.
        manifest: ``run.json``.
        affinity, cosines: ``affinity.npz``, ``affinity_images.npz``.
        trees: method to Newick text (``tree_<method>.nwk``).
        photos: id and uint8 ``[h, w, 3]`` of the first probe images (``previews.npz``).
        probe: name of the probe set, where known.
        ranking: ``ranking.npz``: the models as sources of each other.
    """

    label: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    affinity: AffinityResult | None = None
    cosines: ImageCosines | None = None
    trees: Mapping[str, str] = field(default_factory=dict)
    photos: list[tuple[str, np.ndarray]] = field(default_factory=list)
    probe: str | None = None
    ranking: SourceRanking | None = None

    @property
    def groups(self) -> dict[str, str]:
        """Model to group, as far as the run says."""
        return dict(self.manifest["source"].get("groups") or {})


@dataclass(frozen=True)
class Results(_Files):
    """A study, or a run as the only one of its own.

    Attributes:
        study: whether it is a study; then the common files are the study's, else the run's.
        zoo: name of the zoo, where known.
        runs: at least one.
        absent: labels of runs that the study names and the directory lacks.
    """

    study: bool = False
    zoo: str | None = None
    runs: tuple[RunFiles, ...] = ()
    absent: tuple[str, ...] = ()


def read_results(folder: str | os.PathLike[str]) -> Results:
    """Reads a run's or a study's directory.

    Raises:
        RecordsError: it is neither, a study of no run that exists, or a file that is there cannot be read.
    """
    folder = Path(folder)
    study = _json(folder / STUDY_NAME, dict)
    if study is None:
        if not (folder / MANIFEST_NAME).is_file():
            raise RecordsError(
                f"{folder}: found neither {MANIFEST_NAME} nor {STUDY_NAME}; expected the directory of a run "
                "(`tfattr run ... --out DIR`) or of a study."
            )
        run = read_run(folder)
        return Results(**_common(folder), zoo=_name(run.manifest["source"].get("zoo")), runs=(run,))
    listed = study.get("runs")
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and _is_label(one.get("label")) for one in listed
    ):
        raise RecordsError(
            f"{folder / STUDY_NAME}: not a study of tfattr; expected a list 'runs' of tables with a 'label'."
        )
    there = [one for one in listed if (folder / one["label"] / MANIFEST_NAME).is_file()]
    if not there:
        raise RecordsError(
            f"{folder}: none of the runs that {STUDY_NAME} names is there "
            f"({', '.join(one['label'] for one in listed) or 'it names none'}); make the study again."
        )
    return Results(
        **_common(folder),
        study=True,
        zoo=_name(study.get("zoo")),
        runs=tuple(read_run(folder / one["label"], one["label"], _name(one.get("probe"))) for one in there),
        absent=tuple(one["label"] for one in listed if one not in there),
    )


def read_run(folder: Path, label: str | None = None, probe: str | None = None) -> RunFiles:
    """Reads a run's directory.

    Raises:
        RecordsError: a file that is there cannot be read.
    """
    found = _json(folder / MANIFEST_NAME, dict)
    manifest = {
        **{key: found.get(key) or {} for key in ("versions", "models", "settings", "source")},
        **{key: found.get(key) or [] for key in ("probe", "skipped", "duplicates")},
    }
    trees = {path.stem[len("tree_") :]: path for path in sorted(folder.glob("tree_*.nwk"))}
    return RunFiles(
        **_common(folder),
        label=label or folder.resolve().name,
        manifest=manifest,
        affinity=_if_there(folder / "affinity.npz", AffinityResult.load),
        cosines=_if_there(folder / "affinity_images.npz", ImageCosines.load),
        trees={method: path.read_text(encoding="utf-8") for method, path in trees.items()},
        photos=_if_there(folder / "previews.npz", _photos) or [],
        probe=probe or _name(manifest["source"].get("probe")),
        ranking=_if_there(folder / RANKING_NAME, SourceRanking.load),
    )


def _common(folder: Path) -> dict[str, Any]:
    """The attributes of :class:`_Files`."""
    evaluation = _json(folder / "evaluation.json", dict)
    if evaluation is not None and not isinstance(evaluation.get("rows"), list):
        raise RecordsError(
            f"{folder / 'evaluation.json'}: not an evaluation of tfattr; it has no list 'rows'."
        )
    figures = {
        path.stem: path for suffix in ("svg", "png") for path in (folder / "figures").glob(f"*.{suffix}")
    }
    return {
        "folder": folder,
        "evaluation": evaluation,
        "claims": _json(folder / "claims.json", list),
        "cost": _json(folder / "cost.json", dict),
        "figures": dict(sorted(figures.items())),
    }


def _photos(path: Path) -> list[tuple[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as kept:
            return list(zip(map(str, kept["ids"]), kept["photos"]))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise RecordsError(
            f"{path}: cannot be read as the previews of a run ({error}); remove it, `tfattr run` makes it again."
        ) from error


def _if_there(path: Path, load: Any) -> Any:
    return load(path) if path.is_file() else None


def _json(path: Path, kind: type) -> Any:
    """The file's content; None if there is no file."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordsError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(found, kind) or (kind is list and not all(isinstance(one, dict) for one in found)):
        expected = "a table" if kind is dict else "a list of tables"
        raise RecordsError(f"{path}: holds another kind of content than tfattr writes; expected {expected}.")
    return found


def _is_label(label: Any) -> bool:
    """One folder name: a study's runs lie in the study."""
    return isinstance(label, str) and label not in ("", ".", "..") and Path(label).name == label


def _name(given: Any) -> str | None:
    """A zoo or probe set as given; of a path the last part, since the rest is of one machine."""
    return Path(str(given)).name or None if given else None
