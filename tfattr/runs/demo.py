"""The demonstration: the embedded rooms zoo, both targets, several grids, against measured transfer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tfattr.attribution import AttributionSettings
from tfattr.runs.analysis import analyse, compute_affinity
from tfattr.runs.attribution import RecordSettings, attribute_zoo
from tfattr.runs.judging import judge
from tfattr.runs.probes import survey_probe
from tfattr.zoo.file import open_zoo

METHODS = ("saliency", "grad_input", "elrp_innvestigate", "elrp_deepexplain")
TARGETS = ("sum", "energy")
GRIDS = (64, 32, 16, 8)


def demonstrate(
    out: str | os.PathLike[str], probe: str = "rooms", limit: int | None = None, progress: bool = True
) -> str:
    """Run the rooms zoo on an embedded probe set and judge every variant; returns the summary as text.

    For each target: maps, affinity, trees, pictures and ``evaluation.csv`` under ``out/<target>/``.
    """
    out, zoo = Path(out), open_zoo("rooms")
    survey = survey_probe(probe, limit=limit)
    order = [model.name for model in zoo]
    variants: dict[str, np.ndarray] = {}
    for target in TARGETS:
        run = out / target
        attribute_zoo(
            zoo,
            survey,
            run,
            AttributionSettings(METHODS, target=target),
            RecordSettings(),
            progress=progress,
        )
        result = analyse(run, models=order, methods=METHODS, groups=zoo.groups, progress=progress)
        judge(result, "rooms").save(run, f"rooms zoo, target {target}, against measured transfer")
        for grid in GRIDS:
            if set(result.grids.values()) == {(grid, grid)}:
                coarse = result  # the maps' own size
            else:
                coarse = compute_affinity(run, order, METHODS, (grid, grid), progress=False)
            for method, matrix in coarse.affinity.items():
                variants[f"{method}, {target}, grid {grid}"] = matrix
    judgement = judge(variants, "rooms", tuple(order))
    # Of the many, the curves of gradient * input: the paper's setting and the energy target, fine and coarse.
    curves = [f"grad_input, {target}, grid {grid}" for target in TARGETS for grid in (64, 8)]
    judgement.save(out, "rooms zoo against measured transfer", curves)
    return "\n".join(
        [
            f"{len(order)} encoders, {len(survey.images)} probe images, against measured transfer:",
            judgement.table(),
            "",
            f"results: {out}/<sum|energy>/ (affinity.npz, figures/), {out / 'evaluation.csv'}, "
            f"{out / 'figures' / 'precision_recall.png'}",
        ]
    )
