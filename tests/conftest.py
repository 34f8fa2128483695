"""Fixtures of all tests: the development data (absent for users) and the real networks in it."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also tests that take minutes each")


_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and photographs that lies beside a developer's checkout."""
    if not (_SHARED / "real").is_dir():
        pytest.skip(f"needs the development data (real weights and photographs) in {_SHARED}")
    return _SHARED


@pytest.fixture(scope="session")
def real_zoo(shared: Path):
    """The zoo of real networks (tests/real/zoo.toml), whose builders are importable."""
    from tfattr.zoo.file import read_zoo

    folder = Path(__file__).parent / "real"
    sys.path.insert(0, str(folder))
    yield {spec.name: spec for spec in read_zoo(folder / "zoo.toml").trusted()}
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def real_trunk(real_zoo):
    """Loads a real network by name, once a session."""
    return functools.lru_cache(maxsize=None)(lambda name: real_zoo[name].load())
