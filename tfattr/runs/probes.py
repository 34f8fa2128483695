"""Which probe images a run means: a directory, a list file, or the name of a registered set."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from tfattr import resources
from tfattr.errors import ProbeError, SettingsError
from tfattr.io import tomllib
from tfattr.probe import ProbeImage, ProbeSurvey, list_probe, survey


@dataclass(frozen=True)
class ProbeSet:
    """Probe images by a name.

    Attributes:
        name: for ``--probe``.
        path: a folder of images, or a list of them, a line each.
        root: where a list's lines start; None: it is given with each run.
        pictures, source: how many a list names, and where to get them.
        exif: how ``tfattr reproduce`` reads orientation: ``upright`` or ``stored``.
    """

    name: str
    path: Path
    root: Path | None = None
    pictures: int = 0
    source: str = ""
    exif: str = "upright"


@functools.cache
def probe_sets() -> dict[str, ProbeSet]:
    """The registered probe sets by name: those of ``probe_data/probes.toml``, and a user's own."""
    folder = resources.probe_data()
    tables = tomllib.loads((folder / "probes.toml").read_text("utf-8"))
    return {
        name: ProbeSet(name, folder / table["path"], **{k: v for k, v in table.items() if k != "path"})
        for name, table in tables.items()
    }


def register_probe(
    name: str, path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> ProbeSet:
    """Makes a folder or list of images known as ``--probe NAME``; see :class:`ProbeSet`.

    Raises:
        SettingsError: another probe set has this name.
    """
    made = ProbeSet(name, Path(path), None if root is None else Path(root))
    if probe_sets().setdefault(name, made) != made:
        raise SettingsError(f"there is a probe set {name!r} already; give yours another name")
    return made


def find_probe(
    probe: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    exif: str = "upright",
) -> list[ProbeImage]:
    """Probe images by a path or the name of a registered set; ``root`` is where a list's lines start.

    Raises:
        ProbeError: neither a path nor a name that is known, no image in it, or a list that needs a root.
    """
    known = probe_sets()
    path = Path(probe)
    if not path.exists() and str(probe) in known:
        path, root = known[str(probe)].path, root or known[str(probe)].root
        if known[str(probe)].source and root is None:
            raise ProbeError(
                f"{probe}: the package holds the list of this probe set, not its photographs; "
                "give the folder of the downloaded data set as --probe-root."
            )
    elif not path.exists():
        raise ProbeError(
            f"{probe}: no such directory or list of probe images; expected a path or one of "
            f"{', '.join(known)}."
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
