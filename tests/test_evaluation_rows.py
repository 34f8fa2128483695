"""The table of an evaluation: differences to the recommended ranking on the same resamples, and the sentence at its end."""

from __future__ import annotations

import numpy as np
import pytest

from tfattr.evaluation import Evaluation, Ranking, Truth, evaluate, interval, score

MODELS = tuple("abcdefgh")
DRAWS = 30


@pytest.fixture(scope="module")
def evaluation():
    """Recommended is near the truth, the baseline further away, grad_input noise; one has no draws, one others."""
    random = np.random.default_rng(0)
    measured = random.random((8, 8))
    truth = Truth(MODELS, MODELS, np.where(np.eye(8, dtype=bool), np.nan, measured))

    def ranking(name, kind, noise, draws=DRAWS):
        drawn = [measured + noise * random.normal(size=(8, 8)) for _ in range(draws + 1)]
        return Ranking(name, kind, drawn[0], (lambda: drawn[1:]) if draws else None)

    made = [
        ranking("recommended", "own", 0.1),
        ranking("dds", "baseline", 0.5),
        ranking("rsa", "baseline", 2.0, DRAWS // 2),
        ranking("grad_input", "maps", 20.0),
        ranking("symmetric", "control", 0.2, 0),
    ]
    return Evaluation("truth", truth, 5, evaluate(made, MODELS, truth)), made


def test_differences_are_draw_by_draw(evaluation):
    found, made = evaluation
    rows = {row["ranking"]: row for row in found.rows()}

    def means(ranking):
        return np.array(
            [score(matrix, MODELS, found.truth).spearman.mean() for matrix in ranking.resampled()]
        )

    own, dds = (score(one.matrix, MODELS, found.truth).spearman.mean() for one in made[:2])
    assert rows["dds"]["behind"] == pytest.approx(own - dds)
    assert rows["dds"]["behind_interval"] == pytest.approx(interval(means(made[0]) - means(made[1])))
    assert rows["rsa"]["behind"] > 0
    assert rows["rsa"]["behind_interval"] is None  # of other resamples
    assert rows["symmetric"]["behind_interval"] is None
    assert rows["recommended"]["behind"] is None
    line = next(line for line in found.table().splitlines() if line.startswith("dds"))
    assert f"{rows['dds']['behind']:.3f} ({rows['dds']['behind_interval'][0]:.3f}," in line


def test_the_last_sentence_is_made_of_the_numbers(evaluation):
    found, made = evaluation
    said = found.belief()
    assert "more than by dds" in said
    assert f"mean Spearman {np.mean(found.results[0].scores.spearman):.2f}" in said
    assert "gradient * input says little" in said
    swapped = [
        Ranking("dds", "baseline", made[0].matrix, made[0].resampled),
        Ranking("recommended", "own", *_of(made[1])),
    ]
    assert (
        "less than by dds" in Evaluation("t", found.truth, 5, evaluate(swapped, MODELS, found.truth)).belief()
    )
    same = [Ranking("dds", "baseline", *_of(made[0])), Ranking("recommended", "own", *_of(made[0]))]
    assert (
        "about as far as by dds"
        in Evaluation("t", found.truth, 5, evaluate(same, MODELS, found.truth)).belief()
    )
    alone = Evaluation("t", found.truth, 5, evaluate(made[3:], MODELS, found.truth))
    assert alone.belief() == ""


def _of(ranking):
    return ranking.matrix, ranking.resampled
