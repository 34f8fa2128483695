"""A study of the embedded zoo from end to end: runs, evaluation, claims, costs, figures, report; a newcomer."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from found import some
from PIL import Image

from tfattr.affinity import AffinityResult, ImageCosines
from tfattr.attribution import attribute
from tfattr.errors import ProbeError, RecordsError, SettingsError
from tfattr.probe import read_photo
from tfattr.records import RunManifest, read_maps, representation_directory
from tfattr.records.stored import stored_representation
from tfattr.runs.add_model import add_model
from tfattr.runs.attribution import attribute_zoo
from tfattr.runs.controls import probe_of, raw_pixels
from tfattr.runs.probes import find_probe, survey_probe
from tfattr.runs.representations import Representations
from tfattr.runs.reproducing import open_study, reproduce
from tfattr.runs.run import Run
from tfattr.runs.settings import RunSettings
from tfattr.runs.study import measured_transfer, truth_of
from tfattr.trunk.randomise import randomised
from tfattr.zoo.file import find_model, open_zoo

NAMES = [
    "autoencoder",
    "denoise",
    "edge2d",
    "rgb2depth",
    "rgb2mist",
    "rgb2sfnorm",
    "reshade",
    "autoencoder_b",
]
IMAGES = 12


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    said = []
    made = reproduce(
        open_zoo("rooms").only(NAMES),
        out,
        probes=("rooms", "street"),
        targets=("sum", "energy"),
        engine="deepexplain",
        limit=IMAGES,
        grids=(8,),
        progress=False,
        tell=said.append,
    )
    return *made, said


@pytest.mark.slow
def test_everything_is_there(study):
    found, evaluation, said = study
    out = found.path
    for name in (
        "study.json",
        "evaluation.json",
        "evaluation.csv",
        "claims.json",
        "cost.json",
        "report.html",
    ):
        assert (out / name).stat().st_size > 100, name
    assert open_study(out) == found
    assert [run.label for run in found.runs] == ["rooms", "street", "rooms_energy"]
    for run in found.runs:
        for name in ("affinity.npz", "affinity_images.npz", "timing.json", "figures/maps.png"):
            assert (out / run.label / name).exists(), name
    names = {path.name for path in (out / "figures").iterdir()}
    wanted = ["affinity_sheet", "tree_sheet", "size_curve", "sizes_elrp", "precision_recall"]
    wanted += [
        f"{kind}_{method}"
        for kind in ("group", "model_graph")
        for method in ("saliency", "grad_input", "elrp")
    ]
    for name in wanted:
        assert {f"{name}.png", f"{name}.svg"} <= names, name
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 200
    assert not [line for line in said if line.startswith("not drawn")]
    assert not (out / ".trunks").exists()


@pytest.mark.slow
def test_rankings_and_their_kinds(study):
    found, evaluation, _ = study
    content = json.loads((found.path / "evaluation.json").read_text())
    kinds = {row["ranking"]: row["kind"] for row in content["rows"]}
    for name in (
        "saliency",
        "grad_input",
        "elrp",
        "grad_input, energy",
        "grad_input, grid 8",
        "grad_input, energy, grid 8",
    ):
        assert kinds[name] == "maps"
    for name in ("rsa", "svcca", "linear_cka", "deconfounded_cka", "dds", "depara"):
        assert kinds[name] == "baseline"
    for name in ("random networks, grad_input", "raw_pixels", "symmetrised truth"):
        assert kinds[name] == "control"
    assert kinds["predictivity"] == kinds["recommended"] == "own"
    assert content["verdicts"] == []
    rows = {row["ranking"]: row for row in content["rows"]}
    low, high = rows["grad_input"]["P@5_interval"]
    assert 0 <= low <= rows["grad_input"]["P@5"] + 0.2
    assert high <= 1
    assert rows["symmetrised truth"]["spearman"] > 0.5
    with (found.path / "evaluation.csv").open(newline="") as stream:
        assert [row["ranking"] for row in csv.DictReader(stream)] == list(kinds)


@pytest.mark.slow
def test_claims_and_costs(study):
    found, *_ = study
    claims = json.loads((found.path / "claims.json").read_text())
    assert [claim["number"] for claim in claims] == [1, 2, 3, 4, 5, 6]
    assert all(claim["sentence"] for claim in claims)
    cost = json.loads((found.path / "cost.json").read_text())
    assert all(cost["models"][name]["images"] == IMAGES for name in NAMES)
    assert cost["totals"]["core_hours"] > 0
    assert cost["measured_transfer"]["core_hours"] > cost["totals"]["core_hours"]
    assert measured_transfer("taskonomy")["gpu_hours"] == 47_886
    assert measured_transfer("zoo.toml") is None


@pytest.mark.slow
def test_image_cosines_are_those_of_the_maps(study):
    found, *_ = study
    run = found.path / "rooms"
    cosines, result = (
        ImageCosines.load(run / "affinity_images.npz"),
        AffinityResult.load(run / "affinity.npz"),
    )
    for method in some(result.methods):
        np.testing.assert_allclose(cosines.mean(method), result.affinity[method], atol=1e-6)
    maps = [
        next(
            record.map
            for record in read_maps(run / "attributions" / name / "grad_input")
            if record.index == 3
        )
        for name in NAMES[:2]
    ]
    one, other = (m.astype(np.float64).ravel() for m in maps)
    expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosines.matrices("grad_input")[3, 0, 1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_representations_are_the_trunks_outputs(study):
    found, *_ = study
    run = found.path / "street"
    trunk = open_zoo("rooms").only(["edge2d"]).models[0].load()
    photos = [read_photo(image.path) for image in find_probe("street", limit=IMAGES)]
    stored = Representations(run)["edge2d"]
    np.testing.assert_allclose(stored, np.asarray(trunk(trunk.preprocess(photos))), atol=1e-4)
    shutil.copytree(run, run.with_name("less"))
    shutil.rmtree(representation_directory(run.with_name("less"), "edge2d"))
    with pytest.raises(RecordsError, match="no representations of this model"):
        Representations(run.with_name("less"))
    shutil.rmtree(run.with_name("less"))


def test_large_representations_are_averaged_over_space():
    random = np.random.default_rng(0)
    large = random.normal(size=(2, 10, 7, 300)).astype(np.float32)
    stored = stored_representation(large, most=3000)
    factor = 4  # 2 leaves 5 x 4 x 300 values, 3 leaves 4 x 3 x 300, both more than 3,000
    assert stored.shape == (2, 3, 2, 300)
    for i in range(stored.shape[1]):
        for j in range(stored.shape[2]):
            block = large[:, factor * i : factor * (i + 1), factor * j : factor * (j + 1)]
            np.testing.assert_allclose(stored[:, i, j], block.mean(axis=(1, 2)), atol=1e-5)
    assert stored_representation(np.zeros((3, 5), np.float32)).shape == (3, 1, 1, 5)
    assert stored_representation(np.zeros((3, 4, 5), np.float32)).shape == (3, 1, 4, 5)
    assert stored_representation(np.zeros((3,), np.float32)).shape == (3, 1, 1, 1)


@pytest.mark.slow
def test_raw_pixels_by_hand(study):
    found, *_ = study
    zoo = {model.name: model for model in open_zoo("rooms")}
    cosines = raw_pixels(found.path / "rooms")
    image = read_photo(find_probe("rooms", limit=1)[0].path)
    rows = []
    for name in NAMES:
        fed = zoo[name].preprocessing([image])[0].mean(axis=-1, dtype=np.float64).ravel()
        rows.append(fed / np.linalg.norm(fed))
    np.testing.assert_allclose(
        cosines.matrices("raw_pixels")[0], np.array(rows) @ np.array(rows).T, atol=1e-5
    )


def test_shuffled_weights_keep_the_distribution_and_lose_the_function():
    trunk = open_zoo("rooms").only(["rgb2depth"]).models[0].load()
    other = randomised(trunk, seed=3)
    import tensorflow as tf

    def weights(graph):
        return {
            node.name: tf.make_ndarray(node.attr["value"].tensor)
            for node in graph.node
            if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
        }

    before, after = weights(trunk.graph_def), weights(other.graph_def)
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(np.sort(values.ravel()), np.sort(after[name].ravel()))
    x = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    assert np.abs(np.asarray(trunk(x)) - np.asarray(other(x))).max() > 0.1
    assert other.provenance["graph_sha256"] != trunk.provenance["graph_sha256"]


@pytest.mark.slow
def test_a_newcomer_is_ranked_without_computing_the_others_again(tmp_path):
    zoo = open_zoo("rooms")
    run, survey = tmp_path / "run", survey_probe("rooms", limit=4)
    settings = RunSettings(methods=["grad_input"], target="energy")
    source = {"zoo": "rooms", "probe": "rooms", "probe_root": None, "limit": 4}
    attribute_zoo(zoo.only(NAMES[:3]), survey, run, settings, progress=False, source=source)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.tfrecord")}
    add_model(run, find_model("rooms:autoencoder_b"), progress=False)
    assert all(path.stat().st_mtime_ns == time for path, time in some(before.items()))
    ranked = Run(run).rank("autoencoder_b", by="grad_input", draws=50)
    trunks = {name: zoo.only([name]).models[0].load() for name in (*NAMES[:3], "autoencoder_b")}
    rows = {}
    for name, trunk in trunks.items():
        photos = trunk.preprocess([read_photo(image.path) for image in survey.images])
        maps = attribute(trunk, photos, "grad_input", target="energy").mean(axis=-1, dtype=np.float64)
        flat = maps.reshape(4, -1)
        rows[name] = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    assert len(ranked) == 3
    for found in ranked.itertuples():
        expected = (rows[found.source] * rows["autoencoder_b"]).sum(axis=1).mean()
        assert found.affinity == pytest.approx(expected, abs=1e-3)
        assert found.low <= found.affinity + 1e-6 <= found.high + 2e-6
    assert list(ranked.affinity) == sorted(ranked.affinity, reverse=True)
    trunks["edge2d"].save(tmp_path / "saved")
    add_model(run, find_model(str(tmp_path / "saved")), progress=False)
    assert Run(run).rank("saved", by="grad_input", draws=10).source[0] == "edge2d"
    assert tuple(RunManifest.load(run).models) == (*NAMES[:3], "autoencoder_b", "saved")


@pytest.mark.slow
def test_bad_questions_are_one_sentence(study, tmp_path):
    found, *_ = study
    with pytest.raises(SettingsError, match="neither a saved trunk's folder"):
        find_model("no_such_model")
    with pytest.raises(SettingsError, match="no model 'nobody'"):
        find_model("rooms:nobody")
    with pytest.raises(RecordsError, match="neither a run"):
        open_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(RecordsError, match="cannot be read"):
        open_study(tmp_path)
    with pytest.raises(SettingsError, match="no measure 'nothing'"):
        Run(found.path / "rooms").rank("autoencoder", "nothing")
    single = open_study(found.path / "street")
    assert single.single
    assert single.main.probe == "street"
    assert truth_of(single) == "rooms"
    with pytest.raises(SettingsError, match="no probe set goes with this zoo"):
        reproduce(type(open_zoo("rooms"))("mine", open_zoo("rooms").models), tmp_path / "x", progress=False)


def test_probe_of_a_run_must_be_the_same(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(random.integers(0, 255, (70, 70, 3), dtype=np.uint8)).save(photos / f"{name}.png")
    run = tmp_path / "run"
    attribute_zoo(
        open_zoo("rooms").only(["edge2d"]),
        survey_probe(photos),
        run,
        RunSettings(methods=["saliency"]),
        progress=False,
        source={"probe": str(photos)},
    )
    assert len(probe_of(run).images) == 2
    (photos / "b.png").write_bytes((photos / "a.png").read_bytes())
    with pytest.raises(ProbeError, match="not those that"):
        probe_of(run)
