"""A run as an object: computed or opened, looked at, ranked, drawn, evaluated, continued."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfattr.affinity import AffinityResult, Tree, both_directions, similarity_tree
from tfattr.affinity.measures import choose_entry, split_entry
from tfattr.attribution.settings import AttributionSettings
from tfattr.errors import SettingsError
from tfattr.records import RunManifest, map_directory, read_maps
from tfattr.runs.add_model import add_model
from tfattr.runs.analysis import AFFINITY_NAME, analyse
from tfattr.runs.attribution import RecordSettings, attribute_zoo, continued_settings
from tfattr.runs.probes import survey_probe
from tfattr.runs.ranking import DRAWS, rank_run
from tfattr.zoo.file import Zoo, find_model, open_zoo
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from tfattr.evaluation import Evaluation
    from tfattr.trunk.trunk import Trunk

_DEFAULT = "grad_input"  # the paper's main method
_SHOWN = 12  # models of the small matrix in a notebook


class Run:
    """A finished run's directory.

    Nothing is kept in memory but what was asked for; two Runs of one directory are interchangeable.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._manifest = RunManifest.load(self.path)

    @property
    def manifest(self) -> RunManifest:
        """What ``run.json`` says: versions, models, probe images, settings."""
        return self._manifest

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of rows and columns."""
        return self._result.models

    @property
    def methods(self) -> tuple[str, ...]:
        """What there is an affinity of: methods, or methods by a measure (``grad_input_explained``).

        ``grad_input``, else the first, where none is named.
        """
        return self._result.methods

    @property
    def images(self) -> tuple[str, ...]:
        """Ids of the probe images."""
        return tuple(self._manifest.ids)

    @property
    def groups(self) -> dict[str, str]:
        """Model to group, as the zoo states it."""
        return dict(self._manifest.source.get("groups", {}))

    def affinity(self, method: str | None = None) -> pandas.DataFrame:
        """The affinity matrix: a DataFrame, models x models (targets x sources), float64, NaN where no image counts.

        Raises:
            SettingsError: no such method in the run.
        """
        import pandas

        return pandas.DataFrame(self._matrix(method), index=list(self.models), columns=list(self.models))

    def rank(self, target: str, by: str | None = None, draws: int = DRAWS) -> pandas.DataFrame:
        """The other models as sources for ``target``, best first: a DataFrame.

        Columns: ``source``; of the measure ``by`` its ``affinity``, ``low``, ``high`` (95 % percentile bootstrap over
        probe images, ``draws`` resamples) and ``first``, the share of resamples in which the source is the best; then
        the affinity by each other measure.

        Args:
            target: a model of the run.
            by: recommended, predictivity, subspace, explained, a baseline or a method; the first that the run has the
                ingredients of if None.

        Raises:
            SettingsError: no such model or measure; the sentence names the nearest.
        """
        import pandas

        ranked = rank_run(self.path, draws, measures=(by,) if by else (), save=draws == DRAWS)
        rows = ranked.rows(target, by)
        return pandas.DataFrame(
            [{key: v[0] if isinstance(v, tuple) else v for key, v in row.items()} for row in rows]
        )

    def tree(self, method: str | None = None, linkage: str = "single") -> Tree:
        """The similarity tree of the models (see :func:`tfattr.similarity_tree`)."""
        return similarity_tree(both_directions(self._matrix(method)), self.models, linkage)

    def maps(
        self, image: int | str, method: str | None = None, models: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The stored maps of one probe image: model to float32 ``[H, W, C]``.

        Args:
            image: its number along :attr:`images`, or its id.
            method: ``grad_input`` if None.
            models: all if None.

        Raises:
            SettingsError: no such image, method or model.
        """
        number = self._image(image)
        folder = split_entry(self._method(method))[0]
        chosen = self._chosen(models)
        return {model: self._map(model, folder, number) for model in chosen}

    def plot_affinity(self, method: str | None = None, order: str | Sequence[str] | None = "tree") -> Figure:
        """The matrix as a picture; ``order``: "tree", names, or None for the run's own."""
        from tfattr.figures import affinity_figure, method_name

        name, matrix = self._method(method), self._matrix(method)
        if order == "tree" and not np.isfinite(matrix).all():
            order = None
        title = f"affinity by {method_name(name)}, {len(self.images)} images"
        return affinity_figure(
            matrix, self.models, title, order=order, groups=self.groups, measure=self._result.measure(name)
        )

    def plot_tree(self, method: str | None = None, linkage: str = "single") -> Figure:
        """The similarity tree as a picture."""
        from tfattr.figures import method_name, tree_figure

        title = f"similarity tree by {method_name(self._method(method))}, {linkage} linkage"
        return tree_figure(self.tree(method, linkage), title, groups=self.groups)

    def plot_maps(
        self,
        images: int | str | Sequence[int | str] = 3,
        methods: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        models_as: str = "rows",
    ) -> Figure:
        """Maps side by side, a row a model, or a column a model as in the paper's figure S1.

        Args:
            images: how many from the first on; or ids, or numbers in a list.
            methods, models: all if None.
            models_as: ``rows`` or ``columns``.

        Raises:
            ProbeError: the photographs are not where they were.
        """
        from tfattr.figures import maps_figure
        from tfattr.probe import read_photo
        from tfattr.runs.controls import probe_of
        from tfattr.trunk.preprocessing import Preprocessing

        wanted = (
            list(range(images))
            if isinstance(images, int)
            else list(np.atleast_1d(np.asarray(images, object)))
        )
        numbers = [self._image(image) for image in wanted]
        methods = list(
            dict.fromkeys(split_entry(self._method(method))[0] for method in methods or self.methods)
        )
        frame = Preprocessing((192, 192), range="[0,255]")
        paths = [probe_of(self.path).images[number].path for number in numbers]
        photos = frame([read_photo(path) for path in paths]).round().astype(np.uint8)
        maps = {
            model: {
                method: np.stack([self._map(model, method, number) for number in numbers])
                for method in methods
            }
            for model in self._chosen(models)
        }
        captions = [Path(self.images[number]).stem for number in numbers]
        return maps_figure(list(photos), maps, captions=captions, models_as=models_as)

    def add(
        self, model: str | os.PathLike[str] | ModelSpec, trust: bool = False, progress: bool = True
    ) -> Run:
        """A model joins: its maps are computed under the run's own settings, the others' are only read.

        Args:
            model: a saved trunk's folder, ``ZOO:NAME``, an original's id, or a :class:`ModelSpec`.
            trust: let it run code and touch files.

        Returns:
            The run itself, brought up to date.
        """
        spec = model if isinstance(model, ModelSpec) else find_model(os.fspath(model))
        add_model(self.path, spec.trusted() if trust else spec, progress=progress)
        self._reread()
        return self

    def evaluate(self, truth: str | None = None, baselines: bool = True, draws: int = 200) -> Evaluation:
        """Judge the affinities, and the baselines, by measured transfer: ``.table()``, ``.to_dataframe()``.

        Args:
            truth: a CSV with ``target, source, affinity``, or ``rooms``, ``taskonomy``; that of the run's built-in
                zoo if None.

        Raises:
            SettingsError: no measured transfer is known for this zoo.
        """
        from tfattr.runs.evaluating import evaluate_run
        from tfattr.runs.reproducing import truth_of
        from tfattr.runs.study import open_study

        return evaluate_run(
            self.path, truth_of(open_study(self.path), truth), baselines, draws, progress=False
        )

    def report(self, out: str | os.PathLike[str] | None = None) -> Path:
        """Write the HTML report of what the directory holds; returns its path (``report.html`` if None)."""
        from tfattr.report import build

        return build(self.path, out)

    def __repr__(self) -> str:
        return (
            f"Run({os.fspath(self.path)!r}, {len(self.models)} models, {len(self.images)} images, "
            f"{', '.join(self.methods)})"
        )

    def _repr_html_(self) -> str:
        """Facts, a small matrix, the tree, and what was left out, for a notebook."""
        rows = [
            (
                "models",
                f"{len(self.models)}: {', '.join(self.models[:_SHOWN])}{' ...' * (len(self.models) > _SHOWN)}",
            ),
            ("probe images", f"{len(self.images)} ({self._manifest.source.get('probe', 'unnamed')})"),
            ("methods", ", ".join(self.methods)),
            ("directory", os.fspath(self.path)),
        ]
        warned = [
            f"{method}: {len(dropped)} maps left out (zero or not finite)"
            for method, dropped in self._result.dropped.items()
            if dropped
        ]
        rows += [("left out", text) for text in warned]
        facts = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
        shown = self.affinity().iloc[:_SHOWN, :_SHOWN].round(2).to_html()
        try:
            tree = _svg(self.plot_tree())
        except SettingsError:  # one model, or pairs without images, have no tree
            tree = ""
        return f"<div><table>{facts}</table>{shown}{tree}</div>"

    @cached_property
    def _result(self) -> AffinityResult:
        return AffinityResult.load(self.path / AFFINITY_NAME)

    def _reread(self) -> None:
        self._manifest = RunManifest.load(self.path)
        self.__dict__.pop("_result", None)

    def _method(self, method: str | None) -> str:
        if method is None:
            return _DEFAULT if _DEFAULT in self.methods else self.methods[0]
        try:
            return choose_entry(self.methods, method)
        except SettingsError as error:
            raise SettingsError(
                f"{self.path}: no method {method!r}; expected one of {', '.join(self.methods)}."
            ) from error

    def _matrix(self, method: str | None) -> np.ndarray:
        return self._result.affinity[self._method(method)]

    def _chosen(self, models: Sequence[str] | None) -> tuple[str, ...]:
        strange = [model for model in models or () if model not in self.models]
        if strange:
            raise SettingsError(f"{self.path}: no model {strange[0]!r}; there are {', '.join(self.models)}.")
        return tuple(models or self.models)

    def _image(self, image: int | str) -> int:
        ids = self.images
        if image in ids:
            return ids.index(image)
        if isinstance(image, (int, np.integer)) and -len(ids) <= image < len(ids):
            return int(image) % len(ids)
        raise SettingsError(
            f"{self.path}: no probe image {image!r}; expected 0 to {len(ids) - 1}, or an id of run.json."
        )

    def _map(self, model: str, method: str, number: int) -> np.ndarray:
        for record in read_maps(map_directory(self.path, model, method)):
            if record.index == number:
                return record.map
        raise SettingsError(f"{self.path}: {model} has no map by {method} of image {self.images[number]}.")


def run(
    zoo: str | os.PathLike[str] | Zoo | Iterable[ModelSpec | Trunk],
    probe: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    methods: Sequence[str] | None = None,
    engine: str | None = None,
    target: str = "sum",
    epsilon: float = 1e-4,
    channels: str = "mean",
    dtype: str = "float16",
    batch_size: int | None = None,
    limit: int | None = None,
    probe_root: str | os.PathLike[str] | None = None,
    exif: str = "upright",
    feeding: str = "square",
    grid: int | tuple[int, int] | None = None,
    measures: Sequence[str] | None = None,
    linkage: str = "single",
    trust: bool = False,
    fold_batch_norm: bool = False,
    representations: bool = True,
    repair: bool = False,
    strict: bool = False,
    tf32: bool = False,
    xla: str = "auto",
    pictures: bool = False,
    progress: bool = True,
    **options: float,
) -> Run:
    """Maps of every model of a zoo on the probe images, and their affinity; what ``out`` holds is not computed again.

    Args:
        zoo: a zoo file, a built-in name, or models: trunks (:class:`tfattr.Trunk`) and specs.
        probe: a folder or list of images, or the name of an embedded set.
        out: the run's directory.
        methods, engine, target, epsilon, options: see :func:`tfattr.attribute`.
        channels, dtype: how maps are stored.
        batch_size: images at a time; fitted to each model's input if None.
        limit, probe_root, exif: see :func:`tfattr.runs.probes.survey_probe`.
        feeding: ``square`` or ``native``, for the zoos of originals, see :func:`tfattr.zoo.file.open_zoo`.
        grid: size at which maps are compared.
        measures: how maps compare, see :func:`tfattr.runs.analysis.compute_affinity`; each but the cosine is an entry of its
            own, such as ``grad_input_explained``.
        linkage: of the trees.
        trust: let models run code and touch files.
        fold_batch_norm: batch norm goes into the convolutions when a spec is loaded.
        representations, repair, strict, tf32, xla: see :func:`tfattr.runs.attribution.attribute_zoo`.
        pictures: also write ``figures/``.
        progress: bars.

    Raises:
        TfattrError: a model, a probe image or a setting cannot be used, or the directory holds another run.
    """
    opened = open_zoo(zoo, feeding) if isinstance(zoo, (str, os.PathLike)) else zoo
    models = [_as_told(model, trust, fold_batch_norm) for model in opened]
    attribution = AttributionSettings(
        None if methods is None else tuple(methods), engine, target, epsilon, options
    )
    attribution = continued_settings(out, attribution)
    attribute_zoo(
        models,
        survey_probe(probe, probe_root, limit, strict, exif),
        out,
        attribution,
        RecordSettings(channels, dtype),
        batch_size,
        progress=progress,
        source={
            "zoo": getattr(opened, "name", "models") if not isinstance(zoo, str) else zoo,
            "probe": os.fspath(probe),
            "probe_root": os.fspath(probe_root) if probe_root is not None else None,
            "limit": limit,
        },
        representations=representations,
        repair=repair,
        strict=strict,
        tf32=tf32,
        xla=xla,
    )
    analyse(
        out,
        models=[model.name for model in models],
        methods=attribution.methods,
        measures=measures,
        grid=(grid, grid) if isinstance(grid, int) else grid,
        linkage=linkage,
        progress=progress,
        pictures=pictures,
    )
    return Run(out)


def open_run(path: str | os.PathLike[str]) -> Run:
    """A run that was computed before, by :func:`tfattr.run` or ``tfattr run``.

    Raises:
        RecordsError: the directory holds no run, or no affinity yet.
    """
    found = Run(path)
    _ = found.models
    return found


def _as_told(model: ModelSpec | Trunk, trust: bool, fold_batch_norm: bool) -> ModelSpec | Trunk:
    if not isinstance(model, ModelSpec):
        return model
    model = model.trusted() if trust else model
    return model.folded() if fold_batch_norm else model


def _svg(figure: Figure) -> str:
    import io

    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
