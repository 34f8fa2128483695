"""What a reader wants to know of the originals: one line each, or all that is known of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tfattr.errors import ModelFileError
from tfattr.zoo import cache
from tfattr.zoo.originals import Download, Entry, entries

COLUMNS = ("id", "task", "trained on", "input", "layer", "weights")


def status(entry: Entry) -> str:
    """``on disk``, ``not fetched``, ``by hand`` (no public address) or ``several files``."""
    try:
        if cache.find(entry) is not None:
            return "on disk"
    except ModelFileError:
        return "several files"
    return "not fetched" if entry.downloads else "by hand"


def table(zoo: str | None = None) -> str:
    """The originals of a zoo (all if None) as aligned text, one line each under a line of column names."""
    rows = [COLUMNS]
    for entry in entries(zoo):
        frame = entry.preprocessing()
        size = "x".join(str(side) for side in (*frame.size, frame.channels))
        rows.append((entry.id, entry.task, entry.trained_on, size, entry.layer, status(entry)))
    widths = [max(map(len, column)) for column in zip(*rows)]
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
    found += [f"published hash: {text}" for download in entry.downloads if (text := _hash(download))]
    found += [f"last known to answer: {entry.answered}", f"if no address answers, ask at: {entry.contact}"]
    if entry.by_hand:
        found.append(f"by hand: {entry.by_hand}")
    return "\n".join([*found, *(f"unconfirmed: {text}" for text in entry.unconfirmed)])


def weight(entry: Entry) -> tuple[int, bool]:
    """Bytes to download and True where somebody publishes them; else the least when unpacked, 4 a parameter, and False."""
    stated = [download.size for download in entry.downloads]
    if all(stated):
        return sum(stated), True
    return max(sum(stated), 4 * entry.parameters), False


def together(entries: Iterable[Entry]) -> str:
    """The size of several downloads in words: ``1.9 GB``, ``at least 1.9 GB unpacked``."""
    weights = [weight(entry) for entry in entries]
    return _size(sum(size for size, _ in weights), all(stated for _, stated in weights))


def plan(wanted: Sequence[Entry]) -> str:
    """What a fetch of these originals would do: addresses and mirrors, sizes, targets, hashes, the sum."""
    lines, open_ones = [], []
    for entry in wanted:
        if (state := status(entry)) != "not fetched":
            lines.append(
                f"{entry.id}: {state}, in {cache.folder(entry)}"
                + (f"; {entry.by_hand}" if entry.by_hand else "")
            )
            continue
        open_ones.append(entry)
        lines.append(f"{entry.id}: {_size(*weight(entry))}, to {cache.folder(entry)}")
        for download in entry.downloads:
            first, *others = download.urls
            lines += [f"  {first}", *(f"    or {url}" for url in others)]
            lines.append(f"    -> {download.file}, {_hash(download) or 'no hash is published'}")
    lines.append(
        f"{len(open_ones)} of {len(wanted)} models to fetch, {together(open_ones)}"
        + (
            ""
            if all(weight(entry)[1] for entry in open_ones)
            else " (where no size is published: 4 bytes a parameter)"
        )
        + "; nothing was fetched."
    )
    return "\n".join(lines)


def _size(size: int, stated: bool) -> str:
    text = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
    return text if stated else f"at least {text} unpacked"


def _hash(download: Download) -> str:
    known = {"sha256": download.sha256, "md5": download.md5}
    return ", ".join(f"{name} {digest}" for name, digest in known.items() if digest)
