"""Claim 5: the tree of a merged group keeps the trees of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfattr.affinity import ImageCosines, both_directions, similarity_tree
from tfattr.claims.claim import Claim, Number
from tfattr.claims.correlation import cophenetic_correlation
from tfattr.evaluation import interval, resamples

HIGH = 0.8  # cophenetic correlation that we call "highly similar" (Sokal and Rohlf's usual bound)


def kept_structure(matrix: np.ndarray, models: Sequence[str], part: Sequence[str]) -> float:
    """Cophenetic correlation of the tree of ``part`` alone with the merged tree cut down to ``part``.

    Args:
        matrix: affinity ``[M, M]`` of all models.
        models: their names.
        part: three or more of them.
    """
    rows = [list(models).index(name) for name in part]
    square = np.ix_(rows, rows)
    merged = similarity_tree(np.nan_to_num(matrix), models).cophenetic()[square]
    alone = similarity_tree(np.nan_to_num(matrix[square]), part).cophenetic()
    return cophenetic_correlation(merged, alone)


def local_structure(
    cosines: ImageCosines,
    parts: Mapping[str, Sequence[str]],
    method: str,
    draws: int = 200,
    seed: int = 0,
) -> Claim:
    """Claim 5: with the other models removed, the tree of a part is the merged tree's.

    Args:
        cosines: of one probe set.
        parts: name to models; parts of fewer than four, or of all models, are left aside. Random halves are added.
        method: attribution method.
        draws: bootstrap resamples of the images, and random halves.
        seed: of both.

    Source: supplementary material, section 5, third point.
    """
    title, statement = (
        "Local structure is preserved in the merged group",
        "The global task structure (all models) preserves the local one (a fraction of the models) in most cases.",
    )
    models = cosines.models
    used = {name: list(part) for name, part in parts.items() if 4 <= len(part) < len(models)}
    if len(models) < 8:
        return Claim(5, title, statement, missing="needs eight models or more")
    matrix = both_directions(cosines.mean(method))
    sampled = both_directions(cosines.mean(method, resamples(len(cosines.images), draws, seed)))
    numbers = [
        Number(
            f"{name} ({len(part)} models), {method}",
            kept_structure(matrix, models, part),
            interval([kept_structure(one, models, part) for one in sampled]),
        )
        for name, part in used.items()
    ]
    random = np.random.default_rng(seed)
    halves = [
        kept_structure(
            matrix, models, [models[i] for i in sorted(random.choice(len(models), len(models) // 2, False))]
        )
        for _ in range(draws)
    ]
    numbers.append(
        Number(f"random halves, mean of {draws}, {method}", float(np.mean(halves)), interval(halves))
    )
    good = [number for number in numbers if number.value >= HIGH]
    said = "; ".join(f"{number.what} {number.text()}" for number in numbers)
    return Claim(
        5,
        title,
        statement,
        f"Cophenetic correlation of a part's own tree with the merged tree: {said}. {len(good)} of {len(numbers)} reach "
        f"{HIGH}; the claim ('in most cases') is taken to hold with more than half.",
        len(good) > len(numbers) / 2,
        tuple(numbers),
    )
