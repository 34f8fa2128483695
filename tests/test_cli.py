"""The command line: one sentence for what a user can cause, nothing half-written, quick help."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from small_zoo import write_zoo

from tfattr import resources
from tfattr.cli.main import main

ROOT = Path(__file__).resolve().parents[1]


class Body(str):
    """The text of a zoo file that cannot be used."""


@pytest.fixture
def call(capsys):
    def call(*arguments: object) -> tuple[int, str, str]:
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = leaving.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def zoo(tmp_path):
    return write_zoo(tmp_path, {"one": 1, "two": 2})


@pytest.fixture
def rooms_zoo(tmp_path):
    """Two of the embedded, trained networks."""
    tables = (resources.checkpoints() / "rooms" / "zoo.toml").read_text().split("[[model]]")
    chosen = [table for table in tables if re.search('"(rgb2depth|rgb2depth_plain)"', table)]
    assert len(chosen) == 2
    path = tmp_path / "rooms.toml"
    path.write_text(
        "[[model]]".join(["", *chosen]).replace('path = "', f'path = "{resources.checkpoints()}/rooms/')
    )
    return path


@pytest.fixture
def probe(rooms_photos, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, path in enumerate(rooms_photos[:3]):
        Image.open(path).resize((70, 60)).save(folder / f"0{index}.jpg")
    (folder / "notes.jpg").write_text("not a picture")
    return folder


def test_help_does_not_import_tensorflow():
    code = (
        "import sys; from tfattr.cli.main import cli\n"
        "for command in [[], *[[name] for name in cli.commands]]:\n"
        "    try: cli.main([*command, '--help'], standalone_mode=False)\n"
        "    except SystemExit: pass\n"
        "heavy = {'tensorflow', 'innvestigate', 'matplotlib', 'scipy', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ZOO is a TOML file" in done.stdout


@pytest.mark.slow
def test_run_then_its_steps(call, rooms_zoo, probe, tmp_path):
    out = tmp_path / "out"
    status, said, err = call("run", rooms_zoo, "--probe", probe, "--out", out, "--quiet")
    assert status == 0, err
    assert "2 models, 3 probe images (1 skipped)" in said
    assert "notes.jpg" in err
    assert (out / "figures" / "maps.png").exists()
    status, said, _ = call("tree", out, "--method", "elrp", "--newick")
    assert status == 0
    assert said.strip().endswith(";")
    assert "rgb2depth_plain" in said
    status, said, _ = call("tree", out, "--clusters", "2")
    assert (status, sorted(said.split())) == (0, ["rgb2depth", "rgb2depth_plain"])
    status, said, _ = call("rank", out, "rgb2depth")
    assert said.splitlines()[1].split()[1] == "rgb2depth_plain"
    assert "recommended: the representation of rgb2depth" in said  # expected of 4 images or more
    status, said, _ = call("affinity", out, "--grid", "8", "--authors-layout", "--quiet")
    assert status == 0
    assert (out / "affinity.mat").exists()
    status, said, _ = call("attribute", rooms_zoo, "--probe", probe, "--out", out, "--quiet")
    assert "are complete" in said


@pytest.mark.slow
def test_real_process_from_another_directory(zoo, probe, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tfattr.cli.main", "run", zoo.name, "--probe", "photos", "--out", "out",
         "--methods", "saliency", "--limit", "2"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "affinity.npz").exists()


def test_bad_input_is_one_clear_sentence(call, zoo, probe, tmp_path):
    (tmp_path / "empty").mkdir()
    model = '[[model]]\nname = "a"\nsource = "frozen_graph"\npath = "x.pb"\ninput = "i:0"\noutput = "o:0"\n'
    there = '[[model]]\nname = "a"\nsource = "frozen_graph"\npath = "one.pb"\n'
    cases = [
        (zoo, tmp_path / "absent", "no such directory or list of probe images"),
        (zoo, tmp_path / "empty", "empty"),
        (tmp_path / "absent.toml", probe, "cannot be read"),
        ("nonsense", probe, "no such zoo"),
        (Body("[[model"), probe, "not a TOML file"),
        (Body(""), probe, "no table [[model]]"),
        (Body(model + "size = [8, 8]\n" + model + "size = [8, 8]"), probe, "stands 2 times"),
        (Body(model), probe, "'size' is missing"),
        (Body(model + 'size = [8, 8]\ncolour = "RGB"'), probe, "did you mean 'color'"),
        (Body(model.replace("frozen_graph", "torch") + "size = [8, 8]"), probe, "source is 'torch'"),
        (Body(model + "size = [8, 8]"), probe, "x.pb: cannot be read"),
        (
            Body(there + 'input = "x:0"\noutput = "relu2:0"\nsize = [24, 24]'),
            probe,
            "relu1:0",
        ),
    ]
    for index, (zoo_path, probe_path, said) in enumerate(cases):
        if isinstance(zoo_path, Body):
            body, zoo_path = zoo_path, tmp_path / f"bad{index}.toml"
            zoo_path.write_text(body)
        status, _, err = call(
            "run", zoo_path, "--probe", probe_path, "--out", tmp_path / f"out{index}", "--quiet"
        )
        lines = [line for line in err.splitlines() if not line.startswith("tfattr: skipped")]
        assert status == 1, (said, err)
        assert len(lines) == 1, err
        assert lines[0].startswith("tfattr: ")
        assert said in lines[0]
        assert "Traceback" not in err


def test_strict_stops_at_the_unreadable_image(call, zoo, probe, tmp_path):
    status, _, err = call("run", zoo, "--probe", probe, "--out", tmp_path / "out", "--strict", "--quiet")
    assert status == 1
    assert "notes.jpg" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_debug_gives_the_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tfattr.cli.main", "tree", str(tmp_path), "--debug"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" in done.stderr
    assert done.returncode != 0


def test_inspect(call, zoo, tmp_path):
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        fed = tf1.placeholder(tf.float32, [None, 16, 16, 64], "input_low")
        tf.nn.conv2d(fed, tf1.get_variable("generator/W12", [9, 9, 64, 3]), 1, "SAME")
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model"))
    status, said, _ = call("inspect", zoo.parent / "one.pb")
    assert status == 0
    assert "x:0" in said
    assert "y:0" in said
    _, said, _ = call("inspect", tmp_path / "model.meta")
    assert "input_low:0" in said
    _, said, _ = call("inspect", tmp_path / "model.index", "--all")
    assert "generator/W12" in said
    assert "[9, 9, 64, 3]" in said
    status, _, err = call("inspect", tmp_path / "absent.pb")
    assert status == 1
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default:the centre square is stretched")
def test_models_lists_the_originals_and_says_how_to_get_them(call, tmp_path, monkeypatch, probe):
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path / "cache"))
    status, said, _ = call("models")
    assert status == 0
    assert said.count("not fetched") + said.count("by hand") == 39
    _, said, _ = call("models", "collected")
    assert len(said.splitlines()) == 19
    _, said, _ = call("models", "resnet_v1_50")
    assert "resnet_v1_50/pool5:0" in said
    status, _, err = call("models", "resnet_v1_51")
    assert status == 1
    assert "resnet_v1_50" in err
    status, _, err = call("run", "collected", "--probe", probe, "--out", tmp_path / "out", "--quiet")
    assert status == 1, err
    assert "tfattr fetch inception_v3" in err.splitlines()[-1]


@pytest.mark.slow
def test_evaluate_against_a_truth_of_ones_own(call, probe, tmp_path):
    names = [f"m{i}" for i in range(8)]
    eight = write_zoo(tmp_path, {name: i for i, name in enumerate(names)})
    rows = [f"{t},{s},{-abs(i - j)}" for i, t in enumerate(names) for j, s in enumerate(names)]
    (tmp_path / "truth.csv").write_text("\n".join(["target,source,affinity", *rows]))
    out = tmp_path / "out"
    status, _, err = call("run", eight, "--probe", probe, "--out", out, "--methods", "grad_input", "--quiet")
    assert status == 0, err
    status, said, err = call("evaluate", out, "--truth", tmp_path / "truth.csv")
    assert status == 0, err
    assert "8 targets, 7 candidates each, 5 relevant" in said
    assert (out / "evaluation.csv").read_text().startswith("ranking,kind,P@1,P@5,R@5")
    assert (out / "figures" / "precision_recall.png").exists()
    status, _, err = call("evaluate", out, "--truth", "nonsense")
    assert status == 1
    assert "no such file of measured transfer" in err


@pytest.mark.slow
def test_missing_files_of_a_list_are_named_and_counted(call, zoo, probe, tmp_path):
    listed = tmp_path / "list.txt"
    present = sorted(path.name for path in probe.glob("0*.jpg"))
    listed.write_text("\n".join([*present, *(f"absent_{i}.jpg" for i in range(14))]))
    status, said, err = call(
        "run",
        zoo,
        "--probe",
        listed,
        "--probe-root",
        probe,
        "--out",
        tmp_path / "out",
        "--methods",
        "saliency",
        "--quiet",
    )
    assert status == 0
    assert "3 probe images (14 skipped)" in said
    assert "absent_0.jpg" in err
    assert "skipped 14 of 17 images in all" in err
    assert len(err.splitlines()) == 11
