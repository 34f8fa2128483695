"""``python -m studies.rooms.transfer``: measures how well each rooms encoder serves each task.

Taskonomy's first-order transfers in small (Zamir et al., CVPR 2018, section 3.2): every encoder is frozen,
a small readout is trained from its code to every target on a small set of pictures, the same budget for
all pairs, and tested on other buildings. Beside the encoders stand a random encoder and, as a reference,
the target's own encoder trained from scratch with the readout.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np

from studies.rooms.tasks import TASK_NAMES, TASKS
from studies.rooms.train_plan import ENTRIES
from studies.rooms.train_report import write_csv
from studies.rooms.transfer_ahp import principal_eigenvector, ratio_matrix, win_rates
from tfattr.errors import TfattrError

RANDOM = "random"
SCRATCH = "scratch"
#: Sources that the normalisation compares: the tasks and the random encoder.
COMPARED = (*TASK_NAMES, RANDOM)


def losses_path(folder: Path, source: str, seed: int) -> Path:
    """Where the test losses of a source's readouts lie: npz with ``losses`` [20 targets, N]; ``scratch`` has a
    file [1, N] a target, source ``scratch-<target>``."""
    return folder / f"{source}-seed{seed}.npz"


def measure(units: Sequence[tuple[str, int]], data: Path, zoo: Path, folder: Path, limit: int) -> None:
    """Train and test the readouts of each (source, seed); what is in ``folder`` already is skipped.

    data: rendered splits (``val`` trains the readouts, at most ``limit`` pictures, ``test`` tests them);
    zoo: trained encoders; folder: receives one file a source and seed (:func:`losses_path`).
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from studies.rooms.dataset import load
    from studies.rooms.transfer_run import Splits, run_source

    todo = [(source, seed) for source, seed in units if not losses_path(folder, source, seed).exists()]
    if not todo:
        return
    splits = Splits.of(load(data, "val", list(TASK_NAMES)), load(data, "test", list(TASK_NAMES)), limit)
    folder.mkdir(parents=True, exist_ok=True)
    for number, (source, seed) in enumerate(todo, start=1):
        if losses_path(folder, source, seed).exists():  # another process was faster
            continue
        losses, seconds = run_source(source, seed, splits, zoo)
        path = losses_path(folder, source, seed)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        np.savez(temporary, losses=losses)
        os.replace(temporary, path)
        print(f"{source}, seed {seed}: {seconds:.0f} s ({number} of {len(todo)})", flush=True)


def table(
    losses: dict[str, dict[int, np.ndarray]], targets: Sequence[str] = TASK_NAMES
) -> list[dict[str, object]]:
    """Rows of ``transfer.csv`` from test losses [targets, N] by source and seed.

    Win rates and affinities are taken among the sources of ``COMPARED`` that are present, over the images of
    their common seeds; ``scratch`` gets its win rate against them over the seeds that it has, and no affinity.
    """
    compared = [source for source in COMPARED if source in losses]
    seeds = sorted(set.intersection(*(set(losses[source]) for source in compared)))
    rows: list[dict[str, object]] = []
    for index, target in enumerate(targets):
        pooled = {s: _pooled(losses[s], seeds, index) for s in losses}
        wins = win_rates(np.stack([pooled[source] for source in compared]))
        affinity = principal_eigenvector(ratio_matrix(wins))
        random = pooled[RANDOM].mean() if RANDOM in pooled else np.nan
        for source in losses:
            if source in compared:
                row = compared.index(source)
                rate = np.delete(wins[row], row).mean()
                value = f"{affinity[row]:.8g}"
            else:
                own = [seed for seed in seeds if seed in losses[source]]
                against = [_pooled(losses[s], own, index) for s in compared]
                rate = np.mean([win_rates(np.stack([pooled[source], other]))[0, 1] for other in against])
                value = ""
            each = {
                f"loss_seed{seed}": f"{losses[source][seed][index].mean():.6g}"
                if seed in losses[source]
                else ""
                for seed in seeds
            }
            rows.append(
                {
                    "target": target,
                    "source": source,
                    "loss": ENTRIES[target].loss,
                    **each,
                    "test_loss": f"{pooled[source].mean():.6g}",
                    "win_rate": f"{rate:.4f}",
                    "affinity": value,
                    "gain": f"{1 - pooled[source].mean() / random:.4f}",
                }
            )
    return rows


def _pooled(losses: dict[int, np.ndarray], seeds: Sequence[int], target: int) -> np.ndarray:
    return np.concatenate([losses[seed][target] for seed in seeds if seed in losses])


def read_losses(
    folder: Path, sources: Sequence[str], seeds: Iterable[int]
) -> dict[str, dict[int, np.ndarray]]:
    """Test losses [targets, N] by source and seed: sources with every seed in ``folder``, ``scratch`` with any."""
    seeds = list(seeds)
    found = {}
    for source in sources:
        names = [f"{SCRATCH}-{target}" for target in TASK_NAMES] if source == SCRATCH else [source]
        paths = {seed: [losses_path(folder, name, seed) for name in names] for seed in seeds}
        present = {seed: files for seed, files in paths.items() if all(file.exists() for file in files)}
        if present and (source == SCRATCH or len(present) == len(seeds)):
            found[source] = {
                seed: np.concatenate([np.load(file)["losses"] for file in files])
                for seed, files in present.items()
            }
    return found


def write_table(folder: Path, out: Path, sources: Sequence[str], seeds: Sequence[int]) -> int:
    """Write ``out`` (transfer.csv) from what is measured so far; returns the number of sources in it."""
    losses = read_losses(folder, sources, seeds)
    if any(source in COMPARED for source in losses):
        rows = table(losses)
        write_csv(out, rows[0].keys(), rows)
    return len(losses)


def measure_all(
    sources: Sequence[str], seeds: Sequence[int], data: Path, zoo: Path, folder: Path, limit: int, jobs: int
) -> None:
    """:func:`measure` in ``jobs`` processes; raises TfattrError if one of them failed."""
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    workers = []
    units = [(source, seed) for seed in seeds for source in sources if source != SCRATCH]
    if SCRATCH in sources:
        units += [(f"{SCRATCH}-{target}", seed) for seed in seeds for target in TASK_NAMES]
    for job in range(jobs):
        worker = context.Process(target=measure, args=(units[job::jobs], data, zoo, folder, limit))
        worker.start()
        workers.append(worker)
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise TfattrError("A transfer process failed (its message is above); run the command again to go on.")


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Directory of the rendered splits."
)
@click.option(
    "--work", type=click.Path(path_type=Path), required=True, help="Receives the losses of each source."
)
@click.option("--zoo", type=click.Path(path_type=Path), default=Path("checkpoints/rooms"), show_default=True)
@click.option("--sources", multiple=True, help="Sources by name, repeatable or comma-separated; default all.")
@click.option(
    "--seeds", type=click.IntRange(1), default=2, show_default=True, help="Trainings of each readout."
)
@click.option(
    "--limit", type=int, default=800, show_default=True, help="Pictures that the readouts train on."
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
def main(
    data: Path, work: Path, zoo: Path, sources: tuple[str, ...], seeds: int, limit: int, jobs: int
) -> None:
    """Measure all transfers and write transfer.csv into the zoo's folder. Resumes."""
    everything = (*COMPARED, SCRATCH)
    names = [name for part in sources for name in part.split(",") if name] or list(everything)
    try:
        measure_all(names, range(seeds), data, zoo, work, limit, jobs)
        count = write_table(work, zoo / "transfer.csv", everything, range(seeds))
    except TfattrError as error:
        raise click.ClickException(str(error)) from error
    print(f"{zoo / 'transfer.csv'}: {count} sources x {len(TASKS)} targets", flush=True)


if __name__ == "__main__":
    main()
