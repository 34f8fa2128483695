"""Every ranking of sources that a run has the ingredients of: by its maps, by representations, and the recommended one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tfattr.affinity import ImageCosines
from tfattr.affinity.measures import entry_name
from tfattr.baselines import BASELINES, code_grids, prepare
from tfattr.errors import ProbeError, RecordsError, SettingsError
from tfattr.evaluation import RECOMMENDED, Ranking, resamples
from tfattr.evaluation.sources import RANKING_NAME, SHOWN, SourceRanking, mean_rank
from tfattr.probe import read_photo
from tfattr.records import RunManifest, representation_directory
from tfattr.runs.controls import probe_of
from tfattr.runs.representations import Representations
from tfattr.runs.results import IMAGES_NAME, complete_cosines
from tfattr.runs.study import find_sibling
from tfattr.trunk.preprocessing import Preprocessing

#: What the recommended ranking is the mean rank of (``benchmarks/recommendation_study.py``).
INGREDIENTS = ("predictivity", "dds", "explained")
DRAWS = 200

SPANS = ("subspace", "explained")  # measures of the maps of a representation's parts
_METHODS = ("gradient_norm", "grad_input")  # whose maps the spans are of: the first that there is
_NODES = "grad_input"
_PIXELS = 64  # side at which input images are compared
_FROM_REPRESENTATIONS = "the run keeps no representations; run it again with --representations"
_FROM_PARTS = (
    "needs maps of the representation's parts; `tfattr run ZOO --target channels --out %s` makes them"
)


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
    entries = [name for name in (_NODES, *measures) if name in cosines.methods] or cosines.methods[:1]
    made = [one for one in map_rankings(cosines, weights=weights) if one.name in entries]
    spans, missing = span_rankings(run, cosines.models, weights)
    wanted = dict.fromkeys(["predictivity", "dds", *(name for name in measures if name in BASELINES)])
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
            f"{run}: no measure {strange[0]!r}; expected one of {', '.join(dict.fromkeys([*found, *cosines.methods, *BASELINES]))}"
        )
    order = [*(name for name in SHOWN if name in found), *(name for name in found if name not in SHOWN)]
    ranked = SourceRanking.from_rankings(
        cosines.models, cosines.images, [found[name] for name in order], missing
    )
    if save:
        ranked.save(run / RANKING_NAME)
    return ranked


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

    The run beside it is another of the same study, or ``RUN_channels``, on the same images with ``--target channels``.
    """
    found, missing, images = [], {}, tuple(RunManifest.load(run).ids)
    for measure in SPANS:
        for folder, method in itertools.product((Path(run), find_sibling(run, "channels")), _METHODS):
            path = folder / IMAGES_NAME if folder else None
            cosines = ImageCosines.load(path) if path and path.exists() else None
            entry = entry_name(method, measure)
            fits = cosines is not None and cosines.images == images and set(models) <= set(cosines.models)
            if fits and entry in cosines.methods:
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
    """The registered baselines, ``predictivity`` among them, from a run's representations, and what is missing.

    Args:
        run: its directory.
        models: rows and columns.
        weights: bootstrap draws of the images, ``[B, N]``.
        names: only these; all if None.
        nodes: the run's comparisons of maps, for DEPARA.
    """
    names = list(BASELINES if names is None else names)
    try:
        codes = dict(Representations(run, list(models)))
    except RecordsError as error:
        there = any(representation_directory(run, model).is_dir() for model in models)
        return [], dict.fromkeys(names, str(error) if there else _FROM_REPRESENTATIONS)
    ingredients: dict[str, Callable[[], Any]] = {
        "grids": cache(lambda: code_grids(codes)),
        "images": cache(lambda: input_images(run)),
        "maps": lambda: nodes,
    }
    found, missing = [], {}
    for name in names:
        try:
            options = {option: ingredients[what]() for option, what in BASELINES[name].given.items()}
            prepared = prepare(name, codes, **options)
        except (SettingsError, ProbeError) as error:
            missing[name] = str(error)
            continue
        found.append(_ranking(name, BASELINES[name].kind, prepared.affinity(), weights, _draws(prepared)))
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
