"""The originals: the manifest's entries, by name and by zoo. Nothing here touches a weight file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tfattr.errors import SettingsError
from tfattr.trunk.preprocessing import Preprocessing
from tfattr.zoo.families import manifest

ZOOS = ("taskonomy", "collected", "merged")
_FRAME = ("size", "color", "range", "mean", "clip", "hole", "antialias", "resize")
FEEDINGS = ("square", "native")


@dataclass(frozen=True)
class Download:
    """One file or Drive folder of an original.

    ``urls``: mirrors of the same content. ``file``: its name below the model's folder. ``unpack``: ``tar``,
    ``zip`` or empty. ``kind``: ``http``, ``drive`` (a file on Google Drive) or ``drive_folder``. ``sha256``,
    ``md5``: hex digests, ``size``: bytes; empty and 0 where nobody publishes them.
    """

    urls: tuple[str, ...]
    file: str
    unpack: str = ""
    kind: str = "http"
    sha256: str = ""
    md5: str = ""
    size: int = 0


@dataclass(frozen=True)
class Entry:
    """One original as the manifest describes it; the manifest's head says what each field means."""

    id: str
    zoo: str
    family: str
    title: str
    task: str
    group: str
    trained_on: str
    citation: str
    licence: str
    layer: str
    target: str
    shape: tuple[int, ...]
    checkpoint: str
    native: str
    frame: Mapping[str, Any]
    downloads: tuple[Download, ...]
    native_frame: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    by_hand: str = ""
    answered: str = ""
    contact: str = ""
    parameters: int = 0
    unconfirmed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The id behind the slash: the model's name in matrices, figures and folders."""
        return self.id.rsplit("/", 1)[-1]

    def preprocessing(self, feeding: str = "square", **changes: Any) -> Preprocessing:
        """The frame that the net is fed, with ``changes``.

        ``feeding``: ``square``, the same centre square for every model, or ``native``, as the original project
        prepares pictures for evaluation. Raises SettingsError for another.
        """
        if feeding not in FEEDINGS:
            raise SettingsError(f"The feeding is {feeding!r}; expected one of {', '.join(FEEDINGS)}.")
        native = self.native_frame if feeding == "native" else {}
        return Preprocessing(**{**self.frame, **native, **changes})


@functools.lru_cache(maxsize=1)
def _manifest() -> dict[str, Entry]:
    found = (_entry({**manifest()["family"][table["family"]], **table}) for table in manifest()["model"])
    return {one.id: one for one in found}


def _entry(table: dict[str, Any]) -> Entry:
    del table["builder"]
    # An empty list is how a model drops its family's clip.
    frame = {key: table.pop(key) for key in _FRAME if key in table}
    frame = {key: tuple(value) if isinstance(value, list) else value for key, value in frame.items()}
    frame = {key: value for key, value in frame.items() if value != ()}
    downloads = tuple(Download(**{**item, "urls": tuple(item["urls"])}) for item in table.pop("downloads"))
    table["shape"] = tuple(table["shape"])
    table["unconfirmed"] = tuple(table.get("unconfirmed", ()))
    return Entry(frame=frame, downloads=downloads, **table)


def entries(zoo: str | None = None) -> tuple[Entry, ...]:
    """The originals of ``taskonomy`` (20), ``collected`` (18) or ``merged`` (38), in the paper's order.

    None gives all 39. Raises SettingsError for another zoo.
    """
    every = tuple(_manifest().values())
    if zoo is None:
        return every
    if zoo not in ZOOS:
        raise SettingsError(f"There is no zoo {zoo!r} of originals; expected one of {', '.join(ZOOS)}.")
    return tuple(entry for entry in every if entry.zoo and zoo in (entry.zoo, "merged"))


def entry(name: str) -> Entry:
    """The original of that id (``taskonomy/curvature``) or short name (``curvature``).

    Raises SettingsError, which names the nearest ones, if there is none.
    """
    known = _manifest()
    if name in known:
        return known[name]
    short = {item.name: item for item in known.values()}
    if name in short:
        return short[name]
    near = get_close_matches(str(name), {*known, *short}, n=3, cutoff=0.4) or [
        "taskonomy/curvature",
        "resnet_v1_50",
    ]
    raise SettingsError(f"There is no original named {name!r}; did you mean {', '.join(near)}?")
