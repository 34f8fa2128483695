"""``tfattr.run`` and ``Run``: the front door, on a zoo of tiny graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_zoo import SIDE, write_photos, write_zoo

import tfattr
from tfattr.affinity import AffinityResult
from tfattr.errors import ProbeError, RecordsError, SettingsError
from tfattr.records import map_directory, read_maps

MODELS = ["one", "two", "three"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front_door")
    zoo = write_zoo(folder, {"one": 1, "two": 2, "three": 3, "newcomer": 4})
    photos = write_photos(folder / "photos", 6)
    models = tfattr.open_zoo(zoo).only(MODELS)
    return tfattr.run(models, photos, folder / "run", methods=["grad_input", "saliency"], progress=False)


def test_affinity_is_a_frame_of_the_file(run):
    kept = AffinityResult.load(run.path / "affinity.npz")
    frame = run.affinity("saliency")
    assert list(frame.index) == list(frame.columns) == MODELS
    np.testing.assert_array_equal(frame.to_numpy(), kept.affinity["saliency"])
    np.testing.assert_array_equal(run.affinity().to_numpy(), kept.affinity["grad_input"])


def test_rank_is_the_row_in_order_with_intervals(run):
    ranked = run.rank("two", by="grad_input")
    row = run.affinity("grad_input").loc["two"].drop("two").sort_values(ascending=False)
    assert list(ranked.columns[:4]) == ["source", "affinity", "low", "high"]
    assert list(ranked["source"]) == list(row.index)
    np.testing.assert_allclose(ranked["affinity"], row, atol=1e-6)
    assert ((ranked["low"] <= ranked["affinity"]) & (ranked["affinity"] <= ranked["high"])).all()


def test_maps_of_an_image_by_number_and_id(run):
    number = 4
    maps = run.maps(number, "saliency")
    assert list(maps) == MODELS
    for model, found in maps.items():
        (stored,) = (
            record.map
            for record in read_maps(map_directory(run.path, model, "saliency"))
            if record.index == number
        )
        np.testing.assert_array_equal(found, stored)
    np.testing.assert_array_equal(run.maps(run.images[number], "saliency")["one"], maps["one"])
    assert maps["one"].shape == (SIDE, SIDE, 1)


def test_pictures_are_figures(run):
    for figure in (
        run.plot_affinity(),
        run.plot_tree("saliency"),
        run.plot_maps(2),
        run.plot_maps([run.images[1]], models_as="columns"),
    ):
        assert isinstance(figure, Figure)


def test_the_first_maps_are_drawn_without_the_photographs(run):
    photos = run.path.parent / "photos"
    photos.rename(photos.with_name("away"))
    try:
        assert isinstance(run.plot_maps(3), Figure)
        with pytest.raises(ProbeError, match="photos"):
            run.plot_maps([5])
    finally:
        photos.with_name("away").rename(photos)


def test_maps_are_drawn_from_the_photographs_where_the_small_ones_are_gone(run):
    kept = run.path / "previews.npz"
    kept.rename(kept.with_suffix(".away"))
    try:
        assert isinstance(run.plot_maps(2), Figure)
    finally:
        kept.with_suffix(".away").rename(kept)


def test_a_notebook_shows_facts_matrix_and_tree(run):
    text = run._repr_html_()
    for part in (*MODELS, "6 (", "grad_input, saliency", "<svg", f"{run.affinity().iloc[0, 1]:.2f}"):
        assert part in text
    assert repr(run).startswith("Run(")


@pytest.mark.parametrize(
    "ask, said",
    [
        (
            lambda run: run.affinity("gradinput"),
            "no method 'gradinput'; expected one of grad_input, saliency",
        ),
        (lambda run: run.rank("tow"), "two"),
        (lambda run: run.rank("two", draws=-1), "draws is -1; expected a whole number of resamples"),
        (lambda run: run.maps(6), "0 to 5"),
        (lambda run: run.maps(0, models=["four"]), "no model 'four'; there are one, two, three"),
        (lambda run: run.evaluate(), "no measured transfer is known"),
    ],
)
def test_what_is_not_there_is_said(run, ask, said):
    with pytest.raises(SettingsError, match=said):
        ask(run)


def test_a_broken_affinity_says_what_to_do(run, tmp_path):
    for name in ("run.json", "affinity.npz"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    (tmp_path / "affinity.npz").write_bytes(b"PK broken")
    with pytest.raises(RecordsError, match="affinity.npz: .*compute it again with `tfattr affinity`"):
        tfattr.open_run(tmp_path).affinity("saliency")


def test_a_plot_that_raises_is_named_and_costs_no_other(run, monkeypatch, caplog):
    from tfattr.figures import Plot, plots, register_plot
    from tfattr.runs.analysis import analyse

    others = plots._PLOTS
    monkeypatch.setattr(plots, "_PLOTS", {})
    register_plot(Plot("mine", lambda data: 1 / 0))  # the first to be drawn
    register_plot(Plot("maybe", lambda data: None, applies=lambda data: data.unknown))
    register_plot(Plot("nothing", lambda data: None))
    plots._PLOTS.update(others)
    tree = run.path / "figures" / "tree_saliency.png"
    tree.unlink(missing_ok=True)
    analyse(run.path, progress=False)
    assert "the plot mine cannot be drawn (ZeroDivisionError: division by zero)" in caplog.text
    assert "the plot maybe cannot be drawn (AttributeError" in caplog.text
    assert "the plot nothing gives a NoneType; expected a figure of matplotlib" in caplog.text
    assert tree.exists()
    assert not (run.path / "figures" / "mine.png").exists()


def test_no_run_is_said(tmp_path):
    with pytest.raises(RecordsError, match=r"run\.json"):
        tfattr.open_run(tmp_path)


def test_a_newcomer_joins_and_the_run_is_opened_again(run, tmp_path):
    zoo: Path = run.path.parent / "zoo.toml"
    before = run.affinity()
    assert run.add(f"{zoo}:newcomer", progress=False) is run
    assert list(run.models) == [*MODELS, "newcomer"]
    again = tfattr.open_run(run.path)
    np.testing.assert_array_equal(again.affinity().iloc[:3, :3], before)
    assert np.isfinite(again.affinity().to_numpy()).all()
