"""The report in plain words, and the best source of every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfattr.report.files import Results
from tfattr.report.numbers import finite, interval, listed, number, p_value, plural
from tfattr.report.sections import (
    best_row,
    cost_ratio,
    k_of,
    ranking_name,
    share_of_targets,
    truth_name,
    verdict_of,
)

_FIRST = "grad_input"  # the method whose numbers stand first, where there is a choice


def leading(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The matrix to start with: gradient * input of the first run, else the first."""
    return next((entry for entry in entries if entry["method"] == _FIRST), entries[0] if entries else None)


def sentences(results: Results, entries: Sequence[Mapping[str, Any]], warnings: int) -> list[str]:
    """The findings, one sentence each; only of what was computed."""
    said = []
    first = leading(entries)
    if first is not None and len(first["models"]) > 1:
        said += _closest(first)
        said += _agreement(entries, first)
    if results.evaluation:
        said += _evaluated(results.evaluation)
    if results.claims:
        said.append(_claims(results.claims))
    verdicts = (results.evaluation or {}).get("verdicts") or []
    if verdicts:
        good = sum(one.get("reproduced") is True for one in verdicts)
        said.append(f"Of {plural(len(verdicts), 'published number')}, {good} came out again.")
    ratio = cost_ratio(results.cost) if results.cost else None
    if ratio:
        said.append(ratio)
    if warnings:
        said.append(
            f"There {'is' if warnings == 1 else 'are'} {plural(warnings, 'warning')} to read before use."
        )
    return said


def best_sources(entries: Sequence[Mapping[str, Any]], study: bool) -> dict[str, Any] | None:
    """For each model its best source: a column a method, or in a study a column a run (leading method)."""
    first = leading(entries)
    if first is None or len(first["models"]) < 2:
        return None
    if study:
        columns = [(entry["run"], entry) for entry in entries if entry["method"] == first["method"]]
    else:
        columns = [(entry["name"], entry) for entry in entries]
    rows = []
    for target in first["models"]:
        cells = []
        for _, entry in columns:
            best = best_source(entry, target)
            cells.append(
                best and {"source": best[0], "value": number(best[1]), "interval": interval(best[2], 2)}
            )
        named = [cell["source"] for cell in cells if cell]
        rows.append({"target": target, "cells": cells, "agree": len(named) > 1 and len(set(named)) == 1})
    return {
        "columns": [name for name, _ in columns],
        "rows": rows,
        "method": first["name"],
        "leading": [entry for _, entry in columns].index(first),
        "chance": number(1 / (len(first["models"]) - 1)),
    }


def best_source(
    entry: Mapping[str, Any], target: str
) -> tuple[str, float, tuple[float, float] | None] | None:
    """Name, affinity and interval of the model nearest to ``target``; None where no affinity is defined."""
    if target not in entry["models"]:
        return None
    row = entry["models"].index(target)
    others = [
        (value, column)
        for column, value in enumerate(entry["value"][row])
        if column != row and value is not None
    ]
    if not others:
        return None
    value, column = max(others, key=lambda other: other[0])
    return entry["models"][column], value, _bounds(entry, row, column)


def _closest(entry: Mapping[str, Any]) -> list[str]:
    A = np.array(entry["value"], dtype=float)  # None becomes NaN
    upper = np.nonzero(~np.eye(len(A), dtype=bool))  # both directions: a measure may have target and source
    values = A[upper]
    if not np.isfinite(values).any():
        return []
    top = int(np.nanargmax(values))
    row, column = int(upper[0][top]), int(upper[1][top])
    known = interval(_bounds(entry, row, column), 2)
    return [
        f"By {entry['name']}, the two models that look at the images most alike are {entry['models'][row]} and "
        f"{entry['models'][column]} (affinity {number(values[top])}{', ' + known if known else ''}); half of all "
        f"pairs are below {number(np.nanmedian(values))}."
    ]


def _agreement(entries: Sequence[Mapping[str, Any]], first: Mapping[str, Any]) -> list[str]:
    """How often the methods of the first run, and the runs of a study, name the same best source."""
    said = []
    for other, what in (
        ([entry for entry in entries if entry["run"] == first["run"]], "methods"),
        ([entry for entry in entries if entry["method"] == first["method"]], "runs"),
    ):
        if len(other) < 2:
            continue
        same = 0
        for target in first["models"]:
            found = [best_source(entry, target) for entry in other]
            same += all(found) and len({one[0] for one in found}) == 1
        names = listed([entry["name"] if what == "methods" else entry["run"] for entry in other])
        where = (
            f" ({first['run']})" if what == "methods" and len({entry["run"] for entry in entries}) > 1 else ""
        )
        said.append(
            f"{same} of {plural(len(first['models']), 'model')} have the same best source by all "
            f"{len(other)} {what}{where}: {names}."
        )
    return said


def _evaluated(found: Mapping[str, Any]) -> list[str]:
    targets, candidates, relevant = (found.get(key) for key in ("targets", "candidates", "relevant"))
    at = f"P@{k_of(found)}"
    best = best_row(found, at, ("maps",))
    if best is None:
        return []
    chance = number(relevant / candidates) if finite(relevant) and finite(candidates) else None
    count = share_of_targets(best, targets)
    known = interval(best.get(f"{at}_interval"), 2)
    text = (
        f"Against measured transfer ({truth_name(found)}), the maps that rank sources best are those of "
        f"{ranking_name(best.get('ranking'))}: {at} {number(best[at])}{' ' + known if known else ''}"
    )
    text += f"; for {count} targets the first source is one of the {relevant} truly best" if count else ""
    text += f"; a random ranking would reach {chance}" if chance else ""
    if finite(best.get("p_relabelling")) is not None:
        text += f" (p = {p_value(best['p_relabelling'])} against relabelled matrices)"
    said = [text + "."]
    baseline = best_row(found, at, ("baseline",))
    if baseline is not None:
        said.append(
            f"The best baseline, {ranking_name(baseline.get('ranking'))}, reaches {number(baseline[at])}."
        )
    return said


def _claims(claims: Sequence[Mapping[str, Any]]) -> str:
    verdicts = [verdict_of(claim) for claim in claims]
    counts = {kind: verdicts.count(kind) for kind in ("holds", "fails", "open", "missing")}
    text = f"Of the paper's {plural(len(claims), 'claim')}, {counts['holds']} {_verb(counts['holds'], 'hold')} here"
    rest = [
        f"{counts['fails']} {_verb(counts['fails'], 'do')} not" if counts["fails"] else "",
        f"{counts['open']} {_verb(counts['open'], 'stay')} undecided" if counts["open"] else "",
        f"{counts['missing']} {'was' if counts['missing'] == 1 else 'were'} not measured"
        if counts["missing"]
        else "",
    ]
    return ", ".join([text, *filter(None, rest)]) + "."


def _verb(count: int, verb: str) -> str:
    return {"do": "does"}.get(verb, verb + "s") if count == 1 else verb


def _bounds(entry: Mapping[str, Any], row: int, column: int) -> tuple[float, float] | None:
    if entry["low"] is None or entry["low"][row][column] is None or entry["high"][row][column] is None:
        return None
    return entry["low"][row][column], entry["high"][row][column]
