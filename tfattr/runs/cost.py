"""What affinities cost beside what measuring the transfer costs; ``cost.json``."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from tfattr import resources
from tfattr.io import read_json, write_json
from tfattr.runs.study import Study
from tfattr.runs.timing import read_timing

COST_NAME = "cost.json"
# Zamir et al., CVPR 2018 (Taskonomy), section 4: about 3,000 transfer functions, 47,886 GPU hours.
_TASKONOMY = {
    "what": "Taskonomy's measured transfers: about 3,000 transfer networks",
    "gpu_hours": 47_886,
    "core_hours": None,
    "source": "published: Zamir et al., CVPR 2018, section 4",
}


def cost_of(study: Study) -> dict[str, Any]:
    """Seconds and core-hours per model and pair of the study's main run, and the cost of measured transfer."""
    timing = read_timing(study.folder(study.main))
    models, affinity = timing["models"], timing["affinity"]
    totals = None
    if models and affinity:
        maps = sum(one.get("maps_core_s", 0) + one.get("load_core_s", 0) for one in models.values())
        whole = maps + affinity["core_s"]
        totals = {
            "core_hours": whole / 3600,
            "core_s_per_model": maps / len(models),
            "core_s_per_pair": whole / max(affinity["pairs"], 1),
        }
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "models": models,
        "affinity": affinity,
        "totals": totals,
        "measured_transfer": measured_transfer(study.zoo),
    }


def measured_transfer(zoo: str) -> dict[str, Any] | None:
    """What measuring every transfer of a built-in zoo cost, as far as known."""
    if zoo in ("taskonomy", "merged"):
        return dict(_TASKONOMY)
    path = resources.checkpoints() / zoo / "transfer_cost.json"
    return read_json(path)


def save_cost(study: Study) -> None:
    """Write ``cost.json``."""
    write_json(Path(study.path) / COST_NAME, cost_of(study))
