"""Evaluation, claims, costs, warnings and provenance as the page shows them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from tfattr.figures.names import known_method, method_name
from tfattr.report.drawings import curve_panels
from tfattr.report.files import Results, RunFiles
from tfattr.report.numbers import bounds_of, duration, finite, general, interval, number, p_value, plural

VERDICTS = {"holds": "holds", "fails": "does not hold", "open": "undecided", "missing": "not measured"}
_NAMED = 12  # entries of a list that a warning names at once; the rest unfolds
KINDS = {
    "maps": "Attribution maps",
    "own": "Rankings of tfattr's own",
    "baseline": "Baselines on the same images",
    "control": "Controls",
}
_RANKS = ("spearman", "kendall")
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
        **{key: found.get(key) for key in ("targets", "candidates", "relevant", "images")},
        "k": k_of(found),
        "chance": chance,
        "chance_text": number(chance),
        "recall_chance_text": number(min(k_of(found) / candidates, 1) if candidates else None),
        "extra": extra,
        "groups": groups,
        "has_random": any("random" in str(row.get("ranking")).lower() for row in rows),
        "curves": curve_panels(rows, names, relevant) if relevant else None,
        "per_target": _per_target(found),
        "verdicts": found.get("verdicts") or [],
        "missing": [(ranking_name(name), str(why)) for name, why in (found.get("missing") or {}).items()],
    }


def best_row(found: Mapping[str, Any], key: str, kinds: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The row of these kinds with the largest value of ``key``; the first of equals."""
    rows = [row for row in found["rows"] if row.get("kind") in kinds and finite(row.get(key)) is not None]
    return max(rows, key=lambda row: finite(row[key])) if rows else None


def ranking_name(ranking: Any) -> str:
    """A ranking as the page names it: known methods (``grad_input, energy``) by their names, others as they are."""
    method, comma, rest = str(ranking).partition(",")
    return f"{method_name(method)}{comma}{rest}" if known_method(method) else str(ranking)


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
        "p1_count": share_of_targets(row, targets),
        "p5_value": _unit(row.get(f"P@{k}")),
        "p5_bounds": [_unit(end) for end in bounds_of(row.get(f"P@{k}_interval")) or ()],
        "extra": [number(row.get(key)) for key in extra],
        **{key: p_value(row.get(key)) for key in ("p_chance", "p_relabelling")},
        **{
            key: number(row.get(of))
            for key, of in (("p1", "P@1"), ("p5", f"P@{k}"), ("r5", f"R@{k}"), *zip(_RANKS, _RANKS))
        },
        **{
            f"{key}_interval": interval(row.get(f"{of}_interval"), 2)
            for key, of in (("p1", "P@1"), ("p5", f"P@{k}"), ("spearman", "spearman"))
        },
    }


def _unit(value: Any) -> float | None:
    known = finite(value)
    return None if known is None else min(max(known, 0.0), 1.0)


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


def verdict_of(claim: Mapping[str, Any]) -> str:
    """A key of ``VERDICTS``."""
    if claim.get("holds") is None:
        return "missing" if claim.get("missing") else "open"
    return "holds" if claim["holds"] else "fails"


def cost_view(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Table of the models' times, totals, and measured transfer beside them."""
    models = cost.get("models") or {}
    columns = [
        ("images", "images", general),
        ("load_s", "load", duration),
        ("maps_s", "maps", duration),
        ("maps_core_s", "maps, core time", duration),
        ("representation_s", "representation", duration),
    ]
    shown = [
        column for column in columns if any(finite(one.get(column[0])) is not None for one in models.values())
    ]
    affinity, totals = cost.get("affinity") or {}, cost.get("totals") or {}
    transfer = cost.get("measured_transfer") or {}
    facts = [
        ("Machine", str(cost.get("machine") or "")),
        (
            "Affinity",
            _joined(
                _known(affinity.get("pairs"), "{} pairs", general),
                _known(affinity.get("images"), "{} images", general),
                _known(affinity.get("s"), "{}", duration),
                _core_time(affinity.get("core_s")),
            ),
        ),
        ("Maps and affinity together", _core_hours(totals.get("core_hours"))),
        ("For each model", _core_time(totals.get("core_s_per_model"))),
        ("For each pair of models", _core_time(totals.get("core_s_per_pair"))),
        (
            "Measured transfer",
            _joined(
                str(transfer.get("what") or ""),
                _core_hours(transfer.get("core_hours")),
                _known(transfer.get("gpu_hours"), "{} GPU hours", _hours),
                f"source: {transfer['source']}" if transfer.get("source") else "",
            ),
        ),
    ]
    return {
        "facts": [(name, text) for name, text in facts if text],
        "columns": [title for _, title, _ in shown],
        "rows": [(name, [form(one.get(key)) for key, _, form in shown]) for name, one in models.items()],
        "ratio": cost_ratio(cost),
    }


def cost_ratio(cost: Mapping[str, Any]) -> str | None:
    """The comparison with measured transfer in a sentence, if both costs are known.

    Core hours are set in proportion; hours of a GPU are not, which is for the reader to judge.
    """
    own = finite((cost.get("totals") or {}).get("core_hours"))
    transfer = cost.get("measured_transfer") or {}
    cores, gpus = finite(transfer.get("core_hours")), finite(transfer.get("gpu_hours"))
    if not own or not (cores or gpus):
        return None
    theirs, compared = f"{_hours(gpus)} GPU hours" if gpus else "", ""
    if cores:
        times = cores / own
        theirs = f"{_hours(cores)} core hours" + (f" and {theirs}" if theirs else "")
        compared = (
            f", {general(float(f'{times:.2g}'))} times as much"
            if times >= 1
            else f", {number(times, 2)} of that"
        )
    what = f" ({transfer['what']})" if transfer.get("what") else ""
    return (
        f"Maps and affinity took {_hours(own)} core hours; measuring transfer took {theirs}{compared}{what}."
    )


def warnings_view(results: Results, notes: Sequence[str]) -> list[dict[str, Any]]:
    """What a reader should know before trusting a number: a sentence each, with the full list to unfold."""
    found = [_warning(f"The study names the run {label}, which is not there.") for label in results.absent]
    for run in results.runs:
        where = f"{run.label}: " if results.study else ""
        skipped, duplicates = run.manifest["skipped"], run.manifest["duplicates"]
        if skipped:
            found.append(
                _warning(
                    f"{where}{plural(len(skipped), 'image')} could not be read and {_was(len(skipped))} skipped.",
                    [f"{one.get('id')}: {one.get('reason')}" for one in skipped],
                )
            )
        if duplicates:
            found.append(
                _warning(
                    f"{where}{plural(len(duplicates), 'group')} of images {'is' if len(duplicates) == 1 else 'are'} "
                    "byte for byte the same file and count more than once.",
                    [" = ".join(map(str, group)) for group in duplicates],
                )
            )
        if run.affinity is None:
            continue
        for method, dropped in run.affinity.dropped.items():
            if dropped:
                models = Counter(one.model for one in dropped)
                most = ", ".join(f"{count} of {model}" for model, count in models.most_common(3))
                more = f" and {plural(len(models) - 3, 'other model')}" if len(models) > 3 else ""
                found.append(
                    _warning(
                        f"{where}{plural(len(dropped), 'map')} by {method_name(method)} "
                        f"{'is' if len(dropped) == 1 else 'are'} zero or not finite and {_was(len(dropped))} left out "
                        f"({most}{more}).",
                        [f"{one.model} on {one.image}: {one.reason}" for one in dropped],
                    )
                )
        for method, matrix in run.affinity.affinity.items():
            lost = int((~np.isfinite(matrix)).sum()) // 2
            if lost:
                found.append(
                    _warning(
                        f"{where}{plural(lost, 'pair')} of models by {method_name(method)} "
                        f"{'has' if lost == 1 else 'have'} no affinity: no image has usable maps of both."
                    )
                )
    return [*found, *(_warning(note) for note in notes)]


def provenance_view(run: RunFiles) -> dict[str, Any]:
    """Settings, models and the probe images of a run, with their hashes."""
    manifest, images = run.manifest, run.manifest["probe"]
    listing = "".join(f"{image.get('sha256')}  {image.get('id')}\n" for image in images)
    settings = {key: value for key, value in manifest["settings"].items() if value not in ({}, [], None, "")}
    models = []
    for name, found in manifest["models"].items():
        origin, frame = found.get("provenance") or {}, found.get("preprocessing") or {}
        # Of the path only the end: where it lay is of one machine, and private.
        file = "/".join(PurePath(str(origin["path"])).parts[-2:]) if origin.get("path") else ""
        hashes = {key[: -len("_sha256")]: value for key, value in origin.items() if key.endswith("_sha256")}
        models.append(
            {
                **{key: found.get(key) or "" for key in ("input", "output", "input_shape", "output_shape")},
                "name": name,
                "task": (manifest["source"].get("tasks") or {}).get(name) or "",
                "group": run.groups.get(name) or "",
                "source": origin.get("source") or "",
                "file": file,
                "preprocessing": {k: v for k, v in frame.items() if v is not None and k != "size"},
                "hashes": {key: value for key, value in hashes.items() if value},
            }
        )
    return {
        "label": run.label,
        "settings": [(key.replace("_", " "), plain(value)) for key, value in settings.items()],
        "versions": list(manifest["versions"].items()),
        "models": models,
        "images": images,
        "digest": hashlib.sha256(listing.encode()).hexdigest(),
    }


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _known(value: Any, words: str, form: Callable[[Any], str]) -> str:
    return words.format(form(value)) if finite(value) is not None else ""


def _core_hours(hours: Any) -> str:
    return _known(hours, "{} core hours", _hours)


def _core_time(seconds: Any) -> str:
    return _known(seconds, "{} of core time", duration)


def _hours(hours: Any) -> str:
    known = finite(hours)
    return general(float(f"{known:.2g}") if known < 100 else round(known))


def _warning(text: str, items: Sequence[str] = ()) -> dict[str, Any]:
    return {"text": text, "items": items, "folded": len(items) > _NAMED}


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def plain(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def shape(sides: Any) -> str:
    """``64 × 64 × 3``, a question mark for a side that is not fixed."""
    return " × ".join("?" if side is None else str(side) for side in sides) if isinstance(sides, list) else ""
