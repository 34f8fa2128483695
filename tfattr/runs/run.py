"""A run as an object: computed or opened, looked at, ranked, drawn, evaluated, continued."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfattr.affinity import AffinityResult, Tree, rank
from tfattr.affinity.measures import choose_entry, split_entry
from tfattr.errors import SettingsError, TfattrError
from tfattr.io import aligned
from tfattr.records import RunManifest, map_directory, read_maps
from tfattr.runs.add_model import add_model
from tfattr.runs.analysis import analyse
from tfattr.runs.attribution import compute_maps
from tfattr.runs.controls import probe_of
from tfattr.runs.directory import lacking_lines
from tfattr.runs.engine import open_engine
from tfattr.runs.pictures import PREVIEWS_NAME, preview
from tfattr.runs.ranking import DRAWS, rank_run
from tfattr.runs.results import AFFINITY_NAME, tree_of
from tfattr.runs.settings import RunSettings, with_settings
from tfattr.zoo.file import find_model
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

    def __init__(self, path: str | os.PathLike[str], methods: Sequence[str] | None = None) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise SettingsError(f"the run is given as {path!r}; expected the path of its directory.")
        self.path = Path(path)
        self._asked = methods
        _ = self.manifest

    @cached_property
    def manifest(self) -> RunManifest:
        """What ``run.json`` says: versions, models, probe images, settings."""
        return RunManifest.load(self.path)

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
        return tuple(self.manifest.ids)

    @property
    def groups(self) -> dict[str, str]:
        """Model to group, as the zoo states it."""
        return dict(self.manifest.source.get("groups", {}))

    @property
    def lacking(self) -> list[str]:
        """What the run went on without, a line each: models that cannot be loaded, methods that failed for one."""
        methods = self._asked or {what for one in self.manifest.lacking.values() for what in one}
        return lacking_lines(self.manifest, self.models, methods)

    def entry(self, method: str | None = None, measure: str | None = None) -> str:
        """The name among :attr:`methods` of a method, and of the measure if there are several.

        Raises:
            SettingsError: the run has none such.
        """
        if method is None:
            method = _DEFAULT if _DEFAULT in self.methods else self.methods[0]
        try:
            return choose_entry(self.methods, method, measure)
        except SettingsError as error:
            raise SettingsError(f"{self.path / AFFINITY_NAME}: {error}.") from error

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
        """The similarity tree of the models that have an affinity (see :func:`tfattr.similarity_tree`).

        Raises:
            AffinityError: fewer than two have.
        """
        return tree_of(self._result, self.entry(method), linkage)[0]

    def maps(
        self, image: int | str, method: str | None = None, models: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The stored maps of one probe image: model to float32 ``[H, W, C]``.

        Args:
            image: its number along :attr:`images`, or its id.
            method: ``grad_input`` if None.
            models: all that have maps if None.

        Raises:
            SettingsError: no such image, method or model.
        """
        number = self._image(image)
        folder = split_entry(self.entry(method))[0]
        return {model: self._map(model, folder, number) for model in self._chosen(models, folder)}

    def plot_affinity(self, method: str | None = None, order: str | Sequence[str] | None = "tree") -> Figure:
        """The matrix as a picture; ``order``: "tree", names, or None for the run's own."""
        from tfattr.figures import affinity_figure, method_name

        name, matrix = self.entry(method), self._matrix(method)
        if order == "tree" and not np.isfinite(matrix).all():
            order = None
        title = f"affinity by {method_name(name)}, {len(self.images)} images"
        return affinity_figure(
            matrix, self.models, title, order=order, groups=self.groups, measure=self._result.measure(name)
        )

    def plot_tree(self, method: str | None = None, linkage: str = "single") -> Figure:
        """The similarity tree as a picture."""
        from tfattr.figures import method_name, tree_figure

        title = f"similarity tree by {method_name(self.entry(method))}, {linkage} linkage"
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
            methods, models: all, of which there are maps, if None.
            models_as: ``rows`` or ``columns``.

        Raises:
            ProbeError: the photographs are not where they were.
        """
        from tfattr.figures import maps_figure

        wanted = range(images) if isinstance(images, int) else np.atleast_1d(np.asarray(images, object))
        numbers = [self._image(image) for image in wanted]
        if not numbers:
            raise SettingsError(f"{self.path}: {images!r} names no probe image; expected one or more.")
        methods = (methods,) if isinstance(methods, str) else methods
        folders = dict.fromkeys(split_entry(self.entry(method))[0] for method in methods or self.methods)
        maps = {
            model: {
                folder: np.stack([self._map(model, folder, number) for number in numbers])
                for folder in folders
            }
            for model in self._chosen(models, *folders)
        }
        captions = [Path(self.images[number]).stem for number in numbers]
        return maps_figure(self._photos(numbers), maps, captions=captions, models_as=models_as)

    def add(self, model: str | os.PathLike[str] | ModelSpec, progress: bool = True, **changes: Any) -> Run:
        """A model joins: its maps are computed under the run's own settings, the others' are only read.

        Args:
            model: a saved trunk's folder, ``ZOO:NAME``, an original's id, or a :class:`ModelSpec`.
            progress: bars.
            changes: fields of :class:`tfattr.RunSettings` that may differ from the run's: ``trust``, ``batch_size``, ...

        Returns:
            The run itself, brought up to date.
        """
        if not isinstance(model, (str, os.PathLike, ModelSpec)):
            raise SettingsError(
                f"the model to add is a {type(model).__name__}; expected a saved trunk's folder (trunk.save), ZOO:NAME, "
                "an original, or a model of a zoo."
            )
        feeding = changes.get("feeding", "square")
        spec = model if isinstance(model, ModelSpec) else find_model(os.fspath(model), feeding)
        add_model(self.path, spec, progress, **changes)
        self._reread()
        return self

    def evaluate(
        self,
        truth: str | None = None,
        baselines: bool = True,
        draws: int = 200,
        k: int | None = None,
        progress: bool = False,
    ) -> Evaluation:
        """Judge the affinities, and the baselines, by measured transfer: ``.table()``, ``.to_dataframe()``.

        Args:
            truth: a CSV with ``target, source, affinity``, or ``rooms``, ``taskonomy``; that of the run's built-in
                zoo if None.
            baselines: also recommended, predictivity, RSA and the like, and the controls.
            draws: bootstrap draws of images.
            k: sources of a target that count as relevant; 5, half of the candidates of a small zoo, if None.
            progress: bars.

        Raises:
            SettingsError: no measured transfer is known for this zoo.
        """
        from tfattr.runs.evaluating import evaluate_run
        from tfattr.runs.study import read_study, truth_of

        found = truth_of(read_study(self.path), truth)
        return evaluate_run(self.path, found, baselines, draws, progress=progress, k=k)

    def report(self, out: str | os.PathLike[str] | None = None, truth: str | None = None) -> Path:
        """Write the HTML report, after what it shows was brought up to date; returns its path (``report.html`` if None)."""
        from tfattr.runs.summarising import report

        return report(self.path, truth, out, progress=False, tell=lambda _: None)

    def summary(self) -> str:
        """Where the results are, and each model's best source by each method, as text."""
        models, result = self.models, self._result
        told = [
            f"{len(models)} models, {len(self.images)} probe images ({len(self.manifest.skipped)} skipped)"
        ]
        dropped = {method: len(entries) for method, entries in result.dropped.items() if entries}
        if dropped:
            left = ", ".join(f"{count} of {method}" for method, count in dropped.items())
            told.append(f"maps left out because they are zero or not finite: {left}")
        pairs = np.triu_indices(len(models), 1)
        undefined = {method: np.isnan(matrix[pairs]).sum() for method, matrix in result.affinity.items()}
        if any(undefined.values()):
            left = ", ".join(
                f"{count} of {len(pairs[0])} by {method}" for method, count in undefined.items() if count
            )
            told.append(f"pairs of models without an affinity (NaN): {left}")
        if len(models) > 1:
            rows = [["best source of", *self.methods]]
            for target in models:
                best = [rank(matrix, target, models)[0] for matrix in result.affinity.values()]
                rows.append(
                    [target, *(f"{name} {value:.3f}" if np.isfinite(value) else "-" for name, value in best)]
                )
            told += ["", *aligned(rows)]
        told += ["", f"affinity: {self.path / AFFINITY_NAME}", f"pictures: {self.path / 'figures'}"]
        return "\n".join(told)

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
            ("probe images", f"{len(self.images)} ({self.manifest.source.get('probe', 'unnamed')})"),
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
        except TfattrError:  # one model, or pairs without images, have no tree
            tree = ""
        return f"<div><table>{facts}</table>{shown}{tree}</div>"

    @cached_property
    def _result(self) -> AffinityResult:
        return AffinityResult.load(self.path / AFFINITY_NAME)

    def _reread(self) -> None:
        self.__dict__.pop("_result", None)
        self.__dict__.pop("manifest", None)

    def _matrix(self, method: str | None) -> np.ndarray:
        return self._result.affinity[self.entry(method)]

    def _chosen(self, models: Sequence[str] | None, *methods: str) -> tuple[str, ...]:
        """These models; without any all that have maps by the methods."""
        models = (models,) if isinstance(models, str) else models
        if models is None:
            lacks = self.manifest.lacking
            models = [one for one in self.manifest.models if not {*methods} & {*lacks.get(one, ())}]
            if not models:
                raise SettingsError(f"{self.path}: no model has maps by {' and '.join(methods)}.")
        strange = [model for model in models if model not in self.models]
        if strange:
            raise SettingsError(f"{self.path}: no model {strange[0]!r}; there are {', '.join(self.models)}.")
        return tuple(models)

    def _image(self, image: int | str) -> int:
        ids = self.images
        if image in ids:
            return ids.index(image)
        if isinstance(image, (int, np.integer)) and -len(ids) <= image < len(ids):
            return int(image) % len(ids)
        raise SettingsError(
            f"{self.path}: no probe image {image!r}; expected 0 to {len(ids) - 1}, or an id of run.json."
        )

    def _photos(self, numbers: Sequence[int]) -> list[np.ndarray]:
        """Probe images as small pictures: those that the run kept, or from the photographs."""
        if (self.path / PREVIEWS_NAME).exists():
            with np.load(self.path / PREVIEWS_NAME, allow_pickle=False) as kept:
                if max(numbers) < len(kept["photos"]):
                    return [kept["photos"][number] for number in numbers]
        images = probe_of(self.path).images
        return preview([images[number] for number in numbers])

    def _map(self, model: str, method: str, number: int) -> np.ndarray:
        for record in read_maps(map_directory(self.path, model, method)):
            if record.index == number:
                return record.map
        raise SettingsError(f"{self.path}: {model} has no map by {method} of image {self.images[number]}.")


def run(
    zoo: str | os.PathLike[str] | Iterable[ModelSpec | Trunk],
    probe: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: RunSettings | None = None,
    *,
    probe_root: str | os.PathLike[str] | None = None,
    pictures: bool = False,
    progress: bool = True,
    **changes: Any,
) -> Run:
    """Maps of every model of a zoo on the probe images, and their affinity; what ``out`` holds is not computed again.

    Args:
        zoo: a zoo file, a built-in name, or models: trunks (:class:`tfattr.Trunk`) and specs.
        probe: a folder or list of images, or the name of an embedded set.
        out: the run's directory.
        settings: what is computed and how.
        probe_root: where the lines of a list file start.
        pictures: also write ``figures/``.
        progress: bars.
        changes: fields of :class:`tfattr.RunSettings` (``methods=["grad_input"], limit=20, steps=64``).

    Raises:
        TfattrError: a model, a probe image or a setting cannot be used, or the directory holds another run.
    """
    if not isinstance(settings, (RunSettings, type(None))):
        raise SettingsError(f"settings is a {type(settings).__name__}; expected a tfattr.RunSettings.")
    for what, path in (("probe", probe), ("out", out)):
        if not isinstance(path, (str, os.PathLike)):
            raise SettingsError(
                f"{what} is a {type(path).__name__}; expected a path or a name, such as 'photos/'."
            )
    settings = (settings or RunSettings()).changed(**changes)
    with open_engine(settings) as engine:
        settings, _ = compute_maps(zoo, probe, out, settings, probe_root, engine.runner, progress)
        analyse(out, settings, progress=progress, pictures=pictures, executor=engine.executor)
    return Run(out, settings.methods)


run.__signature__ = with_settings(run)  # type: ignore[attr-defined]  # as help() and notebooks show it


def open_run(path: str | os.PathLike[str]) -> Run:
    """A run that was computed before, by :func:`tfattr.run` or ``tfattr run``.

    Raises:
        RecordsError: the directory holds no run, or no affinity yet.
    """
    found = Run(path)
    _ = found.models
    return found


def _svg(figure: Figure) -> str:
    import io

    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
