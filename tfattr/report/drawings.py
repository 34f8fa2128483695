"""Similarity trees, and precision and recall at K, as the lines and labels of a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import newick
import numpy as np

from tfattr.errors import RecordsError
from tfattr.evaluation import oracle_precision, random_precision
from tfattr.figures.style import NEUTRAL, SAFE_COLOURS, group_colours
from tfattr.report.numbers import finite, listed, number

_BRANCH_LEFT, _BRANCH_WIDTH = 14, 420
_ROW, _ROWS_TOP, _AXIS = 22, 8, 34
_LETTER = 7.6  # width of a letter of a label, amply
_WIDTH, _HEIGHT = 360, 284
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 30, 38
_DASHES = ("", "7 3", "2 3", "9 3 2 3")  # with the colours: lines stay apart in black and white


def leaf_names(text: str) -> list[str]:
    """Names of the leaves from top to bottom.

    Raises:
        RecordsError: not one tree in Newick format.
    """
    return [node.unquoted_name or "" for node in _root(text).get_leaves()]


def tree_drawing(text: str, groups: Mapping[str, str]) -> dict[str, Any]:
    """Lines, labels and axis of a tree, in units of an SVG's view box; root at the left as the authors draw it.

    A branch takes its group's colour if all leaves below it are of one group; None means neutral.

    Raises:
        RecordsError: not one tree in Newick format.
    """
    root = _root(text)
    depth = {root: 0.0}
    order = [root]  # parents before children
    for node in order:
        for child in node.descendants:
            depth[child] = depth[node] + (child.length or 0.0)
            order.append(child)
    leaves = root.get_leaves()
    names = [leaf.unquoted_name or "" for leaf in leaves]
    total = max(depth[leaf] for leaf in leaves) or 1.0
    x = {node: _BRANCH_LEFT + _BRANCH_WIDTH * depth[node] / total for node in order}
    y = {leaf: _ROWS_TOP + _ROW * (place + 0.5) for place, leaf in enumerate(leaves)}
    colours = group_colours({name: groups[name] for name in names if name in groups})
    colour = {leaf: colours.get(groups.get(name, "")) for leaf, name in zip(leaves, names)}
    lines, merges = [], []
    for node in reversed(order):
        if not node.descendants:
            continue
        children = node.descendants
        y[node] = sum(y[child] for child in children) / len(children)
        below = {colour[child] for child in children}
        colour[node] = below.pop() if len(below) == 1 else None
        merges.append((total - depth[node], node))
        lines.append(
            {
                "path": f"M{x[node]:.1f} {y[children[0]]:.1f}V{y[children[-1]]:.1f}"
                + "".join(f"M{x[node]:.1f} {y[child]:.1f}H{x[child]:.1f}" for child in children),
                "colour": colour[node] or NEUTRAL,
                "neutral": colour[node] is None,
            }
        )
    height = _ROWS_TOP + _ROW * len(leaves)
    step = _tick_step(total)
    ticks = [step * place for place in range(int(total / step + 1e-9) + 1)]
    return {
        "width": _BRANCH_LEFT + _BRANCH_WIDTH + 24 + _LETTER * max(map(len, names)),
        "height": height + _AXIS,
        "bottom": height + 4,
        "left": _BRANCH_LEFT,
        "right": _BRANCH_LEFT + _BRANCH_WIDTH,
        "lines": lines,
        "labels": [
            {"text": name, "x": x[leaf], "y": y[leaf], "colour": colour[leaf]}
            for leaf, name in zip(leaves, names)
        ],
        "ticks": [
            {"x": _BRANCH_LEFT + _BRANCH_WIDTH * (1 - tick / total), "text": f"{tick:.10g}"} for tick in ticks
        ],
        "colours": colours,
        "leaves": names,
        "alt": _alt(merges, names),
    }


def _alt(merges: list[tuple[float, Any]], names: list[str]) -> str:
    first = sorted(
        ((top, [leaf.unquoted_name for leaf in node.get_leaves()]) for top, node in merges),
        key=lambda merge: merge[0],
    )
    pairs = [f"{listed(leaves)} at {number(top, 2)}" for top, leaves in first if len(leaves) == 2][:3]
    joins = f" The closest pairs join first: {'; '.join(pairs)}." if pairs else ""
    return f"Tree of {len(names)} models; neighbours from top to bottom: {', '.join(names)}.{joins}"


def _tick_step(total: float) -> float:
    """A round step (1, 2 or 5 times a power of ten) with 3 to 7 ticks."""
    power = 10.0 ** len(str(int(total)))
    while True:
        for factor in (1.0, 0.5, 0.2):
            if total / (power * factor) >= 2.5:
                return power * factor
        power /= 10


def _root(text: str) -> Any:
    try:
        trees = newick.loads(text.strip())
    except ValueError as error:
        raise RecordsError(f"the tree cannot be read as Newick ({error}); compute it again.") from error
    except RecursionError as error:  # the reader is recursive: some 300 levels
        raise RecordsError("the tree has too many levels to be drawn here; look at its .nwk file.") from error
    if len(trees) != 1 or not trees[0].descendants:
        raise RecordsError("the .nwk file holds no single tree; compute it again.")
    return trees[0]


def curve_panels(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], relevant: float
) -> dict[str, Any] | None:
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
    ks = np.arange(1, count + 1)
    expected = {"random": random_precision(relevant, count), "perfect": oracle_precision(relevant, count)}
    references = {
        "precision": expected,
        "recall": {name: values * ks / relevant for name, values in expected.items()},
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
    found = [
        {
            "title": f"{which.capitalize()} at K",
            "lines": [{**key, "points": _points(row[which], count)} for key, (_, row) in zip(keys, drawn)],
            "references": [
                {"name": name, "points": _points(values, count)} for name, values in references[which].items()
            ],
            "x_ticks": [
                {"at": _x(k, count), "text": k}
                for k in ks.tolist()
                if k == 1 or k % (5 if count > 8 else 1) == 0
            ],
            "y_ticks": [{"at": _y(value), "text": f"{value:.1f}"} for value in (0, 0.2, 0.4, 0.6, 0.8, 1)],
        }
        for which in ("precision", "recall")
    ]
    return {
        "panels": found,
        "keys": keys,
        "table": {
            "ks": ks.tolist(),
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
