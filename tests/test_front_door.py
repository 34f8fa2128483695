"""The front door, line by line: what a user types first, on some of the embedded rooms and a few photographs."""

from __future__ import annotations

import ast

import numpy as np
import pandas
import pytest
from found import some
from matplotlib.figure import Figure

import tfattr
from tfattr import resources
from tfattr.errors import ModelFileError, SettingsError, TfattrError
from tfattr.evaluation import Truth
from tfattr.evaluation.scores import choose_k

LINES = """
import tfattr
zoo = tfattr.open_zoo("rooms")
run = tfattr.run(zoo, probe="rooms", out="out/mine", methods=["grad_input"])
run
run.affinity("grad_input")
run.rank("rgb2depth")
run.plot_affinity(order="tree"); run.plot_maps(3); run.plot_tree()
run.add("zoo.toml:newcomer")
run.evaluate("rooms").to_dataframe(); run.report()
tfattr.attribute(trunk, photos, "elrp")
"""
NAMES = ["autoencoder", "denoise", "edge2d", "reshade", "rgb2depth", "rgb2mist", "rgb2sfnorm", "class_places"]
SMALLER = {
    'tfattr.open_zoo("rooms")': f'tfattr.open_zoo("rooms").only({NAMES})',
    'methods=["grad_input"]': 'methods=["grad_input"], limit=4, progress=False',
    '"zoo.toml:newcomer"': '"zoo.toml:newcomer", progress=False',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory, rooms_trunk, rooms_photos):
    """Each line's values, as a notebook would show them, and the names that it leaves."""
    folder = tmp_path_factory.mktemp("front_door")
    (table,) = (
        text
        for text in (resources.checkpoints() / "rooms" / "zoo.toml").read_text().split("[[model]]")
        if 'name = "rgb2depth_plain"' in text
    )
    table = table.replace('name = "rgb2depth_plain"', 'name = "newcomer"')
    (folder / "zoo.toml").write_text(
        "[[model]]" + table.replace('path = "', f'path = "{resources.checkpoints()}/rooms/')
    )
    photos = [tfattr.read_photo(path) for path in rooms_photos[:2]]
    names: dict = {"trunk": rooms_trunk("rgb2depth_plain"), "photos": photos}
    code = LINES
    for old, new in SMALLER.items():
        assert old in code
        code = code.replace(old, new)
    values = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for statement in some(ast.parse(code).body):
            line = ast.unparse(statement)
            if isinstance(statement, ast.Expr):
                values[line.split("(")[0]] = eval(line, names)
                if line == "run":
                    values["html"] = names["run"]._repr_html_()
            else:
                exec(line, names)
    return values, names, folder


@pytest.mark.slow
def test_the_ten_lines(said):
    values, names, folder = said
    html = values["html"]
    for part in ("rgb2depth", "4 (rooms)", "grad_input", "<table", "<svg"):
        assert part in html
    affinity, ranked = values["run.affinity"], values["run.rank"]
    assert list(affinity.index) == list(affinity.columns) == NAMES
    assert np.isfinite(affinity.to_numpy()).all()
    assert isinstance(ranked, pandas.DataFrame)
    assert {"source", "affinity", "low", "high"} <= set(ranked.columns)
    assert set(ranked["source"]) == set(NAMES) - {"rgb2depth"}
    for kind in ("affinity", "maps", "tree"):
        assert isinstance(values[f"run.plot_{kind}"], Figure), kind
    assert values["run.add"] is names["run"]
    again = tfattr.open_run(folder / "out/mine")
    assert list(again.models) == [*NAMES, "newcomer"]
    # The models that were there keep their numbers.
    np.testing.assert_array_equal(again.affinity("grad_input").loc[NAMES, NAMES], affinity)
    assert (folder / values["run.report"]) == folder / "out/mine/report.html"
    assert (folder / values["run.report"]).stat().st_size > 10_000
    maps = values["tfattr.attribute"]
    assert maps.shape == (2, 64, 64, 3)
    assert np.abs(maps).max() > 0


@pytest.mark.slow
def test_the_judgement_is_the_one_by_hand(said):
    """P@1 of the front door's evaluation, counted from the frame of affinities and the shipped table."""
    from tfattr.evaluation import find_truth

    values, _, folder = said
    judged = values["run.evaluate"]
    assert isinstance(judged, pandas.DataFrame)
    truth = pandas.read_csv(find_truth("rooms"))
    affinity = tfattr.open_run(folder / "out/mine").affinity("grad_input")
    targets = [name for name in NAMES if name in set(truth["target"])]
    hits = 0
    for target in some(targets):
        others = truth[
            (truth["target"] == target) & truth["source"].isin(NAMES) & (truth["source"] != target)
        ]
        best = affinity.loc[target, [name for name in NAMES if name != target]].idxmax()
        hits += best in set(others.nlargest(5, "affinity")["source"])
    assert judged.loc["grad_input", "P@1"] == pytest.approx(hits / len(targets))


WRONG = [
    ({"limit": "3"}, "limit is '3'; expected a whole number"),
    ({"limit": 2.5}, "limit is 2.5; expected a whole number"),
    ({"batch_size": True}, "batch_size is True; expected a whole number"),
    ({"epsilon": "a"}, "epsilon is 'a'; expected a number"),
    ({"target": None}, "target is None; expected text"),
    ({"trust": "yes"}, "trust is 'yes'; expected True or False"),
    ({"models": 3}, "models is 3; expected text, or a list"),
    ({"methods": [None]}, "methods is [None]; expected text, or a list"),
    ({"grid": 3.5}, "grid is 3.5, expected one or two"),
    (
        {"methods": "integrated_gradients", "options": {"steps": "nan"}},
        "steps of integrated_gradients is nan",
    ),
    ({"methods": "integrated_gradients", "options": {"steps": 3}, "steps": 4}, "steps is given twice"),
    ({"methods": "smoothgrad", "noise": float("inf")}, "noise of smoothgrad is inf"),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=lambda one: str(one)[:30])
def test_a_wrong_setting_is_said(given, said):
    with pytest.raises(SettingsError) as raised:
        _ = tfattr.RunSettings(**given).attribution
    assert said in str(raised.value)


PHOTO = np.zeros((1, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("photos", "options", "said"),
    [
        (["a.png"], {}, "a photograph is a.png; expected an array"),
        ("a.png", {}, "found str, which is no batch of numbers"),
        ([PHOTO[0, :0]], {}, "shape (0, 8, 3)"),
        (PHOTO, {"batch_size": 0}, "batch_size is 0; expected a positive whole number"),
        (PHOTO, {"method": ["saliency"]}, "['saliency'] is not known"),
        (PHOTO, {"epsilon": "x"}, "epsilon is 'x'; expected a positive number"),
        (PHOTO, {"target": 1}, "Target 1 is not known"),
    ],
)
def test_what_cannot_be_attributed_is_said(rooms_trunk, photos, options, said):
    with pytest.raises(SettingsError) as raised:
        tfattr.attribute(rooms_trunk("edge2d"), photos, **options)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("ask", "kind", "said"),
    [
        (lambda net, here: tfattr.attribute("edge2d", PHOTO), SettingsError, "the model is a str"),
        (lambda net, here: tfattr.open_zoo(["rooms"]), SettingsError, "a zoo's model is str"),
        (lambda net, here: tfattr.open_zoo("rooms").only([]), SettingsError, "no model is asked for"),
        (lambda net, here: tfattr.run([net], ["a.png"], here), SettingsError, "probe is a list"),
        (lambda net, here: tfattr.run([net], "rooms", None), SettingsError, "out is a NoneType"),
        (
            lambda net, here: tfattr.run([net], "rooms", here, {"limit": 2}),
            SettingsError,
            "settings is a dict",
        ),
        (lambda net, here: tfattr.open_run(None), SettingsError, "the run is given as None"),
        (lambda net, here: tfattr.load_model(net), SettingsError, "is a Trunk already"),
        (lambda net, here: tfattr.load_model("no"), ModelFileError, "no: no such model file"),
        (
            lambda net, here: tfattr.load_model(__file__, preprocessing=net.preprocessing),
            SettingsError,
            "is taken for",
        ),
        (
            lambda net, here: tfattr.load_model(len, preprocessing="tf"),
            SettingsError,
            "preprocessing is a str",
        ),
        (lambda net, here: tfattr.load("vgg_61"), TfattrError, "did you mean vgg_19, vgg_16"),
    ],
)
def test_what_is_no_model_or_path_is_said(rooms_trunk, tmp_path, ask, kind, said):
    with pytest.raises(kind) as raised:
        ask(rooms_trunk("edge2d"), tmp_path)
    assert said in str(raised.value)


def test_a_zoo_of_trunks(rooms_trunk):
    net = rooms_trunk("edge2d")
    zoo = tfattr.open_zoo([net, *tfattr.open_zoo("rooms").only(["denoise"])])
    assert [model.name for model in zoo] == ["edge2d", "denoise"]
    assert zoo["edge2d"] is net


@pytest.mark.parametrize("dtype", ["int64", "uint16", "bool", "complex64"])
def test_a_batch_of_whole_numbers_is_no_fed_batch(rooms_trunk, dtype):
    """Photographs of another type than uint8 would be taken for the fed frame, and give wrong maps without a word."""
    trunk = rooms_trunk("edge2d")
    x = np.ones((1, *trunk.input_shape)).astype(dtype)
    with pytest.raises(
        SettingsError, match=f"the batch is of {dtype}; expected float32 .* or uint8 photographs"
    ):
        tfattr.attribute(trunk, x)


def test_a_k_that_is_no_number_of_sources_is_refused():
    truth = Truth(("a",), ("a", "b", "c"), np.array([[np.nan, 1.0, 2.0]]))
    with pytest.raises(SettingsError, match="k is 0; expected a positive number"):
        choose_k(truth, 0)
