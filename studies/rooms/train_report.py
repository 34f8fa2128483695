"""What a trained rooms zoo is described by: ``training.csv`` and the zoo file ``zoo.toml``."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from studies.rooms.tasks import CENTRE_HOLE, IMAGE_SIZE
from studies.rooms.train_plan import ENTRIES, Entry
from tfattr.errors import ModelFileError

COLUMNS = (
    "name",
    "task",
    "group",
    "kind",
    "architecture",
    "split",
    "seed",
    "parameters",
    "pictures",
    "steps",
    "batch",
    "precision",
    "seconds",
    "loss",
    "validation_loss",
    "constant_loss",
    "ratio",
    "accuracy",
    "majority_accuracy",
    "r2",
)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as dictionaries; an absent file has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows under a header line; the file appears whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_text(path, text.getvalue())


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` to a temporary name beside ``path`` and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def update_training_csv(path: Path, result: Mapping[str, object]) -> None:
    """Put a finished entry's row into ``training.csv``, in the order of the plan.

    result: the row that :func:`studies.rooms.train_loop.train` returns, keys ``COLUMNS``.
    """
    rows: dict[str, Mapping[str, object]] = {row["name"]: row for row in read_csv(path)}
    rows[str(result["name"])] = result
    order = {name: number for number, name in enumerate(ENTRIES)}
    write_csv(path, COLUMNS, sorted(rows.values(), key=lambda row: order.get(str(row["name"]), len(order))))


def output_tensor(entry: Entry) -> str:
    """The code's tensor name, Taskonomy's: ``compress1/Relu:0`` or ``feedforward/encoder/squeeze:0``."""
    return f"{entry.prefix}/encoder/squeeze:0" if entry.prefix else "compress1/Relu:0"


def zoo_table(entry: Entry) -> dict[str, object]:
    """The fields of an entry's ``[[model]]`` table, ``path`` relative to the zoo file."""
    kind = entry.spec.input
    table: dict[str, object] = {
        "name": entry.name,
        "source": "checkpoint",
        "path": f"{entry.name}/model.permanent-ckpt",
        "builder": "rooms_encoder",
        "arch": entry.arch,
        "prefix": entry.prefix,
        "output": output_tensor(entry),
        "size": [IMAGE_SIZE, IMAGE_SIZE],
        "color": "L" if kind == "L" else "RGB",
        "range": "[-1,1]",
    }
    if kind in ("low_sat", "noisy"):  # denoise too is probed with the clean picture
        table["clip"] = [0.1, 0.9]
    if kind == "hole":
        table["hole"] = list(CENTRE_HOLE)
    table["task"] = entry.task
    table["group"] = entry.spec.group
    return table


def write_zoo(folder: Path) -> list[str]:
    """Write ``folder/zoo.toml`` for every entry whose checkpoint is in ``folder``; returns their names.

    Raises ModelFileError if there is none.
    """
    present = [
        entry for entry in ENTRIES.values() if (folder / entry.name / "model.permanent-ckpt.index").exists()
    ]
    if not present:
        raise ModelFileError(f"{folder} holds no trained encoder; run python -m studies.rooms.train first.")
    lines = ["# The rooms zoo: written by python -m studies.rooms.train", ""]
    for entry in present:
        lines.append("[[model]]")
        lines += [f"{key} = {_toml(value)}" for key, value in zoo_table(entry).items()]
        lines.append("")
    replace_text(folder / "zoo.toml", "\n".join(lines))
    return [entry.name for entry in present]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
