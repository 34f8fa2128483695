"""Numbers that are not usual ones: found when shards are read back, counted, named, kept out of the affinity."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made_records import make_record
from small_zoo import attribute, write_photos, write_zoo

import tfattr.runs.verify
from tfattr.affinity import AffinityWarning
from tfattr.cli.main import main
from tfattr.records import REPRESENTATION
from tfattr.runs.analysis import compute_affinity
from tfattr.runs.verify import AbnormalMaps, abnormal_maps, kind_of

WHITE = (3, 8)
KINDS = {"usual": 1, "broken": "nan", "huge": "overflow", "dead": "dead", "steep": "steep"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder, KINDS)
    write_photos(folder / "photos", white=WHITE)
    return folder


@pytest.fixture(scope="module")
def out(folder):
    attribute(folder / "zoo.toml", folder / "photos", folder / "out")
    return folder / "out"


def found(out):
    return {(odd.model, odd.method, odd.kind): odd for odd in abnormal_maps(out)}


def test_every_odd_map_is_counted_and_named(out):
    odd = found(out)
    everywhere = tuple(f"photo_{index:02d}.png" for index in range(10))
    white = ("photo_03.png", "photo_08.png")
    for model, kind, images in [
        ("broken", "not finite", white),
        ("huge", "not finite", white),
        ("dead", "zero", everywhere),
    ]:
        for method in ("saliency", "grad_input", REPRESENTATION):
            assert odd[model, method, kind].images == images
            assert odd[model, method, kind].of == 10
    assert not any(model == "usual" for model, _, _ in odd)
    for method in ("saliency", "grad_input"):
        assert odd["steep", method, "not finite"].images == white
    assert len(odd) == 11


def test_the_first_layer_is_named(out):
    odd = found(out)
    assert odd["broken", "saliency", "not finite"].layer.startswith(
        "root:0 (Sqrt): 1 of its 1 values are NaN"
    )
    assert odd["huge", "saliency", "not finite"].layer.startswith("power:0 (Exp): 0 of its 1 values are NaN")
    assert odd["steep", "saliency", "not finite"].layer == ""  # its backward pass alone
    assert odd["dead", "saliency", "zero"].layer is None


@pytest.mark.slow
def test_they_are_said_at_the_end(folder, out, capsys):
    words = ["attribute", folder / "zoo.toml", "--probe", folder / "photos", "--out", folder / "said"]
    main([*map(str, words), "--methods", "grad_input", "--no-representations", "--quiet"])
    said = capsys.readouterr().err
    assert "tfattr: dead: 10 of 10 maps by grad_input are all zero (the first is of photo_00.png)\n" in said
    assert "tfattr: broken: 2 of 10 maps by grad_input are not finite (the first is of photo_03.png)" in said
    assert "usual" not in said
    again = [*map(str, words), "--methods", "grad_input", "--no-representations", "--quiet"]
    main(again)  # nothing is computed, nothing is read back, but they are named again
    assert capsys.readouterr().err == said


def test_the_affinity_leaves_them_out(out):
    with pytest.warns(AffinityWarning, match="maps are left out"):
        result = compute_affinity(out, progress=False)
    assert result.models == tuple(KINDS)
    for method in ("saliency", "grad_input"):
        counts = np.full((5, 5), 8)
        counts[0, 0], counts[3], counts[:, 3] = 10, 0, 0
        np.testing.assert_array_equal(result.counts[method], counts)
        assert np.isfinite(result.affinity[method][counts > 0]).all()
        dropped = [(one.model, one.reason) for one in result.dropped[method]]
        assert {one: dropped.count(one) for one in dropped} == {
            ("broken", "not finite"): 2,
            ("huge", "not finite"): 2,
            ("steep", "not finite"): 2,
            ("dead", "zero"): 10,
        }


@pytest.mark.slow
def test_shards_are_read_back_once(folder, out, monkeypatch):
    read, seen = tfattr.runs.verify.read_shard, []
    monkeypatch.setattr(
        tfattr.runs.verify, "read_shard", lambda path, *rest: seen.append(path) or read(path, *rest)
    )
    before = found(out)
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert seen == []
    lost = out / "attributions/dead/saliency/maps-00002-of-00003.tfrecord"
    lost.unlink()
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert {path.parent for path in seen} == {lost.parent}
    seen.clear()
    (out / "numbers.json").unlink()
    attribute(folder / "zoo.toml", folder / "photos", out)
    assert len(seen) == 5 * 3 * 3
    assert found(out) == before
    assert set(json.loads((out / "numbers.json").read_text())) == set(KINDS)


@pytest.mark.slow
def test_other_methods_of_a_run_are_kept(folder, tmp_path):
    for method in ("saliency", "grad_input"):
        attribute(folder / "zoo.toml", folder / "photos", tmp_path / "out", methods=(method,))
    assert {(odd.model, odd.method) for odd in abnormal_maps(tmp_path / "out", ["dead"])} == {
        *(("dead", method) for method in ("saliency", "grad_input", REPRESENTATION))
    }
    assert abnormal_maps(tmp_path / "nowhere") == []


# --- what a stored map is ---


def stored(values, **options):
    return make_record(np.asarray(values, np.float32).reshape(2, 3, 1), "i", 0, **options)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(
    "values, kind",
    [
        ([1, -2, 3, 0, 0, 0], None),
        ([0, 0, 0, 0, 0, 0], "zero"),
        ([0, 0, -0.0, 0, 0, 0], "zero"),
        ([1, np.nan, 0, 0, 0, 0], "not finite"),
        ([1, 0, 0, 0, 0, -np.inf], "not finite"),
        ([np.nan] * 6, "not finite"),
        ([0, 0, 1e-39, 0, 0, 0], "denormal"),
        ([0, 0, -1e-44, 0, 0, 0], "denormal"),
        ([1.1e-38] * 6, "denormal"),  # their norm is a normal number, none of them is
        ([1.1e-38] * 5 + [1.2e-38], None),
        ([1e-44, 0, 0, 0, 0, 1], None),
        ([3e38, -3e38, 3e38, 3e38, 3e38, 3e38], None),
        ([70_000, 1e9, 0, 0, 0, 0], None),  # beyond float16
    ],
)
def test_kinds(values, kind, dtype):
    record = stored(values, dtype=dtype)
    assert kind_of(record) == kind
    if kind in (None, "denormal"):
        wanted = np.asarray(values, np.float32)
        peak = np.abs(wanted).max()
        tolerance = 2e-44 if kind else 2**-11 * peak
        np.testing.assert_allclose(
            record.map.ravel(), wanted, rtol=0, atol=tolerance if dtype == "float16" else 0
        )


def test_values_beyond_float32_are_not_finite():
    record = make_record(np.full((2, 3, 1), 1e300), "i", 0, channels="all", dtype="float16")
    assert kind_of(record) == "not finite"
    assert (
        kind_of(make_record(np.full((2, 3, 2), 3e38, np.float32), "i", 0)) is None
    )  # nor does their sum overflow


def test_sentences():
    odd = AbnormalMaps("net", "elrp", "not finite", ("a.png", "b.png"), 9, "net/conv4")
    assert str(odd) == (
        "net: 2 of 9 maps by elrp are not finite (the first is of a.png); the first tensor that is not finite is net/conv4"
    )
    assert str(dataclasses.replace(odd, layer="")).endswith(
        "(the first is of a.png); every tensor of the forward pass is finite, so it is the backward pass that overflows"
    )
    odd = AbnormalMaps("net", REPRESENTATION, "denormal", ("a.png",), 9)
    assert str(odd) == (
        "net: 1 of 9 representations are below the smallest normal float32 (the first is of a.png)"
    )
