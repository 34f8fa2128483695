"""What is installed, without importing it (nor TensorFlow)."""

from __future__ import annotations

import functools
import re
from importlib import metadata

INSTALL_INNVESTIGATE = 'pip install --no-deps --ignore-requires-python "innvestigate>=2.1.2,<2.2"'
"""What to run where pip finds no iNNvestigate that allows this Python or this TensorFlow.

Without ``--ignore-requires-python`` pip takes the last release that states no upper bound: 1.0.9, for TensorFlow 1.
"""


@functools.cache
def version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def has_innvestigate() -> bool:
    """Whether iNNvestigate 2.1 or a later 2 is installed."""
    numbers = re.match(r"(\d+)\.(\d+)", version("innvestigate") or "0.0")
    return numbers is not None and (2, 1) <= (int(numbers[1]), int(numbers[2])) < (3, 0)


def missing_innvestigate(what: str) -> str:
    """The sentence for a user who asked for ``what``, which only iNNvestigate gives."""
    found = version("innvestigate")
    return (
        f"{what} needs iNNvestigate 2.1, found {found or 'none'}; run `{INSTALL_INNVESTIGATE}`, "
        "or take epsilon-LRP by the engine native or deepexplain."
    )
