"""The pictures of a run: matrices, trees, and maps of a few images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tfattr.affinity import AffinityResult, Tree
from tfattr.affinity.measures import split_entry
from tfattr.figures import affinity_figure, maps_figure, save_figure, tree_figure
from tfattr.figures.names import method_name
from tfattr.io import atomic_write
from tfattr.probe import ProbeImage, read_photo
from tfattr.records import RunManifest, map_directory, read_maps
from tfattr.runs.failures import is_lacking
from tfattr.trunk.preprocessing import Preprocessing

PREVIEWS_NAME = "previews.npz"
_PREVIEW_SIDE = 192
_SHOWN = 3


def save_previews(run: Path, images: Sequence[ProbeImage]) -> None:
    """Keep the first probe images, small, so that maps can be drawn without the photographs."""
    path = run / PREVIEWS_NAME
    if path.exists():
        return
    frame = Preprocessing((_PREVIEW_SIDE, _PREVIEW_SIDE), range="[0,255]")
    chosen = images[:_SHOWN]
    photos = frame([read_photo(image.path, exif=image.exif) for image in chosen]).round().astype(np.uint8)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, photos=photos, ids=np.array([image.id for image in chosen], dtype=str))


def draw(run: Path, result: AffinityResult, trees: Mapping[str, Tree], groups: Mapping[str, str]) -> None:
    """Write ``figures/affinity_<method>``, ``tree_<method>`` and ``maps`` of a run, as PNG and SVG."""
    folder = run / "figures"
    for method, matrix in result.affinity.items():
        title = f"affinity by {method_name(method)}, {result.images[method]} images"
        # A tree needs two models, and every affinity defined; those that have none come last.
        order = list(trees[method].leaves) if method in trees else None
        order = [*order, *(one for one in result.models if one not in order)] if order else None
        save_figure(
            affinity_figure(
                matrix, result.models, title, order=order, groups=groups, measure=result.measure(method)
            ),
            *both(folder / f"affinity_{method}"),
        )
        if method in trees:
            title = f"similarity tree by {method_name(method)}, {trees[method].method} linkage"
            if not np.array_equal(matrix, matrix.T, equal_nan=True):
                title += ", mean of both directions"
            save_figure(tree_figure(trees[method], title, groups=groups), *both(folder / f"tree_{method}"))
    draw_maps(run, result)


def draw_maps(run: Path, result: AffinityResult) -> None:
    """Write ``figures/maps`` of a run: every model's maps of the first probe images."""
    previews = run / PREVIEWS_NAME
    if previews.exists():
        with np.load(previews, allow_pickle=False) as kept:
            photos, ids = list(kept["photos"]), [str(name) for name in kept["ids"]]
        methods = dict.fromkeys(split_entry(entry)[0] for entry in result.methods)
        manifest = RunManifest.load(run)
        maps = {
            model: {method: _first_maps(run, model, method, len(photos)) for method in methods}
            for model in result.models
            if not any(is_lacking(manifest, model, method) for method in methods)
        }
        if not maps:
            return
        captions = [Path(name).stem for name in ids]
        save_figure(maps_figure(photos, maps, captions=captions), *both(run / "figures" / "maps"))


def both(path: Path) -> tuple[Path, Path]:
    """A figure's two files."""
    return path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")


def _first_maps(run: Path, model: str, method: str, count: int) -> np.ndarray:
    records = read_maps(map_directory(run, model, method))
    return np.stack([record.map for record in islice(records, count)])
