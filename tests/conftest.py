"""Fixtures of all tests: the development data (absent for users) and the real networks in it."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# The development data; TFATTR_TEST_DATA names another place, or none: TFATTR_TEST_DATA= make test
_SHARED = Path(os.environ.get("TFATTR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))


def pytest_addoption(parser):
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="also the tests that another one of the same code stands for",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--exhaustive"):
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and photographs that lies beside a developer's checkout."""
    if not (_SHARED / "real").is_dir():
        pytest.skip(f"needs the development data (real weights and photographs) in {_SHARED}")
    return _SHARED


@pytest.fixture(scope="session")
def rooms_photos() -> list[Path]:
    """Embedded photographs: real pictures for whom the development data are absent."""
    from tfattr import resources

    return sorted((resources.probe_data() / "rooms").glob("*.png"))


@pytest.fixture(scope="session")
def rooms_trunk():
    """Loads an embedded, trained network by name, once a session."""
    from tfattr.zoo.file import open_zoo

    specs = {spec.name: spec for spec in open_zoo("rooms")}
    return functools.lru_cache(maxsize=None)(lambda name: specs[name].load())


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
