"""The pages on extending: their code runs as it stands, and what it registers is found."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_zoo import write_photos, write_zoo

PAGES = Path(__file__).resolve().parents[1] / "docs" / "extending"


def run_page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, list[str]]:
    """Executes a page's Python blocks one after the other; its names, and its TOML blocks."""
    monkeypatch.chdir(folder)
    text = (PAGES / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert blocks
    names: dict = {"__name__": name}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    return names, re.findall(r"```toml\n(.*?)```", text, flags=re.S)


def test_a_measure(tmp_path, monkeypatch):
    from tfattr.affinity import measures

    monkeypatch.setattr(measures, "_MEASURES", dict(measures._MEASURES))
    names, _ = run_page("measure", tmp_path, monkeypatch)
    assert measures.find_measure("top_overlap").description == names["TopOverlap"].description


def test_a_family(tmp_path, monkeypatch):
    from tfattr.zoo.file import read_zoo

    names, (zoo,) = run_page("family", tmp_path, monkeypatch)
    (tmp_path / "zoo.toml").write_text(zoo)
    (tmp_path / "my_module.py").write_text(
        re.search(r"```python\n(.*?)```", (PAGES / "family.md").read_text("utf-8"), flags=re.S)[1]
    )
    monkeypatch.syspath_prepend(tmp_path)
    (model,) = read_zoo(tmp_path / "zoo.toml").trusted()
    assert model.load().output_shape == names["trunk"].output_shape


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three models on six photographs, and measured transfer among them."""
    import tfattr

    folder = tmp_path_factory.mktemp("extending")
    names = ("one", "two", "three")
    zoo = write_zoo(folder, {name: seed for seed, name in enumerate(names, 1)})
    photos = write_photos(folder / "photos", 6)
    made = tfattr.run(tfattr.open_zoo(zoo), photos, folder / "run", methods=["grad_input"], progress=False)
    pairs = [(target, source) for target in names for source in names if target != source]
    lines = [f"{target},{source},{place}" for place, (target, source) in enumerate(pairs, 1)]
    (folder / "truth.csv").write_text("\n".join(["target,source,affinity", *lines]))
    return made


@pytest.mark.slow
def test_a_baseline(run, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from tfattr.baselines import registry
    from tfattr.cli.main import cli

    try:
        names, _ = run_page("baseline", tmp_path, monkeypatch)
        for command in (
            [
                "evaluate",
                str(run.path),
                "--truth",
                str(run.path.parent / "truth.csv"),
                "--draws",
                "5",
                "--quiet",
            ],
            ["rank", str(run.path), "one", "--by", "mutual_neighbours"],
        ):
            done = CliRunner().invoke(cli, command, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            assert "mutual_neighbours" in done.output
        rows = {row["ranking"]: row for row in json.loads((run.path / "evaluation.json").read_text())["rows"]}
        assert rows["mutual_neighbours"]["kind"] == "baseline"
        assert rows["mutual_neighbours"]["P@1_interval"] is not None
        assert "mutual neighbours" in run.report(tmp_path / "report.html").read_text("utf-8")
    finally:
        registry.BASELINES.pop("mutual_neighbours", None)


@pytest.fixture
def registries(monkeypatch):
    """What the page on methods registers is forgotten again."""
    from tfattr.attribution import methods, rules

    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))
    known = dict(rules.RULES)
    yield methods
    rules.RULES.clear()
    rules.RULES.update(known)


@pytest.mark.slow
def test_a_method(run, registries, tmp_path, monkeypatch):
    """Known to a run by the command line, with its settings, records, figures and report."""
    from click.testing import CliRunner

    from tfattr.attribution import AttributionSettings
    from tfattr.cli.main import cli
    from tfattr.errors import SettingsError
    from tfattr.extensions import import_extensions
    from tfattr.records import map_directory, read_maps

    page = (PAGES / "method.md").read_text("utf-8")
    (tmp_path / "my_methods.py").write_text(re.search(r"```python\n(.*?)```", page, flags=re.S)[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TFATTR_EXTENSIONS", "my_methods")
    import_extensions()
    folder, asked = run.path.parent, "saliency,squared_gradient"
    words = [
        "run",
        str(folder / "zoo.toml"),
        "--probe",
        str(folder / "photos"),
        "--out",
        "out",
        "--methods",
        asked,
    ]
    done = CliRunner().invoke(cli, [*words, "--dtype", "float32", "--channels", "all", "--quiet"])
    assert done.exit_code == 0, done.output
    squared, plain = (
        [record.map for record in read_maps(map_directory("out", "one", method))]
        for method in ("squared_gradient", "saliency")
    )
    assert len(squared) == 6
    np.testing.assert_allclose(np.stack(squared), np.stack(plain) ** 2, rtol=1e-5)
    done = CliRunner().invoke(cli, ["report", "out", "--quiet"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (report,) = Path("out").glob("*.html")
    assert "squared gradient" in report.read_text("utf-8")

    run_page("method", tmp_path, monkeypatch)
    assert registries.method_settings()["occlusion"] == {"side": 4}
    assert AttributionSettings(("occlusion",), options={"side": 8}).options == {"side": 8}
    for options, said in (({"side": 0}, "from 1 on"), ({"steps": 3}, "belongs to none")):
        with pytest.raises(SettingsError, match=said):
            AttributionSettings(("occlusion",), options=options)
    with pytest.raises(SettingsError, match="second parameter is slope; expected gradient"):
        registries.register_method(lambda x, slope: x, name="strange")


def test_a_rule_of_epsilon_lrp(registries, tmp_path, monkeypatch):
    """Without a stabiliser the page's rules are the gradient of a net whose units are masks and whose windows are means."""
    import tensorflow as tf

    from tfattr.attribution import AttributionSettings, attributions
    from tfattr.trunk import Preprocessing, Trunk

    random = np.random.default_rng(3)
    first, second = (
        random.normal(0, 0.4, shape).astype(np.float32) for shape in ((3, 3, 3, 4), (3, 3, 4, 2))
    )
    images = random.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], name="x")
        hidden = tf.nn.max_pool2d(tf.nn.elu(tf.nn.conv2d(x, first, 1, "SAME")), 2, 2, "VALID")
        tf.nn.relu(tf.nn.conv2d(hidden, second, 1, "SAME"), name="y")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    trunk = Trunk.from_frozen_graph(
        tmp_path / "net.pb", input="x:0", output="y:0", preprocessing=Preprocessing((8, 8), range="[-1,1]")
    )
    settings = AttributionSettings(("grad_input", "elrp_native"), epsilon=1e-12)
    before = attributions(trunk, images, settings)
    run_page("method", tmp_path, monkeypatch)
    after = attributions(trunk, images, settings)
    with tf.GradientTape() as tape:
        fed = tf.constant(images)
        tape.watch(fed)
        a = tf.nn.conv2d(fed, first, 1, "SAME")
        units = tf.cast(tf.stop_gradient(a) > 0, tf.float32) * a
        y = tf.nn.conv2d(tf.nn.avg_pool2d(units, 2, 2, "VALID"), second, 1, "SAME")
        score = tf.reduce_sum(y * tf.cast(trunk(images) > 0, tf.float32))
    expected = tape.gradient(score, fed) * images
    np.testing.assert_allclose(after["elrp_native"], expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(before["elrp_native"], expected, rtol=1e-2)
    np.testing.assert_array_equal(after["grad_input"], before["grad_input"])


def test_a_figure(run, tmp_path, monkeypatch):
    from tfattr.figures import plots
    from tfattr.runs.analysis import analyse
    from tfattr.runs.settings import RunSettings

    monkeypatch.setattr(plots, "_PLOTS", dict(plots._PLOTS))
    run_page("figure", tmp_path, monkeypatch)
    analyse(
        run.path, RunSettings(models=("one",)), progress=False
    )  # of one model there is no tree, and no spread
    drawn = {path.stem for path in (run.path / "figures").iterdir()}
    assert "affinity_grad_input" in drawn
    assert not {"tree_grad_input", "spread_grad_input"} & drawn
    analyse(run.path, progress=False)
    assert (run.path / "figures" / "tree_grad_input.png").exists()
    for suffix in ("png", "svg"):
        assert (run.path / "figures" / f"spread_grad_input.{suffix}").stat().st_size > 1000
    page = run.report(tmp_path / "report.html").read_text("utf-8")
    section = page[page.index('id="matrix"') : page.index('id="sources"')]
    assert "affinities by gradient × input of all pairs of 3 models are spread, on 6 images." in section
    assert "Histogram of the affinities by gradient × input of all pairs of 3 models. The highest" in section
    assert "figures/spread_grad_input.png, made by <code>tfattr affinity run</code>" in section


def test_a_probe_set(tmp_path, monkeypatch):
    from tfattr.errors import SettingsError
    from tfattr.runs import probes

    (tmp_path / "photos").mkdir()
    for name, grey in (("hill", 90), ("beach", 200)):
        Image.new("RGB", (40, 30), (grey, 20, 30)).save(tmp_path / "photos" / f"{name}.png")
    known = dict(probes.probe_sets())
    monkeypatch.setattr(probes, "probe_sets", lambda: known)
    run_page("probe_set", tmp_path, monkeypatch)
    with pytest.raises(SettingsError, match="'rooms' already"):
        probes.register_probe("rooms", tmp_path)


def test_the_command_line_imports_what_is_asked_for(tmp_path, monkeypatch):
    from tfattr.errors import SettingsError
    from tfattr.extensions import import_extensions

    (tmp_path / "an_extension_of_mine.py").write_text("registered = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TFATTR_EXTENSIONS", "an_extension_of_mine")
    import_extensions()
    assert sys.modules.pop("an_extension_of_mine").registered
    monkeypatch.setenv("TFATTR_EXTENSIONS", "no_such_module_of_mine")
    with pytest.raises(SettingsError, match="no_such_module_of_mine"):
        import_extensions()
    (tmp_path / "broken_extension_of_mine.py").write_text("1 / 0\n")
    monkeypatch.setenv("TFATTR_EXTENSIONS", "broken_extension_of_mine")
    with pytest.raises(
        SettingsError, match=r"broken_extension_of_mine, whose import fails \(ZeroDivisionError"
    ):
        import_extensions()
