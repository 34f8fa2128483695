"""A study: runs of one zoo on several probe sets, or with several targets, side by side in one directory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.errors import RecordsError
from tfattr.io import write_json
from tfattr.records import MANIFEST_NAME, RunManifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfattr.runs.run import Run

STUDY_NAME = "study.json"


@dataclass(frozen=True)
class StudyRun:
    """One run of a study: its label (the name of its folder), probe set and target of the attribution."""

    label: str
    probe: str
    target: str


@dataclass(frozen=True)
class Study:
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

    def open(self, run: StudyRun | None = None) -> Run:
        """One of the runs, the main one if None."""
        from tfattr.runs.run import open_run

        return open_run(self.folder(run or self.main))

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """The paper's figures: name to what draws it (:func:`tfattr.runs.pictures.study_figures`)."""
        from tfattr.runs.pictures import study_figures

        return study_figures(self)

    def claims(self) -> list[str]:
        """The claims of the paper's supplementary material, measured: a line each."""
        from tfattr.runs.claiming import claim_lines

        return claim_lines(self.path)

    def cost(self) -> dict[str, Any]:
        """Seconds and core-hours of the main run, and of measuring the transfers (:func:`tfattr.runs.cost.cost_of`)."""
        from tfattr.runs.cost import cost_of

        return cost_of(self)

    def save(self) -> None:
        """Write ``study.json``."""
        write_json(self.path / STUDY_NAME, {"zoo": self.zoo, "runs": self.runs})


def open_study(path: str | os.PathLike[str]) -> Study:
    """A study's directory, or a run's, which is a study of one.

    Raises:
        RecordsError: neither.
    """
    path = Path(path)
    if (path / STUDY_NAME).exists():
        try:
            content = json.loads((path / STUDY_NAME).read_text("utf-8"))
            return Study(path, content["zoo"], tuple(StudyRun(**run) for run in content["runs"]))
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
    return Study(
        path,
        str(manifest.source.get("zoo", "zoo")),
        (StudyRun(probe, probe, str(manifest.settings.get("target", "sum"))),),
    )


def find_sibling(run: str | os.PathLike[str], target: str) -> Path | None:
    """A run beside this one whose target begins so: of its study and probe set, or ``RUN_<target>``; None without one."""
    run = Path(run).resolve()
    if (run.parent / STUDY_NAME).exists():
        study = open_study(run.parent)
        own = next((one for one in study.runs if study.folder(one) == run), None)
        for one in study.runs if own else ():
            if one.probe == own.probe and one.target.startswith(target):
                return study.folder(one)
    beside = run.with_name(f"{run.name}_{target}")
    return beside if (beside / MANIFEST_NAME).exists() else None
