"""The paper's probe sets: its own lists, and fresh ones drawn by the same recipe with a seed.

Source: supplementary material, section 2. Taskonomy: 200 pictures of each of the five validation buildings
of the "tiny" partition; Indoor Scene: 15 of each of 67 categories; COCO: 1,000 of val2014.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr import resources
from tfattr.errors import ProbeError, SettingsError

SIZES = (100, 400, 800, 1200, 1600, 2000)  # of the paper's study of the probe's size


@dataclass(frozen=True)
class Recipe:
    """How a probe set is drawn.

    ``pattern``: the pictures, below the data set's root. ``size``: of the paper's set. ``groups``: folders
    that share the size evenly; empty where the whole set is one.
    """

    pattern: str
    size: int
    groups: tuple[str, ...] = ()
    by_folder: bool = False


RECIPES = {
    "taskonomy": Recipe(
        "*_rgb/*.png",
        1000,
        tuple(f"{name}_rgb" for name in ("collierville", "corozal", "darden", "markleeville", "wiconisco")),
        by_folder=True,
    ),
    "indoor": Recipe("Images/*/*.jpg", 1005, by_folder=True),
    "coco": Recipe("COCO_val2014_*.jpg", 1000),
}


def builtin_list(name: str) -> Path:
    """The paper's own list: ``taskonomy`` (1,000), ``indoor`` (1,005) or ``coco`` (1,000), one path a line.

    Lines are relative to the data set's root, as :func:`tfattr.probe.list_probe` takes it.
    """
    _recipe(name)
    return resources.probe_data() / f"{name}.txt"


def draw(name: str, root: str | os.PathLike[str], *, size: int | None = None, seed: int = 0) -> list[str]:
    """A fresh probe set drawn from a downloaded data set.

    Args:
        name: the recipe, ``taskonomy``, ``indoor`` or ``coco``.
        root: the data set's folder.
        size: number of pictures, the paper's if None. Groups (buildings, categories) share it evenly.
        seed: of the draw. The same seed at a larger size keeps the pictures of the smaller one.

    Returns:
        Paths relative to ``root`` with ``/``, group after group, without duplicates.

    Raises:
        SettingsError: an unknown recipe or a size below 1.
        ProbeError: the data set is not there or too small.
    """
    recipe, root = _recipe(name), Path(root)
    size = recipe.size if size is None else size
    if size < 1:
        raise SettingsError(f"The size of a probe set is {size}; it must be at least 1.")
    pools = _pools(recipe, root)
    if not pools:
        raise ProbeError(f"{root}: no picture {recipe.pattern} here; give the folder of the {name} data set.")
    # Which groups get one more is drawn too, so that no category is favoured by its name.
    extra = set(np.random.default_rng([seed, 0]).permutation(len(pools))[: size % len(pools)].tolist())
    drawn: list[str] = []
    for index, (group, files) in enumerate(pools.items()):
        wanted = size // len(pools) + (index in extra)
        if len(files) < wanted:
            raise ProbeError(
                f"{root / group}: {len(files)} pictures, but {wanted} are to be drawn; complete the data set or "
                "ask for fewer."
            )
        order = np.random.default_rng([seed, 1, index]).permutation(len(files))
        drawn.extend(files[place] for place in order[:wanted])
    return drawn


def write_list(paths: Sequence[str], target: str | os.PathLike[str]) -> None:
    """One path a line, put in place when whole."""
    target = Path(target)
    part = target.with_name(f"{target.name}.part")
    part.write_text("".join(f"{path}\n" for path in paths), "utf-8")
    os.replace(part, target)


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise SettingsError(f"There is no probe set {name!r}; expected one of {', '.join(RECIPES)}.")
    return RECIPES[name]


def _pools(recipe: Recipe, root: Path) -> dict[str, list[str]]:
    """Pictures by group, both sorted, so that a draw does not depend on the file system."""
    pools: dict[str, list[str]] = {group: [] for group in recipe.groups}
    for path in sorted(file.relative_to(root).as_posix() for file in root.glob(recipe.pattern)):
        group = path.rsplit("/", 1)[0] if recipe.by_folder else ""
        if not recipe.groups or group in pools:
            pools.setdefault(group, []).append(path)
    return pools if any(pools.values()) else {}
