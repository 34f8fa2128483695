"""What pyproject.toml cannot say: ``checkpoints/`` and ``probe_data/`` travel inside the wheel as package data."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["tfattr", "tfattr.*"]), "tfattr._checkpoints", "tfattr._probe_data"],
    package_dir={"tfattr._checkpoints": "checkpoints", "tfattr._probe_data": "probe_data"},
    package_data={
        "tfattr": ["py.typed", "golden_maps.npz"],
        "tfattr.report": ["page/*"],
        "tfattr._checkpoints": ["**/*"],
        "tfattr._probe_data": ["**/*"],
    },
)
