"""The pictures of a run or study: every registered plot into ``figures/``, as PNG and SVG."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfattr.affinity import AffinityResult, ImageCosines, Tree
from tfattr.affinity.measures import split_entry
from tfattr.errors import TfattrError
from tfattr.figures import save_figure
from tfattr.figures.plots import Plot, plots_of
from tfattr.io import atomic_write
from tfattr.probe import ProbeImage, read_photo
from tfattr.records import RunManifest, map_directory, read_maps
from tfattr.runs.directory import is_lacking
from tfattr.runs.study import StudyFiles, read_study
from tfattr.trunk.preprocessing import Preprocessing

PREVIEWS_NAME = "previews.npz"
_PREVIEW_SIDE = 192
_SHOWN = 3


def save_previews(run: Path, images: Sequence[ProbeImage]) -> None:
    """Keep the first probe images, small, so that maps can be drawn without the photographs."""
    path, chosen = run / PREVIEWS_NAME, images[:_SHOWN]
    if path.exists():
        return
    photos = np.stack(preview(chosen))
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, photos=photos, ids=np.array([image.id for image in chosen], dtype=str))


def preview(images: Sequence[ProbeImage]) -> list[np.ndarray]:
    """Probe images as small squares, uint8 RGB."""
    frame = Preprocessing((_PREVIEW_SIDE, _PREVIEW_SIDE), range="[0,255]")
    return list(frame([read_photo(image.path, exif=image.exif) for image in images]).round().astype(np.uint8))


class StudyData:
    """:class:`tfattr.figures.plots.PlotData` of a study, or of a run, which is a study of one."""

    def __init__(
        self,
        study: StudyFiles,
        result: AffinityResult | None = None,
        trees: Mapping[str, Tree] | None = None,
        groups: Mapping[str, str] | None = None,
    ) -> None:
        self._study, self._run = study, study.folder(study.main)
        self._manifest = RunManifest.load(self._run)
        self.groups = self._manifest.source.get("groups", {}) if groups is None else groups
        known = {"result": result, "trees": trees}
        self.__dict__.update({name: value for name, value in known.items() if value is not None})

    @cached_property
    def result(self) -> AffinityResult:
        return AffinityResult.load(self._run / "affinity.npz")

    @cached_property
    def trees(self) -> dict[str, Tree]:
        from tfattr.runs.results import AffinityError, tree_of

        found = {}
        for method in self.result.methods:
            try:
                found[method] = tree_of(self.result, method)[0]
            except AffinityError:
                continue
        return found

    @cached_property
    def cosines(self) -> dict[str, ImageCosines]:
        from tfattr.runs.results import complete_cosines

        runs = self._study.with_target(self._study.main.target)
        return {run.probe: complete_cosines(self._study.folder(run)) for run in runs}

    @cached_property
    def previews(self) -> dict[str, np.ndarray]:
        if not (self._run / PREVIEWS_NAME).exists():
            return {}
        with np.load(self._run / PREVIEWS_NAME, allow_pickle=False) as kept:
            return dict(zip(map(str, kept["ids"]), kept["photos"]))

    @cached_property
    def maps(self) -> dict[str, dict[str, np.ndarray]]:
        methods = list(dict.fromkeys(split_entry(entry)[0] for entry in self.result.methods))

        def first(model: str, method: str) -> np.ndarray:
            records = read_maps(map_directory(self._run, model, method))
            return np.stack([record.map for record in islice(records, len(self.previews))])

        return {
            model: {method: first(model, method) for method in methods}
            for model in self.result.models
            if self.previews and not any(is_lacking(self._manifest, model, method) for method in methods)
        }


def drawings(data: StudyData, plots: Iterable[Plot]) -> dict[str, Callable[[], Figure]]:
    """File name (without suffix) to a function that draws the picture, of those that apply."""
    found: dict[str, Callable[[], Figure]] = {}
    for plot in plots:
        methods: Sequence[str] = ()
        if plot.each:
            methods = data.result.methods if plot.of == "run" else next(iter(data.cosines.values())).methods
        for given in [(method,) for method in methods] if plot.each else [()]:
            name = "_".join((plot.name, *given))
            try:
                if plot.applies is None or _asked(name, plot.applies, data, *given):
                    found[name] = partial(_drawn, name, plot, data, *given)
            except PlotError as error:  # told where the others are drawn
                found[name] = partial(_refused, error)
    return found


def _drawn(name: str, plot: Plot, data: StudyData, *given: str) -> Figure:
    """What a plot draws; whatever goes wrong names it."""
    figure = _asked(name, plot.draw, data, *given)
    if not hasattr(figure, "savefig"):
        raise PlotError(f"the plot {name} gives a {type(figure).__name__}; expected a figure of matplotlib.")
    return figure


def _refused(error: PlotError) -> Figure:
    raise error


def _asked(name: str, function: Callable[..., Any], data: StudyData, *given: str) -> Any:
    try:
        return function(data, *given)
    except TfattrError:
        raise
    except Exception as error:
        reason, of = f"{type(error).__name__}: {error}", getattr(function, "__module__", "no module")
        raise PlotError(f"the plot {name} cannot be drawn ({reason}); its function is of {of}.") from error


class PlotError(TfattrError):
    """A registered plot that raises."""


def study_figures(study: StudyFiles) -> dict[str, Callable[[], Figure]]:
    """:func:`drawings` of a study: the registered pictures over all its runs, the paper's S2 to S7 among them."""
    return drawings(StudyData(study), plots_of("study"))


def save_study_figures(study: StudyFiles, progress: Callable[[str], object] | None = None) -> list[str]:
    """Write every figure into the study's ``figures/`` as PNG and SVG; returns notes on those that could not be drawn."""
    notes = []
    for name, picture in study_figures(study).items():
        if progress is not None:
            progress(name)
        try:
            _save(picture(), study.path, name)
        except TfattrError as error:  # for example undefined affinities: the other figures are still wanted
            notes.append(f"{name}: {error}")
    return notes


def draw(run: Path, result: AffinityResult, trees: Mapping[str, Tree], groups: Mapping[str, str]) -> None:
    """Write the registered pictures of a run: ``affinity_<method>``, ``tree_<method>``, ``maps``, and a user's own."""
    for name, picture in drawings(StudyData(read_study(run), result, trees, groups), plots_of("run")).items():
        try:
            _save(picture(), run, name)
        except PlotError as error:  # the other figures are still wanted
            logging.getLogger("tfattr").warning("%s", error)


def draw_maps(run: Path, result: AffinityResult) -> None:
    """Write ``figures/maps`` of a run: every model's maps of the first probe images."""
    maps = [plot for plot in plots_of("run") if plot.name == "maps"]
    for name, picture in drawings(StudyData(read_study(run), result), maps).items():
        _save(picture(), run, name)


def _save(figure: Figure, folder: Path, name: str) -> None:
    save_figure(figure, *(folder / "figures" / f"{name}{suffix}" for suffix in (".png", ".svg")))
