"""Claims 1 to 3: probe sets agree; epsilon-LRP and gradient * input agree, saliency differs; few images are enough."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfattr.affinity import ImageCosines, both_directions, similarity_tree
from tfattr.claims.claim import Claim, Number, common, matrix_correlation
from tfattr.evaluation import Truth, interval, resamples, score, score_intervals

HIGH = 0.9  # a correlation that we call "highly similar"
ENOUGH = 0.9  # correlation with all images that we call "almost unchanged"
PAPER_SIZES = (100, 400, 800, 1200, 1600, 2000)


def probe_insensitivity(probes: Mapping[str, ImageCosines], draws: int = 500, seed: int = 0) -> Claim:
    """Claim 1: the affinities of different probe sets are highly similar, method by method.

    Args:
        probes: name of a probe set to the cosines of the same models on it.
        draws: bootstrap resamples of each probe set's images.
        seed: of the resamples.

    Source: supplementary material, section 4, first point.
    """
    if len(probes) < 2:
        return Claim.of(1, missing="needs runs of the same zoo on two probe sets or more")
    names = list(probes)
    models = common(*(probes[name].models for name in names))
    methods = common(*(probes[name].methods for name in names))
    parts = {name: probes[name].only(models) for name in names}
    numbers = []
    for method in methods:
        sampled = {
            name: part.mean(method, resamples(len(part.images), draws, seed + index))
            for index, (name, part) in enumerate(parts.items())
        }
        for left, right in itertools.combinations(names, 2):
            value = matrix_correlation(parts[left].mean(method), parts[right].mean(method))
            ends = interval(matrix_correlation(sampled[left], sampled[right]))
            numbers.append(Number(f"{method}: {left} against {right}", float(value), ends))
    by_method = [[number for number in numbers if number.what.startswith(f"{method}:")] for method in methods]
    lowest = [min(some, key=lambda number: number.value) for some in by_method]
    return Claim.of(
        1,
        f"Lowest correlation between the affinities of {len(models)} models on {len(names)} probe sets: "
        f"{'; '.join(f'{number.text()} ({number.what})' for number in lowest)}. We call {HIGH} and more highly similar.",
        all(number.value >= HIGH for number in lowest),
        tuple(numbers),
    )


def methods_agree(
    cosines: ImageCosines, truth: Truth | None = None, draws: int = 500, seed: int = 0
) -> Claim:
    """Claim 2: epsilon-LRP and gradient * input agree, saliency differs and is less consistent with the truth.

    Args:
        cosines: of one probe set, with the three methods.
        truth: measured transfer; the last part of the claim is left out without.
        draws, seed: bootstrap resamples of the images.

    Source: supplementary material, section 4, second point.
    """
    lrp = [method for method in cosines.methods if method.startswith("elrp")]
    if not lrp or not {"saliency", "grad_input"} <= set(cosines.methods):
        return Claim.of(2, missing="needs the methods saliency, grad_input and elrp in one run")
    weights = resamples(len(cosines.images), draws, seed)
    means = {method: cosines.mean(method) for method in cosines.methods}
    sampled = {method: cosines.mean(method, weights) for method in cosines.methods}

    def agreement(left: str, right: str) -> tuple[Number, np.ndarray]:
        draws_of = matrix_correlation(sampled[left], sampled[right])
        value = float(matrix_correlation(means[left], means[right]))
        return Number(f"{left} with {right}", value, interval(draws_of)), draws_of

    own, own_draws = agreement(lrp[0], "grad_input")
    other, other_draws = agreement("saliency", "grad_input")
    numbers = [own, other, *(agreement(name, "grad_input")[0] for name in lrp[1:])]
    low, high = interval(own_draws - other_draws)
    difference = Number(
        f"the first less the second ({lrp[0]} and saliency, each with grad_input)",
        own.value - other.value,
        (low, high),
    )
    numbers.append(difference)
    holds = own.value >= HIGH and low > 0
    sentence = f"{lrp[0]} correlates with gradient * input at {own.text()}, saliency with gradient * input at {other.text()}."
    if truth is not None:
        ranks = {}
        for method in ("saliency", "grad_input", lrp[0]):
            ends = score_intervals(sampled[method], cosines.models, truth)
            value = float(np.nanmean(score(means[method], cosines.models, truth).spearman))
            ranks[method] = Number(
                f"{method} with measured transfer (mean Spearman of {len(truth.targets)} targets)",
                value,
                (float(ends.spearman[0]), float(ends.spearman[1])),
            )
            numbers.append(ranks[method])
        closer = ranks["grad_input"].value > ranks["saliency"].value
        sentence += (
            f" With measured transfer, gradient * input correlates at {ranks['grad_input'].text()}, saliency at "
            f"{ranks['saliency'].text()}: {'as' if closer else 'not as'} the paper finds on Taskonomy."
        )
        holds = holds and closer
    return Claim.of(2, sentence, bool(holds), tuple(numbers))


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
        grown = np.stack([_cophenetic(part, cosines.models) for part in parts])
        trees.append(_summary(matrix_correlation(grown, tree)))
    return SizeCurve(method, tuple(sizes), np.array(rows), np.array(trees))


def size_insensitivity(curves: Sequence[SizeCurve], images: int) -> Claim:
    """Claim 3, from the curves of some methods on a probe of ``images`` images.

    Source: supplementary material, section 4 and figure S4.
    """
    if not curves or not curves[0].sizes:
        return Claim.of(3, missing="needs a run of more than 10 probe images")
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
    return Claim.of(
        3,
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
