"""A whole run with the target channels, and its affinities by spans, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from found import some
from small_zoo import write_photos, write_zoo

from tfattr.affinity import AffinityResult, ImageCosines
from tfattr.attribution import attribute
from tfattr.cli.main import cli
from tfattr.probe import read_photo
from tfattr.records import map_directory, read_maps
from tfattr.zoo.file import open_zoo

ENTRIES = ("grad_input_subspace", "grad_input_explained", "gradient_norm_subspace", "gradient_norm_explained")


def tfattr(*arguments):
    done = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    zoo = write_zoo(folder / "zoo", {"a": 1, "b": 2, "c": 3})
    photos = write_photos(folder / "photos", 3)
    out = folder / "run"
    said = tfattr("run", zoo, "--probe", photos, "--target", "channels", "--out", out, "--quiet")
    assert "grad_input_explained" in said
    return zoo, photos, out


def test_records_hold_the_maps_of_parts(run):
    zoo, photos, out = run
    trunk = open_zoo(zoo).models[1].load()
    x = trunk.preprocess([read_photo(path) for path in sorted(photos.iterdir())])
    for method, side in (("grad_input", 16), ("gradient_norm", 8)):
        stored = np.stack([record.map for record in read_maps(map_directory(out, "b", method))])
        assert stored.shape == (3, side, side, 4)
        wanted = attribute(trunk, x, method, target="channels")
        np.testing.assert_allclose(stored, wanted, atol=1e-3 * abs(wanted).max())


def test_affinities_are_of_spans_and_say_so(run):
    _, _, out = run
    result, images = AffinityResult.load(out / "affinity.npz"), ImageCosines.load(out / "affinity_images.npz")
    assert result.methods == images.methods == ENTRIES
    assert (
        abs(result.affinity["grad_input_explained"] - result.affinity["grad_input_explained"].T).max() > 1e-4
    )
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["settings"]["target"] == "channels:8"
    assert manifest["source"]["measures"]["grad_input_subspace"] == "subspace: mean overlap of the spans"
    assert "grad_input_explained, single linkage" in tfattr("tree", out, "--measure", "explained")


def test_affinity_by_another_measure_needs_no_trunk(run):
    zoo, _, out = run
    moved = zoo.rename(zoo.with_suffix(".away"))
    try:
        tfattr("affinity", out, "--measure", "cosine,spearman", "--methods", "grad_input", "--quiet")
    finally:
        moved.rename(zoo)
    assert AffinityResult.load(out / "affinity.npz").methods == ("grad_input", "grad_input_spearman")


def test_measures_that_do_not_exist(run):
    done = CliRunner().invoke(cli, ["affinity", str(run[2]), "--measure", "euclid"])
    assert "no measure is named 'euclid'; expected one of cosine" in str(done.exception)


def test_the_help_names_every_measure():
    from tfattr.affinity import measure_names

    for command in ("run", "affinity", "reproduce"):
        words = tfattr(command, "--help")
        assert all(name in words for name in some(measure_names()))
