"""Packaging of tfattr. ``checkpoints/`` and ``probe_data/`` travel inside the wheel as package data."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="tfattr",
    version="0.1.0",
    description="Which trained model is the best source for my task? Transferability from attribution maps.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.9",
    packages=[*find_packages(include=["tfattr", "tfattr.*"]), "tfattr._checkpoints", "tfattr._probe_data"],
    package_dir={"tfattr._checkpoints": "checkpoints", "tfattr._probe_data": "probe_data"},
    package_data={
        "tfattr.report": ["page/*"],
        "tfattr._checkpoints": ["**/*"],
        "tfattr._probe_data": ["**/*"],
    },
    install_requires=[
        # iNNvestigate 2.1 allows Python < 3.12, TensorFlow < 2.15, numpy < 2; beyond that its engine is optional.
        "tensorflow>=2.14,<2.15; python_version < '3.12'",
        "innvestigate>=2.1.2,<2.2; python_version < '3.12'",
        "numpy>=1.24,<2; python_version < '3.12'",
        "tensorflow>=2.16,<3; python_version >= '3.12'",
        "tf-keras>=2.16,<3; python_version >= '3.12'",  # legacy Keras
        "numpy>=1.26,<3; python_version >= '3.12'",
        "tf-slim>=1.1,<1.2",
        "tensorflow-hub>=0.16,<0.17",
        "packaging>=21",  # comparing versions for tensorflow-hub
        "scipy>=1.10",
        "threadpoolctl>=3.1,<4",  # affinities: our threads and those of matrix products
        "matplotlib>=3.7",
        "pillow>=10",  # decoding and resizing of probe images
        "click>=8.1,<9",  # command line
        "tqdm>=4.65,<5",  # progress
        "jinja2>=3.1,<4",  # the report
        "newick>=1.9,<2",  # reads the trees for the report
        "filelock>=3.12,<5",  # one process at a time in a run's directory
        "platformdirs>=3,<5",  # where the cache of downloaded originals lives
        "requests>=2.31,<3",  # downloads of the originals
        "gdown>=5.2,<7",  # originals that live on Google Drive
        "tomli>=2; python_version < '3.11'",
    ],
    extras_require={
        "rooms": ["mitsuba>=3.5,<4"],  # renders the embedded small Taskonomy anew
        "beam": [  # runs on an existing cluster: tfattr run ... --runner beam
            "apache-beam>=2.77,<3",
            "dask>=2026.8",
            "distributed>=2026.8",
            "google-crc32c>=1.5,<2",  # Beam reads TFRecords six times faster with it
            "pyarrow<26",  # later ones want numpy 2
        ],
        "test": [
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.5,<4",
            "ruff>=0.8,<1",
            "hypothesis>=6,<7",
            "nbclient>=0.10,<1",  # executes the notebooks
            "nbformat>=5.10,<6",
            "ipykernel>=6.29,<8",
            "selenium>=4.20,<5",  # the report in a browser
        ],
    },
    entry_points={"console_scripts": ["tfattr = tfattr.cli.main:main"]},
)
