"""``python -m studies.rooms.train``: trains the rooms encoders, several at a time, and describes them."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import click

from studies.rooms.train_plan import ENTRIES, entry
from studies.rooms.train_report import update_training_csv, write_zoo
from tfattr.errors import TfattrError


def train_entry(name: str, data: Path, work: Path, out: Path, precision: str = "float32") -> dict:
    """Train one entry of the plan from rendered data; returns its result row (see ``train_loop.train``).

    data: directory of the rendered splits; work: states go to ``work/name``; out: the encoder goes to
    ``out/name``. An entry that is finished is only read back.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from studies.rooms.dataset import load
    from studies.rooms.train_loop import Examples, finished, train

    item = entry(name)
    row = finished(item, work / name, out / name, precision)
    if row is not None:
        return row

    def examples(split: str) -> Examples:
        arrays = load(data, split, [item.task])
        return Examples(arrays["rgb"], arrays[item.task])

    return train(
        item,
        examples(item.split),
        examples("val"),
        work / name,
        out / name,
        precision=precision,
        report=lambda line: print(line, flush=True),
    )


def train_all(
    names: Sequence[str], data: Path, work: Path, out: Path, jobs: int = 2, precision: str = "float32"
) -> dict[str, str]:
    """Train entries in ``jobs`` processes; ``out`` gets a folder an entry, ``training.csv`` and ``zoo.toml``.

    A failed entry does not stop the others. Returns the error message of each that failed, by name.
    """
    failed: dict[str, str] = {}
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = {pool.submit(train_entry, name, data, work, out, precision): name for name in names}
        for future in concurrent.futures.as_completed(futures):
            name = futures[future]
            try:
                row = future.result()
            except TfattrError as error:
                failed[name] = str(error)
                print(f"{name}: failed: {error}", flush=True)
                continue
            update_training_csv(out / "training.csv", row)
            write_zoo(out)
            extra = (
                f", accuracy {row['accuracy']} (majority {row['majority_accuracy']})"
                if row["accuracy"]
                else ""
            )
            print(
                f"{name}: done in {row['seconds']:.0f} s, validation {row['loss']} {row['validation_loss']}, "
                f"constant {row['constant_loss']}, ratio {row['ratio']}{extra}",
                flush=True,
            )
    return failed


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Directory of the rendered splits."
)
@click.option(
    "--work", type=click.Path(path_type=Path), required=True, help="Directory of the training states."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("checkpoints/rooms"),
    show_default=True,
    help="Receives the encoders, training.csv and zoo.toml.",
)
@click.option(
    "--tasks", multiple=True, help="Encoders to train, by name, repeatable or comma-separated; default all."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Encoders trained at once."
)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
def main(data: Path, work: Path, out: Path, tasks: tuple[str, ...], jobs: int, precision: str) -> None:
    """Train the rooms encoders. What is finished stays, what was interrupted goes on."""
    names = [name for part in tasks for name in part.split(",") if name] or list(ENTRIES)
    try:
        for name in names:
            entry(name)
        failed = train_all(names, data, work, out, jobs, precision)
    except TfattrError as error:
        raise click.ClickException(str(error)) from error
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(names)} encoders failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
