"""What a study of the originals still needs before it can begin: weights and photographs, in one screen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tfattr.errors import MissingDataError
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
#: The paper's lists: how many pictures, and where they come from.
LISTS = {
    "taskonomy": (1000, "five buildings of Taskonomy's tiny partition, github.com/StanfordVL/taskonomy"),
    "indoor": (1005, "Indoor Scene Recognition, web.mit.edu/torralba/www/indoor.html"),
    "coco": (1000, "COCO val2014, cocodataset.org"),
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
    homeless = [probe for probe in probes if probe in LISTS and probe not in roots]
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
        count, source = LISTS[probe]
        lines.append(f"  photographs  {probe}: {count:,} pictures, no folder given ({source})")
    given = " ".join(f"--probe-root {probe}={roots.get(probe, 'DIR')}" for probe in probes if probe in LISTS)
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
