"""What a reader wants to know of the originals: one line each, or all that is known of one."""

from __future__ import annotations

from tfattr.errors import ModelFileError
from tfattr.zoo import cache
from tfattr.zoo.originals import Entry, entries

COLUMNS = ("id", "task", "trained on", "input", "layer", "weights")


def status(entry: Entry) -> str:
    """``on disk``, ``not fetched``, ``by hand`` (no public address) or ``several files``."""
    try:
        if cache.find(entry) is not None:
            return "on disk"
    except ModelFileError:
        return "several files"
    return "not fetched" if entry.downloads else "by hand"


def row(entry: Entry) -> tuple[str, ...]:
    """The values of ``COLUMNS`` for one original."""
    frame = entry.preprocessing()
    size = "x".join(str(side) for side in (*frame.size, frame.channels))
    return entry.id, entry.task, entry.trained_on, size, entry.layer, status(entry)


def table(zoo: str | None = None) -> str:
    """The originals of a zoo (all if None) as aligned text, one line each under a line of column names."""
    rows = [COLUMNS, *(row(entry) for entry in entries(zoo))]
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in rows
    )


def description(entry: Entry) -> str:
    """All that the manifest says of one original, and what of it is on disk, a line each."""
    frame = entry.preprocessing()
    lines = {
        "id": entry.id,
        "model": entry.title,
        "task": f"{entry.task}, trained on {entry.trained_on}"
        + (", from ImageNet weights" if entry.pretrained else ""),
        "citation": entry.citation,
        "licence": entry.licence,
        "layer": f"{entry.layer} = {entry.target}, shape {list(entry.shape)}",
        "builder": entry.family + "".join(f", {key} = {value}" for key, value in entry.options.items()),
        "input": f"{[*frame.size, frame.channels]}, {frame.color}, {frame.range}"
        + (f", mean {list(frame.mean)}" if frame.mean else "")
        + (f", clipped to {list(frame.clip)}" if frame.clip else "")
        + (f", hole {list(frame.hole)}" if frame.hole else ""),
        "original preparation": entry.native,
        "weights": f"{status(entry)}: {cache.find(entry) if status(entry) == 'on disk' else cache.folder(entry)}",
    }
    found = [f"{key}: {value}" for key, value in lines.items()]
    found += [f"address: {url}" for download in entry.downloads for url in download.urls]
    if entry.by_hand:
        found.append(f"by hand: {entry.by_hand}")
    return "\n".join([*found, *(f"unconfirmed: {text}" for text in entry.unconfirmed)])
