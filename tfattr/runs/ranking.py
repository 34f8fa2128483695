"""Every ranking of sources that a run has the ingredients of: by its maps, by representations, and the recommended one."""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from tfattr.affinity import ImageCosines, rank
from tfattr.affinity.measures import entry_name
from tfattr.errors import ProbeError, RecordsError, SettingsError
from tfattr.evaluation import Ranking, interval, resamples
from tfattr.measures import mean_rank, predictivity
from tfattr.probe import read_photo
from tfattr.records import whole_file
from tfattr.rivals import RIVALS, code_grids, deconfounded_cka, depara, prepare
from tfattr.runs.analysis import IMAGES_NAME, complete_cosines
from tfattr.runs.controls import probe_of
from tfattr.runs.representations import Representations
from tfattr.runs.study import find_sibling
from tfattr.trunk.preprocessing import Preprocessing

RECOMMENDED = "recommended"
#: What the recommended ranking is the mean rank of (``benchmarks/recommendation_study.py``).
INGREDIENTS = ("predictivity", "dds", "explained")
SHOWN = (RECOMMENDED, "subspace", "grad_input", "dds")  # side by side where nothing else is asked for
RANKING_NAME = "ranking.npz"
DRAWS = 200

SPANS = ("subspace", "explained")  # measures of the maps of a representation's parts
_METHODS = ("gradient_norm", "grad_input")  # whose maps the spans are of: the first that there is
_NODES = "grad_input"
_PIXELS = 64  # side at which input images are compared
_FROM_REPRESENTATIONS = "the run keeps no representations; run it again with --representations"
_FROM_PARTS = (
    "needs maps of the representation's parts; `tfattr run ZOO --target channels --out %s` makes them"
)


@dataclass(frozen=True)
class SourceRanking:
    """How a run's models rank as sources of each other, by several measures.

    Attributes:
        models: M names: rows are targets, columns sources.
        images: ids of the probe images.
        measures: C names, the default order of columns.
        values: float64 ``[C, M, M]``; diagonal 1, NaN where undefined.
        low, high: 95 % percentile bootstrap over the probe images, ``[C, M, M]``.
        first: share of the draws (that are defined) in which the source is the target's best, ``[C, M, M]``.
        missing: measures that the run lacks the ingredients of, and how to get them.
    """

    models: tuple[str, ...]
    images: tuple[str, ...]
    measures: tuple[str, ...]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    missing: dict[str, str]

    def column(self, measure: str) -> int:
        """The number of a measure.

        Raises:
            SettingsError: it is missing, and why, or unknown.
        """
        if measure in self.measures:
            return self.measures.index(measure)
        why = self.missing.get(measure)
        raise SettingsError(
            f"{measure}: {why}."
            if why
            else f"no measure {measure!r} in this run; expected one of {', '.join(self.measures)}"
        )

    def rows(self, target: str, by: str | None = None) -> list[dict[str, Any]]:
        """The other models as sources, best first by the measure ``by`` (the first if None).

        Returns:
            for each ``source``, then ``affinity``, ``low``, ``high``, ``first`` of that measure, and by each other
            measure's name its ``(affinity, low, high)``.

        Raises:
            SettingsError: no such model (the sentence names the nearest) or measure.
        """
        chosen = self.column(by or self.measures[0])
        ordered = rank(self.values[chosen], target, self.models)
        row, found = self.models.index(target), []
        for source, value in ordered:
            at = row, self.models.index(source)
            line = {
                "source": source,
                "affinity": value,
                "low": self.low[chosen][at],
                "high": self.high[chosen][at],
            }
            line["first"] = self.first[chosen][at]
            for number, name in enumerate(self.measures):
                if number != chosen:
                    line[name] = tuple(float(part[number][at]) for part in (self.values, self.low, self.high))
            found.append(line)
        return found

    def agreement(self) -> np.ndarray:
        """Rank correlation of two measures over a target's sources, mean over targets: float64 ``[C, C]``."""
        found = np.eye(len(self.measures))
        others = ~np.eye(len(self.models), dtype=bool)
        for one in range(len(found)):
            for other in range(one):
                known = [
                    spearmanr(a[mask], b[mask]).statistic
                    for a, b, mask in zip(self.values[one], self.values[other], others)
                    if np.isfinite(a[mask] + b[mask]).all() and np.ptp(a[mask]) > 0 and np.ptp(b[mask]) > 0
                ]
                found[one, other] = found[other, one] = np.mean(known) if known else np.nan
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the .npz: plain arrays by the attributes' names; ``missing`` as two lists."""
        with whole_file(Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                models=np.array(self.models, dtype=str),
                images=np.array(self.images, dtype=str),
                measures=np.array(self.measures, dtype=str),
                missing=np.array(list(self.missing), dtype=str),
                reasons=np.array(list(self.missing.values()), dtype=str),
                **{name: getattr(self, name) for name in ("values", "low", "high", "first")},
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SourceRanking:
        """Read what :meth:`save` wrote.

        Raises:
            RecordsError: missing, damaged, or another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                names = {
                    key: tuple(map(str, file[key]))
                    for key in ("models", "images", "measures", "missing", "reasons")
                }
                numbers = {key: file[key] for key in ("values", "low", "high", "first")}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise RecordsError(
                f"{path}: cannot be read as a ranking of sources ({error}); delete it"
            ) from error
        missing = dict(zip(names["missing"], names.pop("reasons")))
        return cls(**{**names, "missing": missing}, **numbers)


def rank_run(
    run: str | os.PathLike[str],
    draws: int = DRAWS,
    seed: int = 0,
    measures: Sequence[str] = (),
    save: bool = True,
) -> SourceRanking:
    """Rank a run's models as sources of each other: recommended, subspace, explained, gradient * input, DDS.

    What was computed before (``ranking.npz``) is read again as long as it is of the same models and images.

    Args:
        run: the directory of a run with its affinity.
        draws: bootstrap resamples of the probe images.
        seed: of the resamples.
        measures: further ones: baselines by name, or entries of the run's affinity.
        save: keep ``ranking.npz``.

    Raises:
        RecordsError: the run lacks its affinity.
        SettingsError: no such measure.
    """
    run = Path(run)
    cosines = complete_cosines(run)
    if save and (run / RANKING_NAME).exists():
        known = SourceRanking.load(run / RANKING_NAME)
        fits = known.models == cosines.models and known.images == cosines.images
        if fits and set(measures) <= set(known.measures) and not _obtainable(run, known.missing):
            return known
    weights = resamples(len(cosines.images), draws, seed)
    entries = [name for name in ("grad_input", *measures) if name in cosines.methods]
    made = [one for one in map_rankings(cosines, weights=weights) if one.name in entries]
    spans, missing = span_rankings(run, cosines.models, weights)
    wanted = dict.fromkeys(["predictivity", "dds", *(name for name in measures if name in RIVALS)])
    codes, lacking = representation_rankings(run, cosines.models, weights, wanted, cosines)
    found = {one.name: one for one in [*spans, *made, *codes]}
    missing.update(lacking)
    best = recommended_ranking(found, missing)
    if isinstance(best, Ranking):
        found[RECOMMENDED] = best
    else:
        missing[RECOMMENDED] = best
    strange = [name for name in measures if name not in found and name not in missing]
    if strange:
        raise SettingsError(
            f"{run}: no measure {strange[0]!r}; expected one of {', '.join(dict.fromkeys([*found, *cosines.methods, *RIVALS]))}"
        )
    order = [*(name for name in SHOWN if name in found), *(name for name in found if name not in SHOWN)]
    ranked = _table(cosines, [found[name] for name in order], missing)
    if save:
        ranked.save(run / RANKING_NAME)
    return ranked


def ranking_text(ranked: SourceRanking, target: str, by: str = RECOMMENDED) -> str:
    """The sources of a target as a table, the measure that orders them first, and what could not be shown."""
    if by == RECOMMENDED and by not in ranked.measures:
        by = ranked.measures[0]  # the last lines say why
    rows = ranked.rows(target, by)
    others = [name for name in SHOWN if name in ranked.measures and name != by]
    width = max(6, *(len(row["source"]) for row in rows))
    lines = [
        f"{'':3s}  {'source':{width}s}  {by:>8s} (95 %){'':8s} first"
        + "".join(f"  {name:>10s} (95 %){'':7s}" for name in others)
    ]
    for place, row in enumerate(rows, 1):
        cells = [(row["affinity"], row["low"], row["high"]), *(row[name] for name in others)]
        texts = [f"{value:8.3f} ({low:6.3f}, {high:6.3f})" for value, low, high in cells]
        texts[0] += f"  {row['first']:4.0%}"
        lines.append(f"{place:3d}  {row['source']:{width}s}  " + "  ".join(texts))
    shown = [name for name in ranked.missing if name in SHOWN]
    lines += [f"not shown: {', '.join(names)}: {why}" for why, names in _reasons(ranked, shown).items()]
    if RECOMMENDED in ranked.measures and "explained" in ranked.missing:
        lines.append(f"recommended is without explained: {ranked.missing['explained']}")
    return "\n".join(line.rstrip() for line in lines)


def _reasons(ranked: SourceRanking, names: Iterable[str]) -> dict[str, list[str]]:
    """What is missing, by why."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(ranked.missing[name], []).append(name)
    return found


def _table(cosines: ImageCosines, rankings: Sequence[Ranking], missing: dict[str, str]) -> SourceRanking:
    count = len(cosines.models)
    low, high, first = np.full((3, len(rankings), count, count), np.nan)
    for number, one in enumerate(rankings):
        drawn = np.asarray(one.resampled())
        for row in range(count):
            for column in range(count):
                low[number, row, column], high[number, row, column] = interval(drawn[:, row, column])
        known = np.isfinite(drawn) & ~np.eye(count, dtype=bool)
        best = np.where(known, drawn, -np.inf).argmax(axis=-1)[:, :, None] == np.arange(count)
        with np.errstate(invalid="ignore"):  # a draw of too few different images says nothing
            first[number] = (best & known).sum(axis=0) / known.any(axis=-1).sum(axis=0)[:, None]
    values = np.stack([one.matrix for one in rankings])
    names = tuple(one.name for one in rankings)
    return SourceRanking(cosines.models, cosines.images, names, values, low, high, first, missing)


def _obtainable(run: Path, missing: Mapping[str, str]) -> bool:
    """Whether what was missing may be there now."""
    return any(name in missing for name in SPANS) and not span_rankings(run, ())[1]


def map_rankings(
    cosines: ImageCosines, kind: str = "maps", weights: np.ndarray = (), prefix: str = "", suffix: str = ""
) -> list[Ranking]:
    """A ranking for each entry; ``weights`` ``[B, N]`` are the bootstrap draws."""
    return [
        _ranking(
            f"{prefix}{method}{suffix}",
            kind,
            cosines.mean(method),
            weights,
            lambda w, m=method: cosines.mean(m, w),
        )
        for method in cosines.methods
    ]


def span_rankings(
    run: str | os.PathLike[str], models: Sequence[str], weights: np.ndarray = ()
) -> tuple[list[Ranking], dict[str, str]]:
    """``subspace`` and ``explained``, from the run's own maps or those of a run beside it, and what is missing.

    The run beside it is another of the same study, on the same images, with ``--target channels``.
    """
    found, missing = [], {}
    for measure in SPANS:
        for folder, method in itertools.product((Path(run), find_sibling(run, "channels")), _METHODS):
            path = folder / IMAGES_NAME if folder else None
            cosines = ImageCosines.load(path) if path and path.exists() else None
            entry = entry_name(method, measure)
            if cosines and entry in cosines.methods and set(models) <= set(cosines.models):
                part = cosines.only(list(models)) if len(models) else cosines
                found.append(
                    _ranking(
                        measure, "own", part.mean(entry), weights, lambda w, p=part, e=entry: p.mean(e, w)
                    )
                )
                break
        else:
            missing[measure] = _FROM_PARTS % f"{run}_channels"
    return found, missing


def representation_rankings(
    run: str | os.PathLike[str],
    models: Sequence[str],
    weights: np.ndarray = (),
    names: Iterable[str] | None = None,
    nodes: ImageCosines | None = None,
) -> tuple[list[Ranking], dict[str, str]]:
    """The baselines and ``predictivity``, from a run's representations, and what is missing.

    Args:
        run: its directory.
        models: rows and columns.
        weights: bootstrap draws of the images, ``[B, N]``.
        names: only these; all if None.
        nodes: the run's comparisons of maps, for DEPARA.
    """
    names = [*RIVALS, "depara", "predictivity"] if names is None else list(names)
    try:
        codes = dict(Representations(run, list(models)))
    except RecordsError:
        return [], dict.fromkeys((name for name in names if name != "depara_edges"), _FROM_REPRESENTATIONS)
    grids = code_grids(codes)
    makers: dict[str, Callable[[], Any]] = {
        "predictivity": lambda: predictivity(codes, grids),
        "svcca": lambda: prepare("svcca", codes, maps=grids),
        # The plain estimators rise with the number of units over that of images, and resamples bias them.
        "linear_cka": lambda: prepare("linear_cka", codes, debiased=True),
        "deconfounded_cka": lambda: deconfounded_cka(codes, input_images(run), debiased=True),
    }
    found, missing = [], {}
    for name in names:
        if name == "depara_edges":
            continue
        try:
            prepared = (
                makers[name]()
                if name in makers
                else prepare({"depara": "depara_edges"}.get(name, name), codes)
            )
        except (SettingsError, ProbeError) as error:
            missing[name] = str(error)
            continue
        matrix, draw = prepared.affinity(), _draws(prepared)
        if name == "depara":
            if nodes is None or _NODES not in nodes.methods:
                missing[name] = "its nodes are the grad_input maps, which the run does not have"
                continue
            matrix = depara(nodes.mean(_NODES), matrix)
            draw = _with_nodes(draw, nodes)
        found.append(_ranking(name, "own" if name == "predictivity" else "rival", matrix, weights, draw))
    return found, missing


def recommended_ranking(rankings: Mapping[str, Ranking], missing: Mapping[str, str]) -> Ranking | str:
    """The mean rank of the ingredients, or why it cannot be had; without maps of parts that of the other two."""
    lacking = [name for name in INGREDIENTS if name not in rankings and name != "explained"]
    if lacking:
        return missing.get(lacking[0], f"needs {lacking[0]}")
    parts = [rankings[name] for name in INGREDIENTS if name in rankings]
    resampled = None
    if all(part.resampled is not None for part in parts):
        resampled = cache(lambda: mean_rank([np.asarray(part.resampled()) for part in parts]))
    return Ranking(RECOMMENDED, "own", mean_rank([part.matrix for part in parts]), resampled)


def input_images(run: str | os.PathLike[str]) -> np.ndarray:
    """The run's probe images, squares of 64 pixels, float32 ``[N, 64, 64, 3]`` in 0 .. 1.

    Raises:
        ProbeError: they are not where they were.
    """
    frame = Preprocessing((_PIXELS, _PIXELS), range="[0,1]")
    return np.concatenate([frame([read_photo(image.path)]) for image in probe_of(run).images])


def _ranking(
    name: str, kind: str, matrix: np.ndarray, weights: np.ndarray, draw: Callable[[np.ndarray], np.ndarray]
) -> Ranking:
    """With draws that are made when first asked for, and once."""
    return Ranking(name, kind, matrix, cache(lambda: draw(weights)) if len(weights) else None)


def _draws(prepared: Any) -> Callable[[np.ndarray], np.ndarray]:
    if hasattr(prepared, "affinities"):
        return prepared.affinities
    return lambda weights: np.stack(
        [prepared.affinity(np.repeat(np.arange(len(row)), row)) for row in weights]
    )


def _with_nodes(
    edges: Callable[[np.ndarray], np.ndarray], nodes: ImageCosines
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda weights: depara(nodes.mean(_NODES, weights), edges(weights))
