"""The six claims of the supplementary material, measured on a study; ``claims.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tfattr.affinity import ImageCosines
from tfattr.claims import (
    Claim,
    SizeCurve,
    default_sizes,
    local_structure,
    methods_agree,
    newcomers,
    probe_insensitivity,
    same_task,
    sample_size_curve,
    size_insensitivity,
)
from tfattr.errors import SettingsError
from tfattr.evaluation import find_truth, read_truth
from tfattr.io import read_json, write_json
from tfattr.records import RunManifest
from tfattr.runs.results import complete_cosines
from tfattr.runs.study import StudyFiles
from tfattr.zoo.originals import entries

CLAIMS_NAME = "claims.json"


def measure_claims(study: StudyFiles, truth: str | None = None, method: str = "grad_input") -> list[Claim]:
    """Claims 1 to 6 from the study's cosines; nothing is written.

    Args:
        study: its main run serves where one probe set is asked for, its runs with the same target for claim 1.
        truth: measured transfer for claim 2, see :func:`tfattr.evaluation.find_truth`.
        method: for claims 4 to 6, as long as the run has it.

    Raises:
        RecordsError: a run lacks its affinity.
    """
    main = study.folder(study.main)
    cosines, source = complete_cosines(main), RunManifest.load(main).source
    tasks, groups = source.get("tasks", {}), source.get("groups", {})
    method = method if method in cosines.methods else cosines.methods[0]
    measured = None
    if truth is not None:
        try:
            measured = read_truth(find_truth(truth), cosines.models)
        except SettingsError:
            measured = None  # claim 2 has a part that needs no truth
    probes = {run.probe: complete_cosines(study.folder(run)) for run in study.with_target(study.main.target)}
    curves = size_curves(cosines)
    return [
        probe_insensitivity(probes),
        methods_agree(cosines, measured),
        size_insensitivity(curves, len(cosines.images)),
        same_task(cosines, tasks, method),
        local_structure(cosines, _parts(cosines.models, tasks, groups), method),
        newcomers(cosines, tasks, method),
    ]


def size_curves(cosines: ImageCosines) -> list[SizeCurve]:
    """Curves of claim 3 for every method."""
    sizes = default_sizes(len(cosines.images))
    return [sample_size_curve(cosines, method, sizes) for method in cosines.methods] if sizes else []


def save_claims(claims: Sequence[Claim], folder: Path) -> None:
    """Write ``claims.json``."""
    write_json(folder / CLAIMS_NAME, [claim.to_dict() for claim in claims])


def claim_lines(folder: str | Path) -> list[str]:
    """What ``claims.json`` says, a line a claim."""
    verdicts = {True: "holds", False: "does not hold", None: "not measured"}
    return [
        f"{claim['number']}. {claim['title']}: {verdicts[claim['holds']]}. {claim['sentence'] or claim['missing']}"
        for claim in read_json(Path(folder) / CLAIMS_NAME, [])
    ]


def _parts(models: Sequence[str], tasks: dict[str, str], groups: dict[str, str]) -> dict[str, list[str]]:
    """The parts whose own structure claim 5 looks at: built-in zoos, one model a task, groups; none twice."""
    named = {
        zoo: [entry.name for entry in entries(zoo) if entry.name in models]
        for zoo in ("taskonomy", "collected")
    }
    seen: set[str] = set()
    kinds = [(model, tasks.get(model, model)) for model in models]
    named["one model a task"] = [model for model, task in kinds if not (task in seen or seen.add(task))]
    named.update(
        {group: [m for m in models if groups.get(m) == group] for group in dict.fromkeys(groups.values())}
    )
    # The same models under two names count once, under the later, which says more.
    return dict({frozenset(part): (name, part) for name, part in named.items()}.values())
