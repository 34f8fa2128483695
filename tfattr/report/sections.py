"""Claims, costs, warnings and provenance as the page shows them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from tfattr.figures.names import method_name
from tfattr.report.files import Results, RunFiles
from tfattr.report.numbers import duration, finite, general, interval, number, p_value, plural

VERDICTS = {"holds": "holds", "fails": "does not hold", "open": "undecided", "missing": "not measured"}
_NAMED = 12  # entries of a list that a warning names at once; the rest unfolds


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
