"""The pictures of runs and studies, registered: name of the file, how it is drawn, where in the report, what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tfattr.affinity import both_directions, similarity_tree
from tfattr.claims import default_sizes, sample_size_curve
from tfattr.errors import SettingsError
from tfattr.figures.curves import size_curve_figure
from tfattr.figures.dendrogram import tree_figure
from tfattr.figures.graph import model_graph_figure
from tfattr.figures.heatmap import affinity_figure, matrix_and_tree_figure
from tfattr.figures.maps import maps_figure
from tfattr.figures.names import method_name
from tfattr.figures.sheets import affinity_sheet, size_sheet, tree_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfattr.affinity import AffinityResult, ImageCosines, Tree


class PlotData(Protocol):
    """What a picture is drawn from; nothing is read before it is asked for.

    Attributes:
        result: the run's affinities; of a study those of its main run.
        trees: method to tree, of that run.
        groups: model to group.
        cosines: probe set to the comparisons on each of its images, the main one first; of a run its own alone.
        previews: the first probe images, uint8 ``[h, w, 3]``, by id.
        maps: model to method to the maps of those images ``[n, H, W, C]``.
    """

    result: AffinityResult
    trees: Mapping[str, Tree]
    groups: Mapping[str, str]
    cosines: Mapping[str, ImageCosines]
    previews: Mapping[str, np.ndarray]
    maps: Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Plot:
    """A picture in ``figures/`` of a run or study, and what the report says of it.

    In ``caption`` and ``alt`` stand, where the report knows them: ``{by}`` (" by " and the method's name), ``{models}``
    and ``{images}`` ("8 models", "200 images"), ``{neighbours}`` (leaves of the tree, in order) and ``{closest}`` (the
    pair with the highest affinity), both sentences after a blank.

    Attributes:
        name: of the file; ``NAME_METHOD`` with ``each``.
        draw: :class:`PlotData` (with ``each`` also a method, an entry of the affinity) to a figure. None: something else
            writes the file.
        section: of the report: matrix, trees, evaluation, graph, maps; another: "Further figures".
        caption, alt: what is to be seen, below the picture and in its place.
        of: ``run``, drawn by ``tfattr run`` and ``tfattr affinity``; ``study``, over all runs, drawn by ``tfattr report``.
        each: one for each method.
        applies: when there is one: the arguments of ``draw`` to bool; always if None.
        command: that makes it; that of ``of`` if empty.
    """

    name: str
    draw: Callable[..., Figure] | None
    section: str = "figures"
    caption: str = ""
    alt: str = ""
    of: str = "run"
    each: bool = False
    applies: Callable[..., bool] | None = None
    command: str = ""


_COMMANDS = {"run": "tfattr affinity {run}", "study": "tfattr report {run}"}
_PLOTS: dict[str, Plot] = {}


def register_plot(plot: Plot) -> Plot:
    """Makes a picture known: drawn with the others, shown in the report.

    Raises:
        SettingsError: another one has this name, or it is of neither a run nor a study.
    """
    if plot.of not in _COMMANDS:
        raise SettingsError(f"the plot {plot.name} is of a {plot.of!r}; expected {' or '.join(_COMMANDS)}")
    if _PLOTS.setdefault(plot.name, plot) is not plot:
        raise SettingsError(f"there is a plot {plot.name!r} already; give yours another name")
    return plot


def plots_of(of: str) -> list[Plot]:
    """The registered pictures of a ``run`` or a ``study`` that can be drawn."""
    return [plot for plot in _PLOTS.values() if plot.of == of and plot.draw is not None]


def find_plot(stem: str) -> tuple[Plot, str]:
    """The picture that a file of ``figures/`` is, and its method ("" for none); one unknown goes by its name alone."""
    fitting = [name for name in _PLOTS if stem == name or stem.startswith(f"{name}_")]
    if fitting:
        name = max(fitting, key=len)
        return _PLOTS[name], stem[len(name) + 1 :]
    words = stem.replace("_", " ").replace("-", " ")
    return Plot(
        stem, None, caption=f"{words[:1].upper()}{words[1:]}.", alt=f"Figure: {words}.", of="study"
    ), ""


def command_of(plot: Plot) -> str:
    """The command that makes a picture, with ``{run}`` for the directory."""
    return plot.command or _COMMANDS[plot.of]


def _affinity(data: PlotData, method: str) -> Figure:
    result = data.result
    # A tree needs two models, and every affinity defined; those that have none come last.
    order = list(data.trees[method].leaves) if method in data.trees else None
    order = [*order, *(one for one in result.models if one not in order)] if order else None
    return affinity_figure(
        result.affinity[method],
        result.models,
        f"affinity by {method_name(method)}, {result.images[method]} images",
        order=order,
        groups=data.groups,
        measure=result.measure(method),
    )


def _tree(data: PlotData, method: str) -> Figure:
    matrix, tree = data.result.affinity[method], data.trees[method]
    title = f"similarity tree by {method_name(method)}, {tree.method} linkage"
    if not np.array_equal(matrix, matrix.T, equal_nan=True):
        title += ", mean of both directions"
    return tree_figure(tree, title, groups=data.groups)


def _maps(data: PlotData) -> Figure:
    captions = [name.rpartition("/")[2].rpartition(".")[0] or name for name in data.previews]
    return maps_figure(list(data.previews.values()), data.maps, captions=captions)


def _main(data: PlotData) -> ImageCosines:
    return next(iter(data.cosines.values()))


def _matrices(data: PlotData) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Method to probe set to affinity, of the models and methods that all probe sets have; and these models."""
    every, main = data.cosines.values(), _main(data)
    models = [name for name in main.models if all(name in one.models for one in every)]
    methods = [name for name in main.methods if all(name in one.methods for one in every)]
    parts = {probe: one.only(models) for probe, one in data.cosines.items()}
    by_method = {name: {probe: one.mean(name) for probe, one in parts.items()} for name in methods}
    return {method_name(name): by_probe for name, by_probe in by_method.items()}, models


def _affinity_sheet(data: PlotData) -> Figure:
    matrices, models = _matrices(data)
    measures = {_main(data).measure(method) for method in _main(data).methods}
    measure = measures.pop() if len(measures) == 1 else "mean over images"
    return affinity_sheet(matrices, models, groups=data.groups, measure=measure)


def _tree_sheet(data: PlotData) -> Figure:
    matrices, models = _matrices(data)
    trees = {
        method: {probe: similarity_tree(both_directions(A), models) for probe, A in by_probe.items()}
        for method, by_probe in matrices.items()
    }
    return tree_sheet(trees, groups=data.groups)


def _size_curve(data: PlotData) -> Figure:
    main, curves = _main(data), {}
    sizes = default_sizes(len(main.images))
    for method in main.methods:
        mean, low, high = sample_size_curve(main, method, sizes).correlation.T
        curves[method_name(method)] = {"sizes": sizes, "mean": mean, "low": low, "high": high}
    return size_curve_figure(curves)


def _sized(data: PlotData) -> str:
    """The paper's figure S4 is by epsilon-LRP."""
    methods = _main(data).methods
    return "elrp" if "elrp" in methods else methods[-1]


def _sizes(data: PlotData, method: str) -> Figure:
    """Affinities of nested random parts of the probe, and of the whole."""
    main = _main(data)
    count = len(main.images)
    place = np.random.default_rng(0).permutation(count).argsort()
    matrices = {
        size: main.mean(method, (place < size).astype(float)) for size in (*default_sizes(count), count)
    }
    return size_sheet(matrices, main.models, groups=data.groups, measure=main.measure(method))


def _group(data: PlotData, method: str) -> Figure:
    main = _main(data)
    title = f"{method_name(method)}, {len(main.images)} images"
    matrix, measure = main.mean(method), main.measure(method)
    return matrix_and_tree_figure(matrix, main.models, title, groups=data.groups, measure=measure)


def _model_graph(data: PlotData, method: str) -> Figure:
    return model_graph_figure(_main(data).mean(method), _main(data).models, groups=data.groups)


for _one in (
    Plot(
        "affinity",
        _affinity,
        "matrix",
        "Affinity{by} of {models} on {images}.",
        "Heat map. Affinity{by} of {models}, models in the order of their tree where there is one.{closest}",
        each=True,
    ),
    Plot(
        "tree",
        _tree,
        "trees",
        "Similarity tree{by}.",
        "Similarity tree{by} of {models}.{neighbours}",
        each=True,
        applies=lambda data, method: method in data.trees,
    ),
    Plot(
        "maps",
        _maps,
        "maps",
        "Attribution maps{by} of {models} on the first probe images; each map is scaled by itself. Models that look at "
        "the same places of the same images have a high affinity.",
        "Attribution maps{by}: a row for each of {models}, a block of columns for each of the first probe images, the "
        "photographs on top.",
        applies=lambda data: bool(data.maps),
    ),
    Plot(
        "affinity_sheet",
        _affinity_sheet,
        "matrix",
        "Affinity by every method on every probe set (figure S2 of the paper): columns that look alike mean that the "
        "choice of images hardly matters.",
        "Sheet of heat maps of the affinity, one for every method and probe set, on one colour scale.",
        of="study",
    ),
    Plot(
        "tree_sheet",
        _tree_sheet,
        "trees",
        "Similarity trees by every method on every probe set (figure S3 of the paper).",
        "Sheet of similarity trees, one for every method and probe set.",
        of="study",
    ),
    Plot(
        "size_curve",
        _size_curve,
        "figures",
        "How well fewer images give the affinity of all: correlation against the number of images.",
        "Curves that rise towards 1: correlation with the affinity of all images against the number of images, for "
        "each method with a band of its spread.",
        of="study",
        applies=lambda data: bool(default_sizes(len(_main(data).images))),
    ),
    Plot(
        "group",
        _group,
        "figures",
        "Affinity and similarity tree{by} of all models together (as figures S5 to S7 of the paper).",
        "Heat map of the affinity{by} beside the similarity tree of the same models.{neighbours}",
        of="study",
        each=True,
    ),
    Plot(
        "model_graph",
        _model_graph,
        "graph",
        "Model graph{by}: models are joined to those that are nearest by affinity.",
        "Graph of the models{by}: each is joined to the models that are nearest to it.{closest}",
        of="study",
        each=True,
    ),
    Plot(
        "sizes",
        _sizes,
        "figures",
        "Affinity{by} on growing parts of the probe images (figure S4 of the paper).",
        "Row of heat maps of the affinity{by}, computed from more and more of the probe images.",
        of="study",
        each=True,
        applies=lambda data, method: method == _sized(data),
    ),
    Plot(
        "precision_recall",
        None,
        "evaluation",
        "Precision and recall at K of the rankings against measured transfer.",
        "Two panels of curves: precision and recall at K against K, for each ranking, random and perfect.",
        command="tfattr evaluate {run} --truth TRUTH",
    ),
):
    register_plot(_one)
