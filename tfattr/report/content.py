"""Everything that the page says, as plain values for the template: a pure function of what was read."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfattr.errors import RecordsError
from tfattr.evaluation.sources import SourceRanking, by_reason
from tfattr.figures.names import method_name
from tfattr.figures.plots import command_of, find_plot
from tfattr.report.drawings import tree_drawing
from tfattr.report.files import Results, RunFiles
from tfattr.report.matrices import LEVEL, RESAMPLES, matrices, palettes
from tfattr.report.numbers import interval, listed, number, plural
from tfattr.report.pictures import embed, embed_photo
from tfattr.report.sections import VERDICTS, cost_view, evaluation_view, provenance_view, warnings_view
from tfattr.report.summary import best_sources, leading, sentences

SECTIONS = (
    ("recommended", "Recommended sources"),
    ("summary", "In short"),
    ("run", "What was run"),
    ("matrix", "Affinity matrix"),
    ("sources", "Best sources"),
    ("trees", "Similarity tree"),
    ("evaluation", "Against measured transfer"),
    ("claims", "The paper\N{RIGHT SINGLE QUOTATION MARK}s claims"),
    ("graph", "Model graph"),
    ("maps", "Attribution maps"),
    ("figures", "Further figures"),
    ("costs", "Costs"),
    ("warnings", "Warnings"),
    ("provenance", "Provenance"),
)

# What lies over all runs, `tfattr report` makes anew before it writes the page.
_REPORT, _AFFINITY = "tfattr report {run}", "tfattr affinity {run}"
_MOST = 3  # sources of a target that are shown
_SURE = 0.95  # share of the draws in which a source comes first
_TARGETS = {
    "sum": "sum of the representation (the paper's)",
    "energy": "half the squared norm of the representation",
}


def content(results: Results) -> dict[str, Any]:
    """What the page shows of a run or a study; JSON values and :class:`tfattr.report.pictures.Picture`."""
    by_run = [matrices(run) for run in results.runs]
    entries = [entry for several in by_run for entry in several]
    figures, left_out = _figures(results, by_run)
    notes = [f"{path.name} is too large for this page; look at it in figures/." for path in left_out]
    notes += _interval_notes(results, by_run)
    warned = warnings_view(results, notes)
    evaluations = [
        {"label": label, **evaluation_view(found)} for label, found in _each(results, "evaluation")
    ]
    trees = _trees(results)
    shown = _placed(results, figures, evaluations)
    first = leading(entries)
    page = {
        "title": _title(results),
        "study": results.study,
        "recommended": recommended_view(results.runs[0].ranking, results.runs[0].groups),
        "summary": sentences(results, entries, len(warned)),
        "runs": [_facts(run, several) for run, several in zip(results.runs, by_run)],
        "data": {
            "matrices": entries,
            "palettes": palettes(entries),
            "start": entries.index(first) if first else 0,
            "resamples": RESAMPLES,
            "level": round(100 * LEVEL),
            "study": results.study,
        },
        "best": best_sources(entries, results.study),
        "trees": trees,
        "evaluations": evaluations,
        "verdicts": VERDICTS,
        "claims": results.claims or [],
        "costs": [{"label": label, **cost_view(cost)} for label, cost in _each(results, "cost")],
        "warnings": warned,
        "provenance": [provenance_view(run) for run in results.runs],
        "photos": [(name, embed_photo(photo)) for name, photo in results.runs[0].photos],
        "shown": shown,
        "make": {
            "report": command(_REPORT, results.folder),
            "affinity": command(_AFFINITY, results.runs[0].folder, _parts(results)),
            "evaluate": command(
                "tfattr report {run} --truth TRUTH"
                if results.study
                else "tfattr evaluate {run} --truth TRUTH",
                results.folder,
            ),
        },
        "version": results.runs[0].manifest["versions"].get("tfattr", "unknown"),
    }
    page["run_columns"] = list(dict.fromkeys(name for one in page["runs"] for name in one["facts"]))
    # "Further figures" is no section of its own right: without any it is not there.
    page["toc"] = [(key, title) for key, title in SECTIONS if key != "figures" or shown["figures"]]
    page["titles"] = dict(SECTIONS)
    return page


def _title(results: Results) -> str:
    name = results.zoo or results.runs[0].label
    return f"{name.rsplit('.', 1)[0] if name.endswith('.toml') else name}: which model is the best source?"


def _facts(run: RunFiles, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    manifest = run.manifest
    models = list(manifest["models"])
    groups = Counter(run.groups[model] for model in models if model in run.groups)
    methods = [entry["name"] for entry in entries]
    grids = dict.fromkeys(" × ".join(map(str, entry["grid"])) for entry in entries if entry["grid"])
    target = str(manifest["settings"].get("target") or "")
    said = _TARGETS.get(target, target)
    if target.startswith("channels:"):
        said = f"each of {target[9:]} parts of the representation (channels, or mixtures of them)"
    facts = [
        ("Zoo", str(manifest["source"].get("zoo") or "").rsplit("/", 1)[-1]),
        (
            "Models",
            f"{len(models)}"
            + (f" ({', '.join(f'{n} {name}' for name, n in groups.items())})" if groups else ""),
        ),
        ("Probe set", run.probe or ""),
        ("Images", plural(len(manifest["probe"]), "image") + ", no labels used"),
        ("Methods", ", ".join(methods)),
        ("Target", said),
        ("Maps compared at", ", ".join(grids) + " pixels" if grids else ""),
    ]
    return {"label": run.label, "facts": {name: text for name, text in facts if text}}


def _each(results: Results, what: str) -> list[tuple[str, Any]]:
    """The study's own file first, then those of its runs; for a run just its own. Absent ones are left out."""
    own = [("all runs" if results.study else results.runs[0].label, getattr(results, what))]
    runs = [(run.label, getattr(run, what)) for run in results.runs] if results.study else []
    return [(label, found) for label, found in own + runs if found]


def _figures(
    results: Results, by_run: Sequence[Sequence[Mapping[str, Any]]]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Every figure with its section and words; trees and curves that are drawn anew are dropped later."""
    scopes: list[tuple[RunFiles | None, Mapping[str, Path], Sequence[Mapping[str, Any]]]] = []
    if results.study:
        scopes.append((None, results.figures, [entry for entries in by_run for entry in entries]))
    scopes += [(run, run.figures, entries) for run, entries in zip(results.runs, by_run)]
    found = []
    for run, figures, entries in scopes:
        label = run.label if run and results.study else ""
        for stem, path in figures.items():
            plot, method = find_plot(stem)
            if plot.name == "tree" and run and method in run.trees:
                continue
            name = method_name(method) if method else stem.replace("_", " ").replace("-", " ")
            words = _words(method, run, entries)
            found.append(
                {
                    "path": path,
                    "section": plot.section if plot.section in dict(SECTIONS) else "figures",
                    "label": label,
                    "name": f"{label}, {name}" if label else name,
                    "leads": method == "grad_input",
                    "wide": plot.of == "study",
                    "alt": plot.alt.format_map(words),
                    "caption": plot.caption.format_map(words),
                    "file": f"figures/{path.name}",
                    "command": command(
                        command_of(plot), run.folder if run else results.folder, _parts(results) if run else 1
                    ),
                }
            )
    pictures, left_out = embed([figure["path"] for figure in found])
    kept = [(figure, figure.pop("path")) for figure in found]
    return [{**figure, "picture": pictures[path]} for figure, path in kept if path in pictures], left_out


def _words(method: str, run: RunFiles | None, entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What may stand in a plot's caption (see :class:`tfattr.figures.plots.Plot`), of a method's matrix."""
    entry = next((one for one in entries if one["method"] == method), None)
    models = entry["models"] if entry else run.manifest["models"] if run else ()
    words = {
        "by": f" by {method_name(method)}" if method else "",
        "models": plural(len(models), "model") if models else "the models",
        "images": plural(entry["images"], "image") if entry else "the probe images",
        "neighbours": "",
        "closest": "",
    }
    if entry and entry["tree"]:
        words["neighbours"] = f" Neighbours: {', '.join(entry['models'][row] for row in entry['tree'])}."
    if entry:
        pairs = [
            (value, entry["models"][row], entry["models"][column])
            for row, values in enumerate(entry["value"])
            for column, value in enumerate(values)
            if column != row and value is not None
        ]
        value, one, other = max(pairs, key=lambda pair: pair[0], default=(None, "", ""))
        words["closest"] = (
            " No pair has an affinity."
            if value is None
            else f" The highest affinity is that of {one} and {other}, {number(value, 2)}."
        )
    return words


def _placed(
    results: Results,
    figures: Sequence[dict[str, Any]],
    evaluations: Sequence[Mapping[str, Any]],
) -> dict[str, list[dict[str, Any]]]:
    """Figures by section. Curves that the page draws itself are not shown a second time."""
    curves = {one["label"] for one in evaluations if one["curves"]}
    own = "all runs" if results.study else results.runs[0].label
    placed: dict[str, list[dict[str, Any]]] = {key: [] for key, _ in SECTIONS}
    for figure in figures:
        if figure["section"] == "evaluation" and (figure["label"] or own) in curves:
            continue
        placed[figure["section"]].append(figure)
    # The method that leads elsewhere leads here too; a study's own figures stay before those of its runs.
    labels = list(dict.fromkeys(figure["label"] for figure in placed["graph"]))
    placed["graph"].sort(key=lambda figure: (labels.index(figure["label"]), not figure["leads"]))
    return placed


def _trees(results: Results) -> list[dict[str, Any]]:
    found = []
    for run in results.runs:
        # The method that leads elsewhere leads here too, run by run.
        for method, text in sorted(run.trees.items(), key=lambda one: one[0] != "grad_input"):
            label = f"{run.label}, {method_name(method)}" if results.study else method_name(method)
            entry = {"label": label, "drawing": None, "error": "", "file": f"tree_{method}.nwk"}
            entry["command"] = command(_AFFINITY, run.folder, _parts(results))
            try:
                entry["drawing"] = tree_drawing(text, run.groups)
            except RecordsError as error:
                entry["error"] = f"{label}: {error}"
            found.append(entry)
    return found


def _parts(results: Results) -> int:
    """How much of a run's path tells where it is: in a study, the study's name too."""
    return 2 if results.study else 1


def _interval_notes(results: Results, by_run: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """A file of cosines that does not fit its affinity is worth a warning; one that is missing is not."""
    notes = []
    for run, entries in zip(results.runs, by_run):
        if run.cosines is None:
            continue
        where = f"{run.label}: " if results.study else ""
        for why in dict.fromkeys(entry["no_interval"] for entry in entries if entry["no_interval"]):
            notes.append(f"{where}affinities stand without intervals, since {why}.")
    return notes


def command(template: str, folder: Path, parts: int = 1) -> str:
    """The command that makes something of a run or study; words in capitals are for the reader to fill in.

    The folder stands as one would type it here; of one that lies elsewhere only its last ``parts`` do, since
    the rest is of one machine and private.
    """
    relative = os.path.relpath(folder)
    outside = relative == "." or relative.startswith("..")
    shown = "/".join(folder.resolve().parts[-parts:]) if outside else relative
    return template.format(run=shlex.quote(shown))


def recommended_view(ranked: SourceRanking | None, groups: Mapping[str, str]) -> dict[str, Any] | None:
    """Rows of targets with their best sources, by the first measure that there is; sentences; None without a ranking.

    ``groups`` are the models' groups, where known.
    """
    if ranked is None or not ranked.measures or len(ranked.models) < 2:
        return None
    by, others = ranked.measures[0], ranked.measures[1:]
    rows, sure, known = [], 0, 0
    for target in ranked.models:
        found = [row for row in ranked.rows(target) if np.isfinite(row["affinity"])]
        if not found:
            continue
        known += 1
        sure += found[0]["first"] >= _SURE
        cells = [
            {
                "source": row["source"],
                "value": number(row["affinity"], 2),
                "interval": interval((float(row["low"]), float(row["high"])), 2),
                "first": f"{row['first']:.0%}",
            }
            for row in found[:_MOST]
        ]
        same = [
            method_name(name)
            for name in others
            if ranked.rows(target, name)[0]["source"] == found[0]["source"]
        ]
        rows.append(
            {"target": target, "group": groups.get(target, ""), "cells": cells, "same": ", ".join(same)}
        )
    if not rows:
        return None
    agreement = ranked.agreement()[0]
    shares = [
        f"{method_name(name)} {number(value, 2)}"
        for name, value in zip(others, agreement[1:])
        if np.isfinite(value)
    ]
    said = [
        f"For {sure} of {known} targets the first source stays first in {_SURE:.0%} or more of the resampled probe sets."
    ]
    if shares:
        said.append(
            "Mean rank correlation of the other measures with it, over a target's sources (1: the same order): "
            f"{listed(shares)}."
        )
    return {
        "by": by,
        "name": method_name(by),
        "rows": rows,
        "places": list(range(1, min(_MOST, len(ranked.models) - 1) + 1)),
        "sentences": said,
        "missing": [f"{', '.join(names)}: {why}." for why, names in by_reason(ranked.missing).items()],
    }
