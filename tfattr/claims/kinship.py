"""Claims 4 and 6: models of one task are alike whatever their data; a newcomer finds its kin."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from tfattr.affinity import ImageCosines, both_directions
from tfattr.claims.claim import Claim, Number
from tfattr.evaluation import interval, resamples


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
    title, statement = (
        "Same task, different data",
        "Models of the same task, although trained on data from different domains, tend to cluster together.",
    )
    families = kin(cosines.models, tasks)
    if not families:
        return Claim(4, title, statement, missing="needs two models or more of one task in the zoo")
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
    return Claim(
        4,
        title,
        statement,
        f"By {method}, models of one task ({', '.join(' + '.join(names) for names in families.values())}) have a mean "
        f"affinity of {inner:.3f}, others of {outer:.3f}; difference {numbers[2].text()} (models' names permuted).",
        p < 0.05,
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
    title, statement = (
        "A newcomer finds its kin",
        "A further colorization model ranks the taskonomy colorization model first among all others.",
    )
    families = kin(cosines.models, tasks)
    if not families:
        return Claim(
            6,
            title,
            statement,
            missing="needs a second model of one of the zoo's tasks: `tfattr rank --query`",
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
    return Claim(
        6,
        title,
        statement,
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
