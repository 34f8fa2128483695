"""The most memory that this process has had."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int:
    """Peak resident memory of the running program (Linux).

    Not ``getrusage``'s: that also counts what the process that started this one had.
    """
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
