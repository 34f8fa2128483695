"""Claim 3: a part of the probe images gives the same affinities and trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfattr.affinity import ImageCosines, both_directions, similarity_tree
from tfattr.claims.claim import Claim, Number
from tfattr.claims.correlation import cophenetic_correlation, matrix_correlation
from tfattr.evaluation import interval

ENOUGH = 0.9  # correlation with all images that we call "almost unchanged"
PAPER_SIZES = (100, 400, 800, 1200, 1600, 2000)


@dataclass(frozen=True)
class SizeCurve:
    """Agreement of parts of the probe with the whole, for one method.

    Attributes:
        method: its name.
        sizes: numbers of images.
        correlation, cophenetic: float64 ``[S, 3]``: mean over draws, lower and upper end of the central 95 %.
    """

    method: str
    sizes: tuple[int, ...]
    correlation: np.ndarray
    cophenetic: np.ndarray


def default_sizes(images: int) -> tuple[int, ...]:
    """The paper's sizes as far as they go; 10, 20, 50, 100, 200 for a probe of up to 400."""
    wanted = PAPER_SIZES if images > 400 else (10, 20, 50, 100, 200, 400)
    return tuple(size for size in wanted if size < images)


def sample_size_curve(
    cosines: ImageCosines, method: str, sizes: Sequence[int], draws: int = 100, seed: int = 0
) -> SizeCurve:
    """Correlation with the affinity and the tree of all images, for ``draws`` parts of each size drawn without return."""
    random = np.random.default_rng(seed)
    count = len(cosines.images)
    whole = cosines.mean(method)
    tree = _cophenetic(whole, cosines.models)
    rows, trees = [], []
    for size in sizes:
        weights = np.zeros((draws, count))
        for row in weights:
            row[random.choice(count, size, replace=False)] = 1
        parts = cosines.mean(method, weights)
        rows.append(_summary(matrix_correlation(parts, whole)))
        trees.append(
            _summary([cophenetic_correlation(_cophenetic(part, cosines.models), tree) for part in parts])
        )
    return SizeCurve(method, tuple(sizes), np.array(rows), np.array(trees))


def size_insensitivity(curves: Sequence[SizeCurve], images: int) -> Claim:
    """Claim 3, from the curves of some methods on a probe of ``images`` images.

    Source: supplementary material, section 4 and figure S4.
    """
    title, statement = (
        "Insensitive to the number of images",
        "With more probe images the relatedness keeps almost unchanged; a few hundreds of images are sufficient.",
    )
    if not curves or not curves[0].sizes:
        return Claim(3, title, statement, missing="needs a run of more than 10 probe images")
    numbers = []
    for curve in curves:
        for size, flat, tree in zip(curve.sizes, curve.correlation, curve.cophenetic):
            numbers.append(Number(f"{curve.method}, {size} images: affinity", flat[0], (flat[1], flat[2])))
            numbers.append(Number(f"{curve.method}, {size} images: tree", tree[0], (tree[1], tree[2])))
    enough = {}
    for curve in curves:
        good = [size for size, flat in zip(curve.sizes, curve.correlation) if flat[1] >= ENOUGH]
        enough[curve.method] = good[0] if good else None
    worst = max(enough.values(), key=lambda size: images if size is None else size)
    said = ", ".join(
        f"{size or 'more than ' + str(curves[0].sizes[-1])} ({method})" for method, size in enough.items()
    )
    return Claim(
        3,
        title,
        statement,
        f"The affinity correlates with that of all {images} images at {ENOUGH} or more in 95 of 100 draws of "
        f"{said} images; the claim is taken to hold at half of the images or fewer.",
        worst is not None and worst <= images / 2,
        tuple(
            Number(
                one.what, float(one.value), one.interval and (float(one.interval[0]), float(one.interval[1]))
            )
            for one in numbers
        ),
    )


def _summary(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    return (float(np.nanmean(values)), *interval(values))


def _cophenetic(matrix: np.ndarray, models: Sequence[str]) -> np.ndarray:
    # A pair without a common image in a small part: the tree takes it as unrelated.
    return similarity_tree(np.nan_to_num(both_directions(matrix)), models).cophenetic()
