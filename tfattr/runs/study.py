"""A study: runs of one zoo on several probe sets, or with several targets, side by side in one directory; its cost."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfattr import resources
from tfattr.errors import RecordsError, SettingsError
from tfattr.io import read_json, write_json
from tfattr.records import MANIFEST_NAME, RunManifest
from tfattr.runs.directory import read_timing

STUDY_NAME = "study.json"
COST_NAME = "cost.json"
#: Measured transfer that goes with a built-in zoo.
TRUTHS = {"rooms": "rooms", "taskonomy": "taskonomy", "merged": "taskonomy"}
# Zamir et al., CVPR 2018 (Taskonomy), section 4: about 3,000 transfer functions, 47,886 GPU hours.
_TASKONOMY = {
    "what": "Taskonomy's measured transfers: about 3,000 transfer networks",
    "gpu_hours": 47_886,
    "core_hours": None,
    "source": "published: Zamir et al., CVPR 2018, section 4",
}


@dataclass(frozen=True)
class StudyRun:
    """One run of a study: its label (the name of its folder), probe set and target of the attribution."""

    label: str
    probe: str
    target: str


@dataclass(frozen=True)
class StudyFiles:
    """Runs of one zoo.

    Attributes:
        path: the study's directory; results over all runs lie there.
        zoo: its name.
        runs: the first is the main one.
    """

    path: Path
    zoo: str
    runs: tuple[StudyRun, ...]

    @property
    def single(self) -> bool:
        """Whether this is a run by itself."""
        return not (self.path / STUDY_NAME).exists()

    def folder(self, run: StudyRun) -> Path:
        return self.path if self.single else self.path / run.label

    @property
    def main(self) -> StudyRun:
        return self.runs[0]

    def with_target(self, target: str) -> list[StudyRun]:
        """The runs with this target, one a probe set."""
        return [run for run in self.runs if run.target == target]

    def cost(self) -> dict[str, Any]:
        """Seconds and core-hours per model and pair of the main run, and the cost of measured transfer."""
        timing = read_timing(self.folder(self.main))
        models, affinity = timing["models"], timing["affinity"]
        totals = None
        if models and affinity:
            maps = sum(one.get("maps_core_s", 0) + one.get("load_core_s", 0) for one in models.values())
            whole = maps + affinity["core_s"]
            totals = {
                "core_hours": whole / 3600,
                "core_s_per_model": maps / len(models),
                "core_s_per_pair": whole / max(affinity["pairs"], 1),
            }
        return {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "models": models,
            "affinity": affinity,
            "totals": totals,
            "measured_transfer": measured_transfer(self.zoo),
        }

    def save(self) -> None:
        """Write ``study.json``."""
        write_json(self.path / STUDY_NAME, {"zoo": self.zoo, "runs": self.runs})


def read_study(path: str | os.PathLike[str]) -> StudyFiles:
    """A study's directory, or a run's, which is a study of one.

    Raises:
        RecordsError: neither.
    """
    path = Path(path)
    if (path / STUDY_NAME).exists():
        try:
            content = json.loads((path / STUDY_NAME).read_text("utf-8"))
            return StudyFiles(path, content["zoo"], tuple(StudyRun(**run) for run in content["runs"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordsError(
                f"{path / STUDY_NAME}: cannot be read ({error}); make the study again with `tfattr reproduce`"
            ) from error
    if not (path / MANIFEST_NAME).exists():
        raise RecordsError(
            f"{path}: neither a run ({MANIFEST_NAME}) nor a study ({STUDY_NAME}); make one with `tfattr run`"
        )
    manifest = RunManifest.load(path)
    probe = Path(str(manifest.source.get("probe", path.name))).stem
    return StudyFiles(
        path,
        str(manifest.source.get("zoo", "zoo")),
        (StudyRun(probe, probe, str(manifest.settings.get("target", "sum"))),),
    )


def find_sibling(run: str | os.PathLike[str], target: str) -> Path | None:
    """A run beside this one whose target begins so: of its study and probe set, or ``RUN_<target>``; None without one."""
    run = Path(run).resolve()
    if (run.parent / STUDY_NAME).exists():
        study = read_study(run.parent)
        own = next((one for one in study.runs if study.folder(one) == run), None)
        for one in study.runs if own else ():
            if one.probe == own.probe and one.target.startswith(target):
                return study.folder(one)
    beside = run.with_name(f"{run.name}_{target}")
    return beside if (beside / MANIFEST_NAME).exists() else None


def measured_transfer(zoo: str) -> dict[str, Any] | None:
    """What measuring every transfer of a built-in zoo cost, as far as known."""
    if zoo in ("taskonomy", "merged"):
        return dict(_TASKONOMY)
    path = resources.checkpoints() / zoo / "transfer_cost.json"
    return read_json(path)


def truth_of(study: StudyFiles, truth: str | None = None) -> str:
    """The measured transfer asked for, or that of the study's built-in zoo.

    Raises:
        SettingsError: none is given and none is known.
    """
    found = truth or TRUTHS.get(study.zoo)
    if found is None:
        raise SettingsError(
            f"{study.path}: no measured transfer is known for the zoo {study.zoo}; give a CSV with target, source, "
            "affinity as --truth."
        )
    return found
