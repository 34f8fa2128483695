"""What is embedded is found from an installed package as from a clone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfattr import resources

ROOT = Path(__file__).resolve().parents[1]


def test_a_clone_finds_its_folders():
    assert resources.checkpoints() == ROOT / "checkpoints"
    assert resources.probe_data() == ROOT / "probe_data"


@pytest.mark.slow
def test_the_built_package_brings_its_data(tmp_path):
    """``build_py`` lays out what a wheel holds; it is used from another directory, without the clone."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path), "build",
         "--build-base", str(tmp_path / "base"), "--build-lib", str(tmp_path / "lib")],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    code = (
        "import tfattr, pathlib\n"
        "from tfattr import resources\n"
        "from tfattr.runs.probes import find_probe\n"
        "from tfattr.zoo.file import open_zoo\n"
        "home = pathlib.Path(tfattr.__file__).parent\n"
        "assert home in resources.checkpoints().parents, resources.checkpoints()\n"
        "assert (home / 'report' / 'page').is_dir()\n"
        "zoo = open_zoo('rooms')\n"
        "print(len(zoo), len(find_probe('rooms')), len(find_probe('street')), len(find_probe('still_life')))\n"
        "print(zoo.models[0].load())\n"
    )
    away = tmp_path / "away"
    away.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=away, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "lib")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts, trunk = done.stdout.splitlines()
    assert [int(count) for count in counts.split()] == [23, 200, 100, 100]
    assert "64x64x3" in trunk
