"""The embedded zoo: every encoder loads, the demonstration runs and judges, the notebook executes."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import numpy as np
import pytest
from found import some

import tfattr
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


# A notebook, what is made smaller for the test, and what it then says.
_FEW = [
    "rgb2depth",
    "rgb2mist",
    "rgb2sfnorm",
    "rgb2sfnorm_b",
    "class_1000",
    "class_places",
    "autoencoder",
    "denoise",
]
NOTEBOOKS = {
    "01_quickstart": {
        "tfattr.run(zoo,": f"tfattr.run(zoo.only({_FEW}),",
        "limit=20": "limit=4",
        "run.report()": "",  # test_front_door.py has it
    },
    "02_reproduce_the_paper": {
        'tfattr.open_zoo("rooms"), "out/reproduced"': f'tfattr.open_zoo("rooms").only({_FEW}), "out/reproduced"',
        # test_study.py has two targets, controls and more.
        'targets=("sum", "energy"), limit=40': 'limit=12, probes=("rooms", "street"), controls=False',
    },
    "03_your_own_models": {"limit=40": "limit=6"},
    "04_inside_attribution": {},
}
SAID = {
    "01_quickstart": "raw_pixels",
    "02_reproduce_the_paper": "of 20 Taskonomy encoders are on disk",
    "03_your_own_models": "my_task",
    "04_inside_attribution": "relevances to",
}


def read_notebook(name):
    nbformat = pytest.importorskip("nbformat", reason="pip install tfattr[test] brings nbformat")
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Cells of every notebook, made smaller, executed one after the other by one kernel: TensorFlow is imported once."""
    nbclient = pytest.importorskip("nbclient", reason="pip install tfattr[test] brings nbclient")
    nbformat = pytest.importorskip("nbformat", reason="pip install tfattr[test] brings nbformat")
    books = {}
    for name, smaller in NOTEBOOKS.items():
        cells = read_notebook(name).cells
        for old, new in smaller.items():
            assert any(old in cell.source for cell in cells), f"{name}: nothing to replace by {new}"
            for cell in cells:
                cell.source = cell.source.replace(old, new)
        folder = tmp_path_factory.mktemp(name)
        start = nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(folder)!r})\ndel os")
        books[name] = [start, *cells]
    one = read_notebook("01_quickstart")
    one.cells = [cell for cells in books.values() for cell in cells]
    nbclient.NotebookClient(one, timeout=600, allow_errors=True).execute()
    return books


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, executed):
    outputs = [output for cell in executed[name] for output in cell.get("outputs", ())]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    shown = [output.get("text", "") for output in outputs]
    shown += [output.data.get("text/plain", "") for output in outputs if "data" in output]
    assert SAID[name] in "".join(shown)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_uses_the_front_door_alone(name):
    """``import tfattr`` and nothing of its inside; TensorFlow is there for the user's own models."""
    code = "\n".join(cell.source for cell in read_notebook(name).cells if cell.cell_type == "code")
    tree = ast.parse(re.sub(r"^%.*$", "", code, flags=re.M))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "tfattr" in imported
    assert imported <= {"tfattr", "numpy", "matplotlib.pyplot", "tensorflow", "os", "pathlib"}
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for attribute in some(one.split(".")[1] for one in used if one.startswith("tfattr.")):
        assert attribute in tfattr.__all__, attribute


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
