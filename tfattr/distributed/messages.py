"""What Beam and Dask log: their warnings pass, their news does not, and none of it says what tfattr says twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTY = ("distributed", "apache_beam")


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
