"""Precision and recall at K as two panels of lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfattr.figures.style import SAFE_COLOURS
from tfattr.report.numbers import finite

_WIDTH, _HEIGHT = 360, 284
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 30, 38
_DASHES = ("", "7 3", "2 3", "9 3 2 3")  # with the colours: lines stay apart in black and white


def panels(rows: Sequence[Mapping[str, Any]], names: Sequence[str], relevant: float) -> dict[str, Any] | None:
    """Geometry of both panels, in units of an SVG's view box; None if no row has curves.

    Args:
        rows: of evaluation.json, each with ``precision`` and ``recall`` at K = 1 .. C.
        names: display name of each row.
        relevant: relevant sources a target, for the curves of a random and of a perfect ranking.
    """
    drawn = [
        (name, row) for name, row in zip(names, rows) if _curve(row, "precision") and _curve(row, "recall")
    ]
    if not drawn:
        return None
    count = len(drawn[0][1]["precision"])
    ks = range(1, count + 1)
    references = {
        "precision": {"random": [relevant / count] * count, "perfect": [min(1, relevant / k) for k in ks]},
        "recall": {"random": [k / count for k in ks], "perfect": [min(1, k / relevant) for k in ks]},
    }
    keys = [
        {
            "name": name,
            "kind": row.get("kind"),
            "colour": SAFE_COLOURS[place % len(SAFE_COLOURS)],
            "dash": _DASHES[place // len(SAFE_COLOURS) % len(_DASHES)],
        }
        for place, (name, row) in enumerate(drawn)
    ]
    found = []
    for which in ("precision", "recall"):
        found.append(
            {
                "title": f"{which.capitalize()} at K",
                "lines": [
                    {**key, "points": _points(row[which], count)} for key, (_, row) in zip(keys, drawn)
                ],
                "references": [
                    {"name": name, "points": _points(values, count)}
                    for name, values in references[which].items()
                ],
                "x_ticks": [
                    {"at": _x(k, count), "text": k} for k in ks if k == 1 or k % (5 if count > 8 else 1) == 0
                ],
                "y_ticks": [
                    {"at": _y(value), "text": f"{value:.1f}"} for value in (0, 0.2, 0.4, 0.6, 0.8, 1)
                ],
            }
        )
    return {
        "panels": found,
        "keys": keys,
        "table": {
            "ks": list(ks),
            "rows": [
                (name, [finite(v) for v in row["precision"]], [finite(v) for v in row["recall"]])
                for name, row in drawn
            ],
        },
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "bottom": _HEIGHT - _BOTTOM,
    }


def _curve(row: Mapping[str, Any], which: str) -> bool:
    values = row.get(which)
    return isinstance(values, list) and bool(values) and all(finite(value) is not None for value in values)


def _x(k: int, count: int) -> float:
    return round(_LEFT + 8 + (_WIDTH - _LEFT - _RIGHT - 16) * (k - 1) / max(count - 1, 1), 1)


def _y(value: float) -> float:
    return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value), 1)


def _points(values: Sequence[float], count: int) -> str:
    return " ".join(f"{_x(k, count)},{_y(value)}" for k, value in enumerate(values, 1))
