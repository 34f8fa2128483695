"""The paper's figures of a study: sheets over methods and probe sets, sizes, merged group, model graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfattr.affinity import ImageCosines, Tree, both_directions, similarity_tree
from tfattr.claims import default_sizes, sample_size_curve
from tfattr.errors import TfattrError
from tfattr.figures import (
    affinity_sheet,
    matrix_and_tree_figure,
    model_graph_figure,
    save_figure,
    size_curve_figure,
    size_sheet,
    tree_sheet,
)
from tfattr.figures.names import method_name
from tfattr.records import RunManifest
from tfattr.runs.analysis import complete_cosines
from tfattr.runs.pictures import both
from tfattr.runs.study import Study


def study_figures(
    study: Study, graph_method: str = "grad_input", seed: int = 0
) -> dict[str, Callable[[], Figure]]:
    """File name (without suffix) to a function that draws the figure; the numbers are the paper's.

    ``affinity_sheet`` (S2), ``tree_sheet`` (S3), ``sizes_<method>`` and ``size_curve`` (S4),
    ``group_<method>`` (S5 to S7), ``model_graph_<method>``.
    """
    runs = study.with_target(study.main.target)
    cosines = {run.probe: complete_cosines(study.folder(run)) for run in runs}
    main = cosines[study.main.probe]
    groups = RunManifest.load(study.folder(study.main)).source.get("groups", {})
    models = [name for name in main.models if all(name in one.models for one in cosines.values())]
    methods = [name for name in main.methods if all(name in one.methods for one in cosines.values())]
    parts = {probe: one.only(models) for probe, one in cosines.items()}
    matrices = {
        method_name(method): {probe: one.mean(method) for probe, one in parts.items()} for method in methods
    }
    figures: dict[str, Callable[[], Figure]] = {
        "affinity_sheet": lambda: affinity_sheet(matrices, models, groups=groups, measure=_common(main)),
        "tree_sheet": lambda: tree_sheet(_trees(matrices, models), groups=groups),
    }
    curves = [sample_size_curve(main, method, default_sizes(len(main.images))) for method in main.methods]
    if curves and curves[0].sizes:
        figures["size_curve"] = lambda: size_curve_figure(
            {
                method_name(curve.method): {
                    "sizes": list(curve.sizes),
                    "mean": list(curve.correlation[:, 0]),
                    "low": list(curve.correlation[:, 1]),
                    "high": list(curve.correlation[:, 2]),
                }
                for curve in curves
            }
        )
    for method in main.methods:
        title = f"{method_name(method)}, {len(main.images)} images"
        figures[f"group_{method}"] = lambda method=method, title=title: matrix_and_tree_figure(
            main.mean(method), main.models, title, groups=groups, measure=main.measure(method)
        )
        figures[f"model_graph_{method}"] = lambda method=method: model_graph_figure(
            main.mean(method), main.models, groups=groups
        )
    sized = "elrp" if "elrp" in main.methods else main.methods[-1]  # the paper's figure S4 is by epsilon-LRP
    figures[f"sizes_{sized}"] = lambda: size_sheet(
        _by_size(main, sized, seed), main.models, groups=groups, measure=main.measure(sized)
    )
    return figures


def save_study_figures(study: Study, progress: Callable[[str], object] | None = None) -> list[str]:
    """Write every figure into the study's ``figures/`` as PNG and SVG; returns notes on those that could not be drawn."""
    folder, notes = Path(study.path) / "figures", []
    for name, draw in study_figures(study).items():
        if progress is not None:
            progress(name)
        try:
            save_figure(draw(), *both(folder / name))
        except TfattrError as error:  # for example undefined affinities: the other figures are still wanted
            notes.append(f"{name}: {error}")
    return notes


def _common(cosines: ImageCosines) -> str:
    """The measure of all entries, if it is one."""
    measures = {cosines.measure(method) for method in cosines.methods}
    return measures.pop() if len(measures) == 1 else "mean over images"


def _by_size(cosines: ImageCosines, method: str, seed: int) -> dict[int, np.ndarray]:
    """Affinities of nested random parts of the probe, and of the whole."""
    count = len(cosines.images)
    order = np.random.default_rng(seed).permutation(count)
    found = {}
    for size in (*default_sizes(count), count):
        weights = np.zeros(count)
        weights[order[:size]] = 1
        found[size] = cosines.mean(method, weights)
    return found


def _trees(matrices: dict[str, dict[str, np.ndarray]], models: list[str]) -> dict[str, dict[str, Tree]]:
    return {
        method: {
            probe: similarity_tree(both_directions(matrix), models) for probe, matrix in by_probe.items()
        }
        for method, by_probe in matrices.items()
    }
