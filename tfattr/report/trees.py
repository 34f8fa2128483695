"""Similarity trees, from Newick text to the lines and labels of a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import newick

from tfattr.errors import RecordsError
from tfattr.figures.style import NEUTRAL, group_colours
from tfattr.report.numbers import listed, number

_LEFT, _WIDTH = 14, 420  # of the branches
_ROW, _TOP, _AXIS = 22, 8, 34
_LETTER = 7.6  # width of a letter of a label, amply


def leaf_names(text: str) -> list[str]:
    """Names of the leaves from top to bottom.

    Raises:
        RecordsError: not one tree in Newick format.
    """
    return [node.unquoted_name or "" for node in _root(text).get_leaves()]


def drawing(text: str, groups: Mapping[str, str]) -> dict[str, Any]:
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
    x = {node: _LEFT + _WIDTH * depth[node] / total for node in order}
    y = {leaf: _TOP + _ROW * (place + 0.5) for place, leaf in enumerate(leaves)}
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
    height = _TOP + _ROW * len(leaves)
    step = _tick_step(total)
    ticks = [step * place for place in range(int(total / step + 1e-9) + 1)]
    return {
        "width": _LEFT + _WIDTH + 24 + _LETTER * max(map(len, names)),
        "height": height + _AXIS,
        "bottom": height + 4,
        "left": _LEFT,
        "right": _LEFT + _WIDTH,
        "lines": lines,
        "labels": [
            {"text": name, "x": x[leaf], "y": y[leaf], "colour": colour[leaf]}
            for leaf, name in zip(leaves, names)
        ],
        "ticks": [{"x": _LEFT + _WIDTH * (1 - tick / total), "text": f"{tick:.10g}"} for tick in ticks],
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
