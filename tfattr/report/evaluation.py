"""``evaluation.json`` as a table with intervals, curves and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from tfattr.figures.names import METHODS, method_name
from tfattr.report.curves import panels
from tfattr.report.numbers import bounds_of, finite, interval, number, p_value

KINDS = {
    "maps": "Attribution maps",
    "own": "Rankings of tfattr's own",
    "baseline": "Baselines on the same images",
    "control": "Controls",
}
_TASKONOMY = ("spearman_affinity_17", "spearman_win_rate_17")


def evaluation_view(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of an evaluation: groups of rows by kind, P@K with whiskers, curves, verdicts."""
    rows = [row for row in found["rows"] if isinstance(row, Mapping)]
    kinds = [*KINDS, *dict.fromkeys(str(row.get("kind")) for row in rows if row.get("kind") not in KINDS)]
    rows = sorted(rows, key=lambda row: kinds.index(str(row.get("kind"))))
    names = [ranking_name(row.get("ranking")) for row in rows]
    targets, candidates = finite(found.get("targets")), finite(found.get("candidates"))
    relevant = finite(found.get("relevant"))
    chance = relevant / candidates if relevant and candidates else None
    extra = [key for key in _TASKONOMY if any(finite(row.get(key)) is not None for row in rows)]
    groups = []
    for kind in kinds:
        members = [(name, row) for name, row in zip(names, rows) if str(row.get("kind")) == kind]
        if members:
            groups.append(
                {
                    "title": KINDS.get(kind, kind),
                    "rows": [_row(name, row, extra, targets, k_of(found)) for name, row in members],
                }
            )
    return {
        "truth": truth_name(found),
        "targets": found.get("targets"),
        "candidates": found.get("candidates"),
        "relevant": found.get("relevant"),
        "k": k_of(found),
        "images": found.get("images"),
        "chance": chance,
        "chance_text": number(chance),
        "recall_chance_text": number(min(k_of(found) / candidates, 1) if candidates else None),
        "extra": extra,
        "groups": groups,
        "has_random": any("random" in str(row.get("ranking")).lower() for row in rows),
        "curves": panels(rows, names, relevant) if relevant else None,
        "per_target": _per_target(found),
        "verdicts": [
            {
                "item": str(one.get("item")),
                "expected": _text(one.get("expected")),
                "found": _text(one.get("found")),
                "reproduced": one.get("reproduced"),
                "source": _text(one.get("source")),
            }
            for one in found.get("verdicts") or []
        ],
        "missing": [(ranking_name(name), str(why)) for name, why in (found.get("missing") or {}).items()],
    }


def best_row(found: Mapping[str, Any], key: str, kinds: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The row of these kinds with the largest value of ``key``; the first of equals."""
    rows = [row for row in found["rows"] if row.get("kind") in kinds and finite(row.get(key)) is not None]
    return max(rows, key=lambda row: finite(row[key])) if rows else None


def ranking_name(ranking: Any) -> str:
    """A ranking as the page names it: known methods (``grad_input, energy``) by their names, others as they are."""
    method, comma, rest = str(ranking).partition(",")
    return f"{method_name(method)}{comma}{rest}" if method in METHODS else str(ranking)


def truth_name(found: Mapping[str, Any]) -> str:
    """The measured transfer's name; of a path the last part, since the rest is of one machine."""
    return PurePath(str(found.get("truth") or "")).name or "measured transfer"


def k_of(found: Mapping[str, Any]) -> int:
    """The K of an evaluation's P@K."""
    relevant = finite(found.get("relevant"))
    return int(relevant) if relevant else 5


def share_of_targets(row: Mapping[str, Any], targets: Any) -> str:
    """P@1 as a count, ``13/18``, where the row says its hits; else empty."""
    hits = row.get("hits")
    first = finite(hits[0]) if isinstance(hits, list) and hits else None
    return f"{int(first)}/{int(targets)}" if first is not None and finite(targets) else ""


def _row(
    name: str, row: Mapping[str, Any], extra: list[str], targets: float | None, k: int
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": row.get("kind"),
        "p1": number(row.get("P@1")),
        "p1_count": share_of_targets(row, targets),
        "p1_interval": interval(row.get("P@1_interval"), 2),
        "p5": number(row.get(f"P@{k}")),
        "p5_interval": interval(row.get(f"P@{k}_interval"), 2),
        "p5_value": _unit(row.get(f"P@{k}")),
        "p5_bounds": [_unit(end) for end in bounds_of(row.get(f"P@{k}_interval")) or ()],
        "r5": number(row.get(f"R@{k}")),
        "p_chance": p_value(row.get("p_chance")),
        "p_relabelling": p_value(row.get("p_relabelling")),
        "spearman": number(row.get("spearman")),
        "spearman_interval": interval(row.get("spearman_interval"), 2),
        "kendall": number(row.get("kendall")),
        "extra": [number(row.get(key)) for key in extra],
    }


def _unit(value: Any) -> float | None:
    known = finite(value)
    return None if known is None else min(max(known, 0.0), 1.0)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _per_target(found: Mapping[str, Any]) -> dict[str, Any] | None:
    table = found.get("spearman_per_target") or {}
    if not table:
        return None
    targets = list(dict.fromkeys(target for by_target in table.values() for target in by_target))
    return {
        "rankings": [ranking_name(name) for name in table],
        "rows": [
            (target, [number(by_target.get(target), 2) for by_target in table.values()]) for target in targets
        ],
    }
