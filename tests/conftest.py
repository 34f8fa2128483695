"""Fixtures of all tests: the development data (absent for users) and the real networks in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and photographs that lies beside a developer's checkout."""
    if not (_SHARED / "real").is_dir():
        pytest.skip(f"needs the development data (real weights and photographs) in {_SHARED}")
    return _SHARED
