"""A run against measured transfer: its affinities, the baselines on the same probe images, controls, the authors' numbers."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from tfattr.affinity import ImageCosines, load_authors_layout, similarity_tree
from tfattr.baselines import symmetrised_truth
from tfattr.errors import ProbeError, SettingsError
from tfattr.evaluation import (
    EvaluationResult,
    Ranking,
    Truth,
    evaluate,
    find_truth,
    interval,
    read_truth,
    resamples,
)
from tfattr.evaluation.golden import precision_verdicts, tree_verdicts
from tfattr.evaluation.literature import mean_spearman, read_transfer
from tfattr.evaluation.taskonomy import task_names
from tfattr.figures import save_figure
from tfattr.figures.curves import precision_recall_figure
from tfattr.io import write_json, write_text
from tfattr.records import RunManifest
from tfattr.runs.analysis import complete_cosines
from tfattr.runs.controls import random_control, raw_pixels
from tfattr.runs.pictures import both
from tfattr.runs.ranking import (
    RECOMMENDED,
    map_rankings,
    recommended_ranking,
    representation_rankings,
    span_rankings,
)

if TYPE_CHECKING:
    import pandas

EVALUATION_NAME = "evaluation.json"
PROBES = ("taskonomy", "coco", "indoor")  # of the authors' figures
_COLUMNS = (
    "ranking", "kind", "P@1", "P@K", "R@K", "p_chance", "p_relabelling", "spearman", "kendall",
    "spearman_affinity_17", "spearman_win_rate_17", "behind",
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """Everything that ``tfattr evaluate`` says.

    Attributes:
        truth_name: as given.
        truth: measured transfer among the run's models.
        images: number of probe images.
        judged: every ranking with its scores.
        verdicts: a run on the originals against the authors' figures, item by item.
        missing: rankings that could not be made, and why.
    """

    truth_name: str
    truth: Truth
    images: int
    judged: list[EvaluationResult]
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``evaluation.json``."""
        first = self.judged[0].scores
        targets = self.truth.targets

        def per_target(name: str) -> dict[str, dict[str, float | None]]:
            return {
                one.ranking.name: {
                    target: float(value) if np.isfinite(value) else None
                    for target, value in zip(targets, getattr(one.scores, name))
                }
                for one in self.judged
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
        rows, best = [one.row() for one in self.judged], self._named(RECOMMENDED)
        for one, row in zip(self.judged, rows):
            row["behind"] = row["behind_interval"] = None
            if best is None or one is best:
                continue
            mine, its = np.nanmean(best.scores.spearman), row["spearman"]
            row["behind"] = None if its is None else float(mine - its)
            pair = best.intervals, one.intervals
            if all(pair) and pair[0].draws == pair[1].draws:
                ends = interval(pair[0].means - pair[1].means)
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
        best, chance = max(baselines, key=lambda row: row["spearman"]), self.judged[0].scores
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
        return self.judged[0].scores.relevant

    def _named(self, name: str) -> EvaluationResult | None:
        return next((one for one in self.judged if one.ranking.name == name), None)

    def table(self) -> str:
        """The rows as text, best P@K first within a kind, with the random expectation below."""
        at = f"P@{self.k}"
        first = self.judged[0].scores
        width = max(24, *(len(one.ranking.name) for one in self.judged))
        lines = [
            f"{'':{width}s} {'kind':8s}   P@1  P@{self.k}=R@{self.k}   (95 %)       Spearman  (95 %)       p rand.  p relab."
            "   recommended less it (95 %)"
        ]
        for row in self.rows():
            lines.append(
                f"{row['ranking']:{width}s} {row['kind']:8s} {row['P@1']:5.3f}  {row[at]:5.3f} "
                f"{_ends(row[at + '_interval'])}   {_three(row['spearman'])}  {_ends(row['spearman_interval'])}"
                f"  {row['p_chance']:8.1e} {row['p_relabelling']:8.4f}"
                + (
                    ""
                    if row["behind"] is None
                    else f"   {row['behind']:6.3f} {_ends(row['behind_interval'])}".rstrip()
                )
            )
        chance = first.relevant / first.candidates
        lines.append(f"{'random (expected)':{width}s} {'':8s} {chance:5.3f}  {chance:5.3f}")
        lines.append(
            f"{first.targets} targets, {first.candidates} candidates each, {first.relevant} relevant; intervals: "
            "bootstrap over probe images; p: random rankings (exact), relabelled models"
        )
        for name, why in self.missing.items():
            lines.append(f"not judged: {name}: {why}")
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
        run, content = Path(run), self.to_dict()
        write_json(run / EVALUATION_NAME, content)
        columns = list(dict.fromkeys(name.replace("@K", f"@{self.k}") for name in _COLUMNS))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(content["rows"])
        write_text(run / "evaluation.csv", text.getvalue())
        save_figure(self.curves(title), *both(run / "figures" / "precision_recall"))

    def curves(self, title: str = "", most: int = 16) -> Figure:
        """Precision and recall at K with random and oracle; coarser grids are left out where there are many rankings."""
        shown = [one for one in self.judged if ", grid " not in one.ranking.name]
        shown = self.judged if len(self.judged) <= most else shown
        bands = {
            one.ranking.name: (one.intervals.precision[0], one.intervals.precision[1])
            for one in shown
            if one.intervals is not None and (one.ranking.kind == "own" or one.ranking.name == "grad_input")
        }
        return precision_recall_figure(
            {one.ranking.name: one.scores.precision for one in shown},
            {one.ranking.name: one.scores.recall for one in shown},
            self.judged[0].scores.relevant,
            title,
            bands=bands,
            kinds={one.ranking.name: one.ranking.kind for one in shown},
        )


def evaluate_run(
    run: str | os.PathLike[str],
    truth: str | os.PathLike[str] = "rooms",
    baselines: bool = True,
    draws: int = 200,
    seed: int = 0,
    progress: bool = True,
    further: Sequence[Ranking] = (),
    k: int | None = None,
) -> Evaluation:
    """Judge a run's affinities, baselines and controls by measured transfer; nothing is written.

    Args:
        run: the directory of a finished run.
        truth: a CSV with target, source, affinity (and win_rate), or ``rooms``, ``taskonomy``.
        baselines: also judge the recommended ranking, predictivity, RSA, SVCCA, CKA, DDS, DEPARA from the run's
            representations, and the controls.
        draws: bootstrap resamples of the probe images, the same for every ranking; 0 for none.
        seed: of the resamples.
        progress: a bar.
        further: rankings of the same models, judged too.
        k: sources of a target that count as relevant; None: see :func:`tfattr.evaluation.scores.choose_k`.

    Raises:
        RecordsError: the run lacks its affinity.
        SettingsError: the truth does not fit the run's models.
    """
    run = Path(run)
    cosines, manifest = complete_cosines(run), RunManifest.load(run)
    path = find_truth(truth)
    measured = read_truth(path, cosines.models)
    weights = resamples(len(cosines.images), draws, seed)
    made, missing = span_rankings(run, measured.sources, weights)
    if baselines:
        others, lacking = representation_rankings(
            run, measured.sources, weights, nodes=cosines.only(measured.sources)
        )
        made += others
        missing.update(lacking)
        best = recommended_ranking({one.name: one for one in made}, missing)
        if isinstance(best, Ranking):
            made.insert(0, best)
        else:
            missing[RECOMMENDED] = best
    rankings = [_embedded(one, measured.sources, cosines.models) for one in made]
    rankings += [*map_rankings(cosines, "maps", weights), *further]
    if baselines:
        made, lacking = _control_rankings(run, cosines, measured, weights)
        rankings += made
        missing.update(lacking)
    for name in manifest.lacking:
        if name not in cosines.models:
            missing[name] = "the run has no maps of this model, or not by every method"
    with tqdm(total=len(rankings), unit="ranking", disable=not progress, dynamic_ncols=True) as bar:
        judged = evaluate(
            rankings, cosines.models, measured, literature_scores(path, cosines.models), bar.update, k
        )
    return Evaluation(
        str(truth), measured, len(cosines.images), judged, _verdicts(judged, cosines, manifest), missing
    )


def evaluate_authors(
    path: str | os.PathLike[str], truth: str | os.PathLike[str] = "taskonomy", probe: str | None = None
) -> Evaluation:
    """Judge the authors' own ``affinity.npy`` or ``affinity.mat``; with ``probe`` also against their figures.

    Raises:
        RecordsError: the file is not in their layout.
        SettingsError: ``probe`` is none of theirs.
    """
    if probe is not None and probe not in PROBES:
        raise SettingsError(
            f"the authors have no figures of the probe set {probe!r}, only of {', '.join(PROBES)}"
        )
    models = task_names()
    matrices = load_authors_layout(path, len(models))
    measured = read_truth(find_truth(truth), models)
    judged = evaluate(
        [Ranking(method, "maps", matrix) for method, matrix in matrices.items()],
        models,
        measured,
        literature_scores(find_truth(truth), models),
    )
    verdicts = []
    if probe is not None:
        hits = {one.ranking.name: one.scores.hits for one in judged}
        tree = similarity_tree(matrices["grad_input"], models)
        found = [*precision_verdicts(hits, probe, judged[0].scores.targets), *tree_verdicts(tree)]
        verdicts = [dataclasses.asdict(one) for one in found]
    return Evaluation(str(truth), measured, 0, judged, verdicts)


def _control_rankings(
    run: Path, cosines: ImageCosines, measured: Truth, weights: np.ndarray
) -> tuple[list[Ranking], dict[str, str]]:
    made, missing = [], {}
    random = random_control(run)
    if random is None:
        missing["random networks"] = "made by `tfattr run ... --controls`"
    else:
        made += map_rankings(random.only(cosines.models), "control", weights, "random networks, ")
    try:
        made += map_rankings(raw_pixels(run).only(cosines.models), "control", weights)
    except (ProbeError, SettingsError) as error:
        missing["raw_pixels"] = str(error)
    symmetric = Ranking("symmetrised truth", "control", symmetrised_truth(measured))
    made.append(_embedded(symmetric, measured.sources, cosines.models))
    return made, missing


def _embedded(ranking: Ranking, names: Sequence[str], models: Sequence[str]) -> Ranking:
    """A ranking of some of the models among all, NaN elsewhere."""
    at = [list(models).index(name) for name in names]

    def whole(matrices: np.ndarray) -> np.ndarray:
        found = np.full((*matrices.shape[:-2], len(models), len(models)), np.nan)
        found[..., np.array(at)[:, None], at] = matrices
        return found

    resampled = ranking.resampled and (lambda: whole(np.asarray(ranking.resampled())))
    return Ranking(ranking.name, ranking.kind, whole(ranking.matrix), resampled)


def literature_scores(
    path: Path, models: tuple[str, ...]
) -> Callable[[np.ndarray], dict[str, float | None]] | None:
    """Mean per-target Spearman over the literature's 17 tasks, by affinity and by win rate where the file has it."""
    truths = {}
    for column in ("affinity", "win_rate"):
        try:
            truths[column] = read_transfer(path, column)
            mean_spearman(np.eye(len(models)), models, truths[column])
        except SettingsError:
            truths.pop(column, None)  # other tasks than Taskonomy's, or no such column

    def scores(matrix: np.ndarray) -> dict[str, float | None]:
        return {name: _known(mean_spearman(matrix, models, truth)) for name, truth in truths.items()}

    return scores if truths else None


def _verdicts(
    judged: list[EvaluationResult], cosines: ImageCosines, manifest: RunManifest
) -> list[dict[str, Any]]:
    """Only a run of Taskonomy's own 20 on one of the paper's probe sets can be compared with the authors' figures."""
    source: Mapping[str, Any] = manifest.source
    if source.get("zoo") not in ("taskonomy", "merged") or source.get("probe") not in PROBES:
        return []
    hits = {one.ranking.name: one.scores.hits for one in judged}
    found = precision_verdicts(hits, str(source["probe"]), judged[0].scores.targets)
    if "grad_input" in cosines.methods:
        part = cosines.only([model for model in cosines.models if model in judged[0].scores.sources])
        found += tree_verdicts(similarity_tree(part.mean("grad_input"), part.models))
    return [dataclasses.asdict(one) for one in found]


def _ends(ends: list[float] | None) -> str:
    if ends is None or ends[0] is None:
        return f"{'':14s}"
    return f"({ends[0]:5.3f}, {ends[1]:5.3f})"


def _three(value: float | None) -> str:
    return f"{value:6.3f}" if value is not None else "     -"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
