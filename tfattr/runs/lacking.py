"""What a study of the originals still needs before it can begin: weights and photographs, in one screen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tfattr.errors import MissingDataError
from tfattr.runs.probes import probe_sets
from tfattr.zoo import cache
from tfattr.zoo.describe import status, together
from tfattr.zoo.file import Zoo
from tfattr.zoo.originals import ZOOS, entries

#: Probe sets that go with a built-in zoo, the main one first.
PROBES = {
    "rooms": ("rooms", "street", "still_life"),
    "taskonomy": ("taskonomy", "indoor", "coco"),
    "collected": ("taskonomy", "indoor", "coco"),
    "merged": ("taskonomy",),
}


def check_first_run(
    zoo: Zoo, probes: Sequence[str], roots: Mapping[str, str], out: str | os.PathLike[str]
) -> None:
    """Says all at once what a zoo of originals and the paper's probe sets lack, and the commands that bring it.

    Where some of the weights are there, the run itself names the models that it cannot load.

    Raises:
        MissingDataError: no model of the zoo is on disk, or the photographs of a list have no folder.
    """
    if zoo.name not in ZOOS:
        return
    asked = {model.name for model in zoo}
    models = [entry for entry in entries(zoo.name) if entry.name in asked]
    absent = [entry for entry in models if status(entry) in ("not fetched", "by hand")]
    lists = {name: known for name, known in probe_sets().items() if known.source}
    homeless = [probe for probe in probes if probe in lists and probe not in roots]
    if len(absent) < len(models) and not homeless:
        return
    lines = [f"reproduce {zoo.name} needs what is not on this machine yet:", ""]
    if absent:
        by_hand = [entry.name for entry in absent if not entry.downloads]
        lines += [
            f"  weights      {len(absent)} of {len(models)} models, {together(absent)}, to {cache.home() / 'models'}",
            *(f"               {name} has no public address: `tfattr models {name}`" for name in by_hand),
        ]
    for probe in homeless:
        known = lists[probe]
        lines.append(f"  photographs  {probe}: {known.pictures:,} pictures, no folder given ({known.source})")
    given = " ".join(f"--probe-root {probe}={roots.get(probe, 'DIR')}" for probe in probes if probe in lists)
    usual = tuple(probes) == PROBES.get(zoo.name)
    chosen = "" if usual else " ".join(f"--probe {probe}" for probe in probes) + " "
    lines += [
        "",
        "In three commands (what is there is not fetched or computed again):",
        f"  tfattr fetch {zoo.name}         # with --dry-run: every address, size and target",
        f"  tfattr models {zoo.name}        # what is on disk",
        f"  tfattr reproduce {zoo.name} {chosen}{given} --out {out}",
    ]
    raise MissingDataError("\n".join(lines))
