"""Several rankings against one truth: scores, intervals, chance, the literature's protocol; as rows, text and files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfattr.evaluation.scores import Intervals, Scores, interval, score, score_intervals
from tfattr.evaluation.truth import Truth
from tfattr.io import write_json, write_text

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

EVALUATION_NAME = "evaluation.json"
RECOMMENDED = "recommended"
_COLUMNS = (
    "kind", "P@1", "P@K", "R@K", "p_chance", "p_relabelling", "spearman", "kendall",
    "spearman_affinity_17", "spearman_win_rate_17", "behind",
)  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """An affinity to be judged.

    Attributes:
        name: of the measure.
        kind: ``maps`` (attribution), ``own`` (a measure of tfattr's own), ``baseline`` or ``control``.
        matrix: affinity ``[M, M]``, row: target.
        resampled: gives the same affinity on bootstrap draws of the probe images, or None.
    """

    name: str
    kind: str
    matrix: np.ndarray
    resampled: Callable[[], Iterable[np.ndarray]] | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """A ranking with its scores, and intervals where it could be resampled."""

    ranking: Ranking
    scores: Scores
    intervals: Intervals | None
    literature: dict[str, float | None] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The row of ``evaluation.json``, P@K and R@K at K = ``scores.relevant``; what is not defined is None."""
        found, ends, k = self.scores, self.intervals, self.scores.relevant

        def at(k: int) -> list[float] | None:
            return None if ends is None else [float(end[k - 1]) for end in ends.precision]

        return {
            "ranking": self.ranking.name,
            "kind": self.ranking.kind,
            "P@1": float(found.precision[0]),
            f"P@{k}": float(found.precision[k - 1]),
            f"R@{k}": float(found.recall[k - 1]),
            "P@1_interval": at(1),
            f"P@{k}_interval": at(k),
            "p_chance": found.chance(k),
            "p_relabelling": found.relabelling(k),
            "spearman": _mean(found.spearman),
            "spearman_interval": None if ends is None else [_number(end) for end in ends.spearman],
            "kendall": _mean(found.kendall),
            "spearman_affinity_17": self.literature.get("affinity"),
            "spearman_win_rate_17": self.literature.get("win_rate"),
            "precision": [float(value) for value in found.precision],
            "recall": [float(value) for value in found.recall],
            "precision_interval": None if ends is None else ends.precision.tolist(),
            "hits": [int(value) for value in found.hits],
        }


def evaluate(
    rankings: Sequence[Ranking],
    models: Sequence[str],
    truth: Truth,
    literature: Callable[[np.ndarray], dict[str, float | None]] | None = None,
    progress: Callable[[int], Any] | None = None,
    k: int | None = None,
) -> list[EvaluationResult]:
    """Judge each ranking of ``models`` by ``truth``.

    Args:
        rankings: the affinities.
        models: names of their rows and columns.
        truth: measured transfer among (some of) them.
        literature: gives further scores of a matrix, by name.
        progress: called with 1 after each ranking.
        k: see :func:`tfattr.evaluation.scores.choose_k`.
    """
    results = []
    for ranking in rankings:
        found = score(ranking.matrix, models, truth, k)
        ends = None
        if ranking.resampled is not None:
            ends = score_intervals(ranking.resampled(), models, truth, found.relevant)
        results.append(
            EvaluationResult(ranking, found, ends, literature(ranking.matrix) if literature else {})
        )
        if progress is not None:
            progress(1)
    return results


@dataclass(frozen=True)
class Evaluation:
    """Everything that ``tfattr evaluate`` says.

    Attributes:
        truth_name: as given.
        truth: measured transfer among the run's models.
        images: number of probe images.
        results: every ranking with its scores.
        verdicts: a run on the originals against the authors' figures, item by item.
        missing: rankings that could not be made, and why.
    """

    truth_name: str
    truth: Truth
    images: int
    results: list[EvaluationResult]
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``evaluation.json``."""
        first = self.results[0].scores
        targets = self.truth.targets

        def per_target(name: str) -> dict[str, dict[str, float | None]]:
            return {
                one.ranking.name: {
                    target: float(value) if np.isfinite(value) else None
                    for target, value in zip(targets, getattr(one.scores, name))
                }
                for one in self.results
            }

        return {
            "truth": self.truth_name,
            "targets": first.targets,
            "candidates": first.candidates,
            "relevant": first.relevant,
            "images": self.images,
            "rows": self.rows(),
            "spearman_per_target": per_target("spearman"),
            "kendall_per_target": per_target("kendall"),
            "verdicts": self.verdicts,
            "missing": self.missing,
        }

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a DataFrame, a ranking a row, columns as in ``evaluation.csv``."""
        import pandas

        return pandas.DataFrame(self.rows()).set_index("ranking")

    def rows(self) -> list[dict[str, Any]]:
        """A row a ranking; ``behind`` is the recommended ranking's Spearman less its own, with its 95 % interval.

        The interval is over the same resamples for both, so that it may exclude 0 where their own intervals overlap.
        """
        rows = [one.row() for one in self.results]
        best = next((one for one in self.results if one.ranking.name == RECOMMENDED), None)
        for one, row in zip(self.results, rows):
            row["behind"] = row["behind_interval"] = None
            if best is None or one is best:
                continue
            mine, its = np.nanmean(best.scores.spearman), row["spearman"]
            row["behind"] = None if its is None else float(mine - its)
            own, other = best.intervals, one.intervals
            if own is not None and other is not None and own.draws == other.draws:
                ends = interval(own.means - other.means)
                row["behind_interval"] = list(ends) if np.isfinite(ends).all() else None
        return rows

    def belief(self) -> str:
        """What a user should believe, in one sentence made of the numbers; "" where nothing is recommended."""
        rows = {row["ranking"]: row for row in self.rows()}
        own, paper = rows.get(RECOMMENDED), rows.get("grad_input")
        baselines = [
            row for row in rows.values() if row["kind"] == "baseline" and row["spearman"] is not None
        ]
        if own is None or own["spearman"] is None or not baselines:
            return ""
        at = f"P@{self.k}"
        best, chance = max(baselines, key=lambda row: row["spearman"]), self.results[0].scores
        ends = best["behind_interval"]
        kind = (
            "about as far as"
            if not ends or ends[0] <= 0 <= ends[1]
            else "more than"
            if ends[0] > 0
            else "less than"
        )
        text = (
            f"What to believe: order sources by `recommended` (mean Spearman {own['spearman']:.2f}, {at} {own[at]:.2f}), "
            f"{kind} by {best['ranking']}, the best baseline ({best['spearman']:.2f}, {best[at]:.2f}; difference "
            f"{best['behind']:+.3f}"
            + (f", 95 % over images {ends[0]:+.3f} to {ends[1]:+.3f}" if ends else "")
            + ")"
        )
        if paper is not None and paper["spearman"] is not None:
            text += (
                f"; the paper's gradient * input says little of transfer here ({paper['spearman']:.2f}, {paper[at]:.2f})"
                if paper["spearman"] < 0.5 * own["spearman"]
                else f"; the paper's gradient * input reaches {paper['spearman']:.2f}, {paper[at]:.2f}"
            )
        return f"{text}; a random order has 0, {chance.relevant / chance.candidates:.2f}."

    @property
    def k(self) -> int:
        """The K of P@K: how many sources of a target are relevant."""
        return self.results[0].scores.relevant

    def table(self) -> str:
        """The rows as text, with the random expectation below."""
        import pandas

        at, first = f"P@{self.k}", self.results[0].scores
        chance = f"{first.relevant / first.candidates:.3f}"
        frame = pandas.DataFrame(
            [
                (
                    row["kind"],
                    f"{row['P@1']:.3f}",
                    f"{row[at]:.3f}",
                    _ends(row[f"{at}_interval"]),
                    _three(row["spearman"]),
                    _ends(row["spearman_interval"]),
                    f"{row['p_chance']:.1e}",
                    f"{row['p_relabelling']:.4f}",
                    f"{_three(row['behind'], '')} {_ends(row['behind_interval'])}".strip(),
                )
                for row in self.rows()
            ]
            + [("", chance, chance, *[""] * 6)],
            index=[*(one.ranking.name for one in self.results), "random (expected)"],
            columns=["kind", "P@1", f"{at}=R@{self.k}", "(95 %)", "Spearman", "(95 %)", "p rand.", "p relab.",
                     "recommended less it (95 %)"],
        )  # fmt: skip
        lines = [
            *map(str.rstrip, frame.to_string().splitlines()),
            f"{first.targets} targets, {first.candidates} candidates each, {first.relevant} relevant; intervals: "
            "bootstrap over probe images; p: random rankings (exact), relabelled models",
            *(f"not judged: {name}: {why}" for name, why in self.missing.items()),
        ]
        if self.verdicts:
            good = sum(verdict["reproduced"] for verdict in self.verdicts)
            lines += ["", f"the authors' figures: {good} of {len(self.verdicts)} items reproduced"]
            lines += [
                f"  {'reproduced' if one['reproduced'] else 'NOT reproduced':14s}  {one['item']}: expected "
                f"{one['expected']}, found {one['found']}"
                for one in self.verdicts
            ]
        return "\n".join(lines)

    def save(self, run: str | os.PathLike[str], title: str = "") -> None:
        """Write ``evaluation.json``, ``evaluation.csv`` and ``figures/precision_recall`` into a run."""
        from tfattr.figures import save_figure

        write_json(Path(run) / EVALUATION_NAME, self.to_dict())
        columns = [name.replace("@K", f"@{self.k}") for name in _COLUMNS]
        text = self.to_dataframe()[list(dict.fromkeys(columns))].to_csv(lineterminator="\n")
        write_text(Path(run) / "evaluation.csv", text)
        picture = Path(run) / "figures" / "precision_recall"
        save_figure(self.curves(title), picture.with_suffix(".png"), picture.with_suffix(".svg"))

    def curves(self, title: str = "", most: int = 16) -> Figure:
        """Precision and recall at K with random and oracle; coarser grids are left out where there are many rankings."""
        from tfattr.figures import precision_recall_figure

        shown = [one for one in self.results if ", grid " not in one.ranking.name]
        shown = self.results if len(self.results) <= most else shown
        bands = {
            one.ranking.name: (one.intervals.precision[0], one.intervals.precision[1])
            for one in shown
            if one.intervals is not None and (one.ranking.kind == "own" or one.ranking.name == "grad_input")
        }
        return precision_recall_figure(
            {one.ranking.name: one.scores.precision for one in shown},
            {one.ranking.name: one.scores.recall for one in shown},
            self.results[0].scores.relevant,
            title,
            bands=bands,
            kinds={one.ranking.name: one.ranking.kind for one in shown},
        )


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _ends(ends: Sequence[float] | None) -> str:
    return "" if ends is None or ends[0] is None else f"({ends[0]:.3f}, {ends[1]:.3f})"


def _three(value: float | None, absent: str = "-") -> str:
    return absent if value is None else f"{value:.3f}"
