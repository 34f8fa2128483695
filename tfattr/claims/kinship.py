"""Claims 4 to 6: models of one task are alike whatever their data; the tree of a merged group keeps the trees of its parts; a
newcomer finds its kin."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tfattr.affinity import ImageCosines, both_directions, similarity_tree
from tfattr.claims.claim import Claim, Number, matrix_correlation
from tfattr.evaluation import interval, resamples

HIGH = 0.8  # cophenetic correlation that we call "highly similar" (Sokal and Rohlf's usual bound)


def kin(models: tuple[str, ...], tasks: Mapping[str, str]) -> dict[str, list[str]]:
    """Tasks that two models or more are of: task to its models."""
    by_task: dict[str, list[str]] = {}
    for model in models:
        if model in tasks:
            by_task.setdefault(tasks[model], []).append(model)
    return {task: names for task, names in by_task.items() if len(names) > 1}


def same_task(
    cosines: ImageCosines,
    tasks: Mapping[str, str],
    method: str,
    draws: int = 500,
    permutations: int = 5000,
    seed: int = 0,
) -> Claim:
    """Claim 4: affinity within a task is higher than between tasks.

    Args:
        cosines: of one probe set.
        tasks: model to task; models that share one are kin.
        method: attribution method.
        draws: bootstrap resamples of the images.
        permutations: of the models' names, for the p-value.
        seed: of both.

    Source: supplementary material, section 5, second point.
    """
    families = kin(cosines.models, tasks)
    if not families:
        return Claim.of(4, missing="needs two models or more of one task in the zoo")
    matrix = both_directions(cosines.mean(method))
    within = np.zeros(matrix.shape, bool)
    for names in families.values():
        for left, right in itertools.permutations(names, 2):
            within[cosines.models.index(left), cosines.models.index(right)] = True
    upper = np.triu(np.ones(matrix.shape, bool), 1)
    inside, outside = within & upper, ~within & upper

    def difference(matrices: np.ndarray) -> np.ndarray:
        return np.nanmean(matrices[..., inside], axis=-1) - np.nanmean(matrices[..., outside], axis=-1)

    own = float(difference(matrix))
    ends = interval(
        difference(both_directions(cosines.mean(method, resamples(len(cosines.images), draws, seed))))
    )
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(matrix)) for _ in range(permutations)]
    reached = sum(bool(difference(matrix[np.ix_(order, order)]) >= own) for order in orders)
    p = (1 + reached) / (1 + permutations)
    inner, outer = float(np.nanmean(matrix[inside])), float(np.nanmean(matrix[outside]))
    numbers = [
        Number(f"mean affinity within a task ({method})", inner),
        Number(f"mean affinity between tasks ({method})", outer),
        Number(f"within less between ({method})", own, ends, p),
    ]
    return Claim.of(
        4,
        f"By {method}, models of one task ({', '.join(' + '.join(names) for names in families.values())}) have a mean "
        f"affinity of {inner:.3f}, others of {outer:.3f}; difference {numbers[2].text()} (models' names permuted).",
        p < 0.05,
        tuple(numbers),
    )


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
    return float(matrix_correlation(merged, alone))


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
    models = cosines.models
    used = {name: list(part) for name, part in parts.items() if 4 <= len(part) < len(models)}
    if len(models) < 8:
        return Claim.of(5, missing="needs eight models or more")
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
    return Claim.of(
        5,
        f"Cophenetic correlation of a part's own tree with the merged tree: {said}. {len(good)} of {len(numbers)} reach "
        f"{HIGH}; the claim ('in most cases') is taken to hold with more than half.",
        len(good) > len(numbers) / 2,
        tuple(numbers),
    )


def newcomers(
    cosines: ImageCosines, tasks: Mapping[str, str], method: str, draws: int = 500, seed: int = 0
) -> Claim:
    """Claim 6: a model that joins a finished zoo ranks the model of its own task first.

    Each model of a task that the zoo has more than once is the newcomer in turn; its kin's place among all others is
    taken from its own row, as ``tfattr rank --query`` does.

    Source: supplementary material, section 5 (a colorization net ranks Taskonomy's colorization first).
    """
    families = kin(cosines.models, tasks)
    if not families:
        return Claim.of(
            6,
            missing="needs a second model of one of the zoo's tasks: `tfattr add`",
        )
    matrix = cosines.mean(method)
    sampled = cosines.mean(method, resamples(len(cosines.images), draws, seed))
    numbers, first = [], 0
    for names in families.values():
        for newcomer in names[1:]:
            row, relatives = cosines.models.index(newcomer), [name for name in names if name != newcomer]
            columns = [cosines.models.index(name) for name in relatives]
            place = int(kin_place(matrix[row], row, columns))
            places = kin_place(sampled[:, row], row, columns)
            first += place == 1
            numbers.append(
                Number(
                    f"{newcomer}: place of its kin ({' or '.join(relatives)}), {method}",
                    place,
                    interval(places),
                )
            )
    said = "; ".join(
        f"{number.what.split(':')[0]} finds its kin at place {number.value:.0f}" for number in numbers
    )
    return Claim.of(
        6,
        f"By {method}, of {len(numbers)} newcomers {first} rank a model of their own task first among "
        f"{len(cosines.models) - 1}: {said}.",
        first == len(numbers),
        tuple(numbers),
    )


def kin_place(rows: np.ndarray, own: int, kin_columns: list[int]) -> np.ndarray:
    """Place (1 the first) of the best of ``kin_columns`` among all columns but ``own``: ``[..., M]`` to ``[...]``."""
    best = np.nanmax(rows[..., kin_columns], axis=-1)
    better = rows > best[..., None]
    better[..., own] = False
    return 1 + better.sum(axis=-1)
