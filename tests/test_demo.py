"""The embedded zoo: every encoder loads, the demonstration runs and judges, the notebook executes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from found import some

from tfattr import resources
from tfattr.evaluation import find_truth
from tfattr.zoo.file import open_zoo

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_every_encoder_loads_and_tells_pictures_apart():
    zoo = open_zoo("rooms")
    assert len(zoo) == 23
    x = np.random.default_rng(0).uniform(-0.8, 0.8, (2, 64, 64, 3)).astype(np.float32)
    for spec in zoo:
        trunk = spec.load()
        code = np.asarray(trunk(x[..., : trunk.input_shape[2]]))
        assert code.reshape(2, -1).shape[1] == 2048, spec.name
        assert code.min() == 0.0, f"{spec.name}: the code ends in a ReLU"
        assert np.abs(code[0] - code[1]).max() > 1e-3, spec.name


def test_truth_is_the_mean_of_its_seeds():
    """``transfer.csv``: affinities of a target sum to 1 with the random encoder; test losses are means over seeds."""
    with find_truth("rooms").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for target in some({row["target"] for row in rows}):
        shares = [float(row["affinity"]) for row in rows if row["target"] == target and row["affinity"]]
        assert sum(shares) == pytest.approx(1.0, abs=1e-3), target


# A notebook, and what is made smaller for the test: fewer images, fewer models.
_FEW = '.only(["rgb2depth", "rgb2mist", "rgb2sfnorm", "rgb2sfnorm_b", "class_1000", "class_places", "autoencoder", "denoise"])'
NOTEBOOKS = {
    "01_quickstart": {"limit=20": "limit=2"},
    "02_reproduce_the_paper": {"limit=40": "limit=12", 'reproduce(tfattr.open_zoo("rooms")': f'reproduce(tfattr.open_zoo("rooms"){_FEW}'},
    "03_your_own_models": {"limit=40": "limit=6"},
    "04_inside_attribution": {},
}  # fmt: skip
SAID = {
    "01_quickstart": "random (expected)",
    "02_reproduce_the_paper": "of 20 Taskonomy encoders are on disk",
    "03_your_own_models": "my_task",
    "04_inside_attribution": "relevances to",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="pip install tfattr[test] brings nbformat")
    nbclient = pytest.importorskip("nbclient", reason="pip install tfattr[test] brings nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for old, new in NOTEBOOKS[name].items():
        assert any(old in cell.source for cell in notebook.cells), f"{name}: nothing to replace by {new}"
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert SAID[name] in printed


def test_notebooks_hold_their_outputs_and_no_errors():
    nbformat = pytest.importorskip("nbformat", reason="pip install tfattr[test] brings nbformat")
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        assert outputs, f"{path.name} was not executed"
        assert not [output for output in outputs if output.output_type == "error"], path.name


def test_embedded_folders_are_the_clones():
    assert (resources.checkpoints() / "rooms" / "zoo.toml").is_file()
