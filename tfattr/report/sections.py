"""Evaluation, claims, costs, warnings and provenance as the page shows them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
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
        "curves": curve_panels(rows, names, relevant) if relevant else None,
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


def verdict_of(claim: Mapping[str, Any]) -> str:
    """A key of ``VERDICTS``."""
    if claim.get("holds") is None:
        return "missing" if claim.get("missing") else "open"
    return "holds" if claim["holds"] else "fails"


def claims_view(claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a claim, with its numbers as text."""
    return [
        {
            "number": str(claim.get("number", place)),
            "title": str(claim.get("title") or "untitled"),
            "statement": str(claim.get("statement") or ""),
            "sentence": str(claim.get("sentence") or ""),
            "missing": str(claim.get("missing") or ""),
            "verdict": verdict_of(claim),
            "verdict_text": VERDICTS[verdict_of(claim)],
            "numbers": [
                {
                    "what": str(one.get("what") or ""),
                    "value": general(one.get("value")),
                    "interval": interval(one.get("interval")),
                    "p": p_value(one["p"]) if finite(one.get("p")) is not None else "",
                }
                for one in claim.get("numbers") or []
            ],
        }
        for place, claim in enumerate(claims, 1)
    ]


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
        ("Affinity", _affinity(affinity)),
        ("Maps and affinity together", _core_hours(totals.get("core_hours"))),
        ("For each model", _core_time(totals.get("core_s_per_model"))),
        ("For each pair of models", _core_time(totals.get("core_s_per_pair"))),
        ("Measured transfer", _transfer(transfer)),
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
    """Versions, settings, models with their hashes, and the probe images of a run."""
    manifest = run.manifest
    images = manifest["probe"]
    listing = "".join(f"{image.get('sha256')}  {image.get('id')}\n" for image in images)
    source = manifest["source"]
    tasks = source.get("tasks") or {}
    settings = {key: value for key, value in manifest["settings"].items() if value not in ({}, [], None, "")}
    return {
        "label": run.label,
        "settings": [(key.replace("_", " "), _plain(value)) for key, value in settings.items()],
        "versions": list(manifest["versions"].items()),
        "models": [_model(name, one, tasks, run.groups) for name, one in manifest["models"].items()],
        "images": [(str(image.get("id")), str(image.get("sha256") or "")[:16]) for image in images],
        "digest": hashlib.sha256(listing.encode()).hexdigest(),
    }


def _model(
    name: str, found: Mapping[str, Any], tasks: Mapping[str, str], groups: Mapping[str, str]
) -> dict[str, Any]:
    origin, frame = found.get("provenance") or {}, found.get("preprocessing") or {}
    path = origin.get("path")
    hashes = [
        (key[: -len("_sha256")], str(value))
        for key, value in origin.items()
        if key.endswith("_sha256") and value
    ]
    return {
        "name": name,
        "task": tasks.get(name) or "",
        "group": groups.get(name) or "",
        "source": str(origin.get("source") or ""),
        # Of the path only the end: where it lay is of one machine, and private.
        "file": "/".join(PurePath(str(path)).parts[-2:]) if path else "",
        "input": str(found.get("input") or ""),
        "output": str(found.get("output") or ""),
        "input_shape": _shape(found.get("input_shape")),
        "output_shape": _shape(found.get("output_shape")),
        "preprocessing": ", ".join(
            f"{key} {_plain(value)}" for key, value in frame.items() if value is not None and key != "size"
        ),
        "hashes": hashes,
    }


def _affinity(found: Mapping[str, Any]) -> str:
    parts = [
        f"{general(found['pairs'])} pairs" if finite(found.get("pairs")) is not None else "",
        f"{general(found['images'])} images" if finite(found.get("images")) is not None else "",
        duration(found["s"]) if finite(found.get("s")) is not None else "",
        _core_time(found.get("core_s")),
    ]
    return ", ".join(filter(None, parts))


def _transfer(found: Mapping[str, Any]) -> str:
    parts = [
        str(found.get("what") or ""),
        _core_hours(found.get("core_hours")),
        f"{_hours(found['gpu_hours'])} GPU hours" if finite(found.get("gpu_hours")) is not None else "",
        f"source: {found['source']}" if found.get("source") else "",
    ]
    return ", ".join(filter(None, parts))


def _core_hours(hours: Any) -> str:
    return f"{_hours(hours)} core hours" if finite(hours) is not None else ""


def _core_time(seconds: Any) -> str:
    return f"{duration(seconds)} of core time" if finite(seconds) is not None else ""


def _hours(hours: Any) -> str:
    known = finite(hours)
    return general(float(f"{known:.2g}") if known < 100 else round(known))


def _warning(text: str, items: Sequence[str] = ()) -> dict[str, Any]:
    named = list(items) if len(items) <= _NAMED else []
    return {"text": text, "items": named, "folded": [] if named else list(items)}


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shape(shape: Any) -> str:
    return " × ".join("?" if side is None else str(side) for side in shape) if isinstance(shape, list) else ""
