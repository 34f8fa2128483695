"""A run's affinities judged by measured transfer: a table, a CSV and the curves."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr import resources
from tfattr.affinity import AffinityResult
from tfattr.errors import SettingsError
from tfattr.evaluation import Scores, Truth, read_truth, score
from tfattr.figures import save_figure
from tfattr.figures.curves import precision_recall_figure
from tfattr.records import whole_file

FIELDS = ("ranking", "P@1", "P@5", "R@5", "p_chance", "p_relabelling", "spearman", "kendall")


@dataclass(frozen=True)
class Judgement:
    """Scores of several rankings against one truth: name (as a rule the method) to scores."""

    truth: Truth
    scores: dict[str, Scores]

    def rows(self) -> list[dict[str, float | str]]:
        """One row a ranking, with the columns of ``FIELDS``; p-values are those of the hits at K = 5."""
        return [
            {
                "ranking": name,
                "P@1": found.precision[0],
                "P@5": found.precision[4],
                "R@5": found.recall[4],
                "p_chance": found.chance(5),
                "p_relabelling": found.relabelling(5),
                "spearman": float(np.nanmean(found.spearman)),
                "kendall": float(np.nanmean(found.kendall)),
            }
            for name, found in self.scores.items()
        ]

    def table(self) -> str:
        """The rows as text, with the random expectation below."""
        any_scores = next(iter(self.scores.values()))
        chance = any_scores.relevant / any_scores.candidates
        width = max(len("random (expected)"), *(len(name) for name in self.scores))
        lines = [" " * width + "   P@1   P@5   R@5  p (chance)  p (relabelled)  Spearman  Kendall"]
        for row in self.rows():
            lines.append(
                f"{row['ranking']:{width}s} {row['P@1']:5.3f} {row['P@5']:5.3f} {row['R@5']:5.3f}"
                f" {row['p_chance']:11.1e} {row['p_relabelling']:15.4f} {row['spearman']:9.3f} {row['kendall']:8.3f}"
            )
        lines.append(
            f"{'random (expected)':{width}s} {chance:5.3f} {chance:5.3f} {5 / any_scores.candidates:5.3f}"
        )
        lines.append(
            f"{any_scores.targets} targets, {any_scores.candidates} candidates each, {any_scores.relevant} relevant"
        )
        return "\n".join(lines)

    def save(self, run: str | os.PathLike[str], title: str = "", curves: Sequence[str] | None = None) -> None:
        """Write ``evaluation.csv`` and ``figures/precision_recall.png`` (of ``curves``, else all) into a run."""
        run, text = Path(run), io.StringIO()
        writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        with whole_file(run / "evaluation.csv") as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
        drawn = {name: self.scores[name] for name in curves or self.scores}
        figure = precision_recall_figure(
            {name: found.precision for name, found in drawn.items()},
            {name: found.recall for name, found in drawn.items()},
            next(iter(drawn.values())).relevant,
            title,
        )
        save_figure(figure, run / "figures" / "precision_recall.png")


def find_truth(truth: str | os.PathLike[str]) -> Path:
    """The CSV of measured transfer: a path, ``rooms`` or ``taskonomy``.

    Raises:
        SettingsError: neither a file nor one of these names.
    """
    known = {
        "rooms": resources.checkpoints() / "rooms" / "transfer.csv",
        "taskonomy": resources.checkpoints() / "taskonomy_truth.csv",
    }
    path = Path(truth)
    if not path.exists() and str(truth) in known:
        path = known[str(truth)]
    if not path.is_file():
        raise SettingsError(
            f"{truth}: no such file of measured transfer; expected a CSV with the columns target, source, affinity, "
            f"or {' or '.join(known)}."
        )
    return path


def judge(
    result: AffinityResult | Mapping[str, np.ndarray],
    truth: str | os.PathLike[str],
    models: tuple[str, ...] | None = None,
) -> Judgement:
    """Scores of every method of a result (or of named matrices of ``models``) against measured transfer."""
    matrices = result.affinity if isinstance(result, AffinityResult) else result
    models = result.models if isinstance(result, AffinityResult) else models
    measured = read_truth(find_truth(truth), models)
    return Judgement(measured, {name: score(matrix, models, measured) for name, matrix in matrices.items()})
