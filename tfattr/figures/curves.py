"""Precision and recall at K against measured transfer, with random and oracle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from tfattr.figures.style import FONT, SAFE_COLOURS

_MARKERS = "os^vD<>P"


def precision_recall_figure(
    precision: Mapping[str, np.ndarray], recall: Mapping[str, np.ndarray], relevant: int, title: str = ""
) -> Figure:
    """Two panels: precision and recall at K = 1 .. C of each ranking, beside random and oracle.

    Args:
        precision, recall: name of a ranking -> float ``[C]``.
        relevant: number of relevant sources a target.
        title: above both.

    The random recall is ``K / C`` (the authors' script draws the random precision there).
    """
    count = len(next(iter(precision.values())))
    ks = np.arange(1, count + 1)
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    references = {
        "oracle": (np.minimum(1, relevant / ks), np.minimum(1, ks / relevant), ":"),
        "random": (np.full(count, relevant / count), ks / count, "--"),
    }
    for axes, curves, which, label in ((left, precision, 0, "precision"), (right, recall, 1, "recall")):
        for name, reference in references.items():
            axes.plot(ks, reference[which], reference[2], color="0.35", linewidth=1.2, label=name)
        for index, (name, values) in enumerate(curves.items()):
            axes.plot(
                ks,
                values,
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=3.5,
                linewidth=1.2,
                color=SAFE_COLOURS[index % len(SAFE_COLOURS)],
                label=name,
            )
        axes.set_xlabel("K", fontsize=FONT)
        axes.set_ylabel(f"{label} at K", fontsize=FONT)
        axes.set_xticks(ks[::2])
        axes.set_ylim(0, 1.03)
        axes.tick_params(labelsize=FONT - 1)
        axes.grid(alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    right.legend(fontsize=FONT - 1, frameon=False, loc="lower right")
    figure.suptitle(title, fontsize=FONT + 2)
    return figure
