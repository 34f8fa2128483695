"""What a run prints when it is done."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tfattr.affinity import AffinityResult, rank
from tfattr.records import RunManifest


def summary(run: str | os.PathLike[str], manifest: RunManifest, result: AffinityResult) -> str:
    """Where the results are, and each model's best source by each method."""
    run, models = Path(run), result.models
    lines = [f"{len(models)} models, {len(manifest.probe)} probe images ({len(manifest.skipped)} skipped)"]
    dropped = {method: len(entries) for method, entries in result.dropped.items() if entries}
    if dropped:
        left = ", ".join(f"{count} of {method}" for method, count in dropped.items())
        lines.append(f"maps left out because they are zero or not finite: {left}")
    undefined = {
        method: int(np.isnan(matrix[np.triu_indices(len(models), 1)]).sum())
        for method, matrix in result.affinity.items()
    }
    if any(undefined.values()):
        pairs = len(models) * (len(models) - 1) // 2
        left = ", ".join(f"{count} of {pairs} by {method}" for method, count in undefined.items() if count)
        lines.append(f"pairs of models without an affinity (NaN): {left}")
    if len(models) > 1:
        width = max(len(model) for model in models)
        columns = []
        for method in result.methods:
            cells = []
            for target in models:
                best, value = rank(result.affinity[method], target, models)[0]
                cells.append(f"{best} {value:.3f}" if np.isfinite(value) else "-")
            columns.append((method, cells, max(len(cell) for cell in [*cells, method])))
        width = max(width, len("best source of"))
        lines.append("")
        lines.append(
            "best source of".ljust(width) + "  " + "  ".join(name.ljust(w) for name, _, w in columns)
        )
        for row, target in enumerate(models):
            lines.append(
                target.ljust(width) + "  " + "  ".join(cells[row].ljust(size) for _, cells, size in columns)
            )
    lines += ["", f"affinity: {run / 'affinity.npz'}", f"pictures: {run / 'figures'}"]
    return "\n".join(lines)
