"""The section that the report opens with: each target's recommended sources, how sure, and how far the measures agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfattr.evaluation.sources import SourceRanking, by_reason
from tfattr.figures.names import method_name
from tfattr.report.numbers import interval, listed, number

_MOST = 3  # sources of a target that are shown
_SURE = 0.95  # share of the draws in which a source comes first


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
