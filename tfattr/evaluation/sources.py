"""Models as sources of each other, by several measures side by side: plain arrays, with intervals and shares of draws."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from tfattr.affinity.ranking import rank
from tfattr.errors import RecordsError, SettingsError
from tfattr.evaluation.rankings import RECOMMENDED, Ranking
from tfattr.evaluation.scores import interval
from tfattr.io import atomic_write

RANKING_NAME = "ranking.npz"
SHOWN = (RECOMMENDED, "subspace", "grad_input", "dds")  # side by side where nothing else is asked for


@dataclass(frozen=True)
class SourceRanking:
    """How a run's models rank as sources of each other, by several measures.

    Attributes:
        models: M names: rows are targets, columns sources.
        images: ids of the probe images.
        measures: C names, the default order of columns.
        values: float64 ``[C, M, M]``; diagonal 1, NaN where undefined.
        low, high: 95 % percentile bootstrap over the probe images, ``[C, M, M]``.
        first: share of the draws (that are defined) in which the source is the target's best, ``[C, M, M]``.
        missing: measures that the run lacks the ingredients of, and how to get them.
    """

    models: tuple[str, ...]
    images: tuple[str, ...]
    measures: tuple[str, ...]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    missing: dict[str, str]

    def column(self, measure: str) -> int:
        """The number of a measure.

        Raises:
            SettingsError: it is missing, and why, or unknown.
        """
        if measure in self.measures:
            return self.measures.index(measure)
        why = self.missing.get(measure)
        raise SettingsError(
            f"{measure}: {why}."
            if why
            else f"no measure {measure!r} in this run; expected one of {', '.join(self.measures)}"
        )

    def rows(self, target: str, by: str | None = None) -> list[dict[str, Any]]:
        """The other models as sources, best first by the measure ``by`` (the first if None).

        Returns:
            for each ``source``, then ``affinity``, ``low``, ``high``, ``first`` of that measure, and by each other
            measure's name its ``(affinity, low, high)``.

        Raises:
            SettingsError: no such model (the sentence names the nearest) or measure.
        """
        chosen = self.column(by or self.measures[0])
        ordered = rank(self.values[chosen], target, self.models)
        row, found = self.models.index(target), []
        for source, value in ordered:
            at = row, self.models.index(source)
            line = {
                "source": source,
                "affinity": value,
                "low": self.low[chosen][at],
                "high": self.high[chosen][at],
            }
            line["first"] = self.first[chosen][at]
            for number, name in enumerate(self.measures):
                if number != chosen:
                    line[name] = tuple(float(part[number][at]) for part in (self.values, self.low, self.high))
            found.append(line)
        return found

    def agreement(self) -> np.ndarray:
        """Rank correlation of two measures over a target's sources, mean over targets: float64 ``[C, C]``."""
        found = np.eye(len(self.measures))
        others = ~np.eye(len(self.models), dtype=bool)
        for one in range(len(found)):
            for other in range(one):
                known = [
                    spearmanr(a[mask], b[mask]).statistic
                    for a, b, mask in zip(self.values[one], self.values[other], others)
                    if np.isfinite(a[mask] + b[mask]).all() and np.ptp(a[mask]) > 0 and np.ptp(b[mask]) > 0
                ]
                found[one, other] = found[other, one] = np.mean(known) if known else np.nan
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the .npz: plain arrays by the attributes' names; ``missing`` as two lists."""
        with atomic_write(Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                models=np.array(self.models, dtype=str),
                images=np.array(self.images, dtype=str),
                measures=np.array(self.measures, dtype=str),
                missing=np.array(list(self.missing), dtype=str),
                reasons=np.array(list(self.missing.values()), dtype=str),
                **{name: getattr(self, name) for name in ("values", "low", "high", "first")},
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SourceRanking:
        """Read what :meth:`save` wrote.

        Raises:
            RecordsError: missing, damaged, or another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                models, images, measures, missing, reasons = (
                    tuple(map(str, file[key]))
                    for key in ("models", "images", "measures", "missing", "reasons")
                )
                numbers = {key: file[key] for key in ("values", "low", "high", "first")}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise RecordsError(
                f"{path}: cannot be read as a ranking of sources ({error}); delete it"
            ) from error
        return cls(models, images, measures, missing=dict(zip(missing, reasons)), **numbers)

    @classmethod
    def from_rankings(
        cls,
        models: Sequence[str],
        images: Sequence[str],
        rankings: Sequence[Ranking],
        missing: Mapping[str, str],
    ) -> SourceRanking:
        """From rankings of the same models, each with its draws."""
        count = len(models)
        low, high, first = np.full((3, len(rankings), count, count), np.nan)
        for number, one in enumerate(rankings):
            if one.resampled is None:
                raise SettingsError(f"the ranking {one.name!r} has no draws; its interval is not known")
            drawn = np.asarray(one.resampled())
            for t, s in np.ndindex(count, count):
                low[number, t, s], high[number, t, s] = interval(drawn[:, t, s])
            known = np.isfinite(drawn) & ~np.eye(count, dtype=bool)
            best = np.where(known, drawn, -np.inf).argmax(axis=-1)[:, :, None] == np.arange(count)
            with np.errstate(invalid="ignore"):  # a draw of too few different images says nothing
                first[number] = (best & known).sum(axis=0) / known.any(axis=-1).sum(axis=0)[:, None]
        values = np.stack([one.matrix for one in rankings])
        names = tuple(one.name for one in rankings)
        return cls(tuple(models), tuple(images), names, values, low, high, first, dict(missing))


def mean_rank(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over matrices ``[..., M, M]`` of each row's ranks off the diagonal (1 the lowest), over M; diagonal 1.

    Ties get their mean rank; NaN where a matrix has it. No measure's scale counts, only its order.
    """
    stacked = np.stack(matrices)
    own = np.identity(stacked.shape[-1]) > 0
    ranked = rankdata(np.where(own, -np.inf, stacked), axis=-1, nan_policy="omit")
    ranked = np.where(np.isnan(stacked) & ~own, np.nan, ranked - 1)
    return np.where(own, 1.0, ranked.mean(axis=0) / stacked.shape[-1])


def ranking_text(ranked: SourceRanking, target: str, by: str = RECOMMENDED) -> str:
    """The sources of a target as a table, the measure that orders them first, and what could not be shown."""
    import pandas

    if by == RECOMMENDED and by not in ranked.measures:
        by = ranked.measures[0]  # the last lines say why
    others = [name for name in SHOWN if name in ranked.measures and name != by]
    table = [
        [
            row["source"],
            _cell(row["affinity"], row["low"], row["high"]),
            f"{row['first']:.0%}",
            *(_cell(*row[name]) for name in others),
        ]
        for row in ranked.rows(target, by)
    ]
    columns = ["source", f"{by} (95 %)", "first", *(f"{name} (95 %)" for name in others)]
    frame = pandas.DataFrame(table, range(1, len(table) + 1), columns)
    lines = frame.to_string().splitlines()
    shown = [name for name in ranked.missing if name in SHOWN]
    lines += [
        f"not shown: {', '.join(names)}: {why}" for why, names in by_reason(ranked.missing, shown).items()
    ]
    if RECOMMENDED in ranked.measures and "explained" in ranked.missing:
        lines.append(f"recommended is without explained: {ranked.missing['explained']}")
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:6.3f}, {high:6.3f})"


def by_reason(missing: Mapping[str, str], names: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Why something is missing, and all that are missing for it."""
    found: dict[str, list[str]] = {}
    for name in missing if names is None else names:
        found.setdefault(missing[name], []).append(name)
    return found
