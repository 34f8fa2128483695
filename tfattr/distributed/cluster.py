"""A Dask cluster of processes on this machine, for as long as a run takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


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
        preload=["tfattr.distributed.messages"],
        env={
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1"),
        },
    ) as cluster:
        yield cluster.scheduler_address
