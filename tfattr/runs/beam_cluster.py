"""A Dask cluster of processes on this machine, and what Beam and Dask log.

Their warnings pass, their news does not, and none of it says what tfattr says twice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTY = ("distributed", "apache_beam")


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """Starts a scheduler and ``workers`` processes on the loopback address; yields the scheduler's address.

    A process that dies is replaced. The processor's cores are shared out between the workers.
    """
    from distributed import LocalCluster

    threads = max(1, (os.cpu_count() or 1) // workers)
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=None,  # TensorFlow's memory is not Dask's to judge
        silence_logs=logging.ERROR,
        preload=[__name__],
        env={
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1"),
        },
    ) as cluster:
        yield cluster.scheduler_address


@contextmanager
def subdued() -> Iterator[None]:
    """Within, Dask logs errors and Beam warnings, a line each; what was set before is set again after.

    Beam gives the root logger a handler when it finds none, so one is there before it looks.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.addFilter(_is_not_ours)
    before = {name: logging.getLogger(name).level for name in _CHATTY}
    logging.root.addHandler(handler)
    try:
        quiet_imports()
        yield
    finally:
        logging.root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def quiet_imports() -> None:
    """Imports Beam and Dask, which set up loggers and warn of what this package does not use, and quiets them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import apache_beam  # noqa: F401
        import distributed  # noqa: F401
    finally:
        logging.disable(before)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)


def dask_setup(_: object) -> None:
    """Called by Dask at the start of the worker processes that are ours (a preload module)."""
    quiet_imports()


def _is_not_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] != "tfattr"
