"""Claims 1 and 2: probe sets agree; epsilon-LRP and gradient * input agree, saliency differs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from tfattr.affinity import ImageCosines
from tfattr.claims.claim import Claim, Number
from tfattr.claims.correlation import common, matrix_correlation
from tfattr.evaluation import Truth, interval, resamples, score, score_intervals

HIGH = 0.9  # a correlation that we call "highly similar"


def probe_insensitivity(probes: Mapping[str, ImageCosines], draws: int = 500, seed: int = 0) -> Claim:
    """Claim 1: the affinities of different probe sets are highly similar, method by method.

    Args:
        probes: name of a probe set to the cosines of the same models on it.
        draws: bootstrap resamples of each probe set's images.
        seed: of the resamples.

    Source: supplementary material, section 4, first point.
    """
    title, statement = (
        "Insensitive to the probe set",
        "For each attribution method, no matter which probe data is adopted, the affinity matrices are highly similar.",
    )
    if len(probes) < 2:
        return Claim(1, title, statement, missing="needs runs of the same zoo on two probe sets or more")
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
    return Claim(
        1,
        title,
        statement,
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
    title, statement = (
        "Epsilon-LRP and gradient * input agree, saliency differs",
        "Affinities by epsilon-LRP are similar to gradient * input; saliency's are more dissimilar, and less consistent "
        "with measured transfer.",
    )
    lrp = [method for method in cosines.methods if method.startswith("elrp")]
    if not lrp or not {"saliency", "grad_input"} <= set(cosines.methods):
        return Claim(
            2, title, statement, missing="needs the methods saliency, grad_input and elrp in one run"
        )
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
    return Claim(2, title, statement, sentence, bool(holds), tuple(numbers))
