"""Which probe images a run means: a directory, a list file, or the name of an embedded set."""

from __future__ import annotations

import os
from pathlib import Path

from tfattr import resources
from tfattr.errors import ProbeError
from tfattr.probe import ProbeImage, ProbeSurvey, list_probe, survey


def embedded_probes() -> dict[str, Path]:
    """The probe sets that travel with the package: name to directory of images or list file."""
    folder = resources.probe_data()
    sets = {path.name: path for path in sorted(folder.glob("*")) if path.is_dir() and _has_images(path)}
    return {**sets, **{path.stem: path for path in sorted(folder.glob("*.txt"))}}


def find_probe(
    probe: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    exif: str = "upright",
) -> list[ProbeImage]:
    """Probe images by a path or the name of an embedded set; ``root`` is where a list's lines start.

    Raises:
        ProbeError: neither a path nor a name that is known, no image in it, or a list that needs a root.
    """
    known = embedded_probes()
    path = Path(probe)
    if not path.exists() and str(probe) in known:
        path = known[str(probe)]
        if path.is_file() and root is None:
            raise ProbeError(
                f"{probe}: the package holds the list of this probe set, not its photographs; "
                "give the folder of the downloaded data set as --probe-root."
            )
    elif not path.exists():
        raise ProbeError(
            f"{probe}: no such directory or list of probe images; expected a path or one of "
            f"{', '.join(known) or '(no embedded set)'}."
        )
    return list_probe(path, root=root, limit=limit, exif=exif)


def survey_probe(
    probe: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    strict: bool = False,
    exif: str = "upright",
) -> ProbeSurvey:
    """Lists and reads a probe set once: which images are readable, their sha256, which are skipped and why."""
    return survey(find_probe(probe, root, limit, exif), strict=strict, workers=2)


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in (".png", ".jpg", ".jpeg") for path in folder.iterdir())
