"""The commands that make what a report shows, and what it says where that is missing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

_MADE_BY = {
    "affinity": "tfattr affinity {run}",
    "affinity_images": "tfattr affinity {run}",
    "tree": "tfattr affinity {run}",
    "maps": "tfattr affinity {run}",
    "evaluation": "tfattr evaluate {run} --truth TRUTH",
    # What lies over all runs, `tfattr report` makes anew before it writes the page.
    "claims": "tfattr report {run}",
    "cost": "tfattr report {run}",
    "sheets": "tfattr report {run}",
    "figures": "tfattr report {run}",
    "study_evaluation": "tfattr report {run} --truth TRUTH",
    "report": "tfattr report {run}",
}


def command(what: str, folder: Path, parts: int = 1) -> str:
    """The command that makes ``what`` of a run or study; words in capitals are for the reader to fill in.

    The folder stands as one would type it here; of one that lies elsewhere only its last ``parts`` do, since
    the rest is of one machine and private.
    """
    relative = os.path.relpath(folder)
    outside = relative == "." or relative.startswith("..")
    shown = "/".join(folder.resolve().parts[-parts:]) if outside else relative
    return _MADE_BY[what].format(run=shlex.quote(shown))
