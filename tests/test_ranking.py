"""A run's models ranked as sources: values, intervals and shares against loops over the draws; what is missing; the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import rankdata, spearmanr
from small_zoo import write_photos, write_zoo

import tfattr
from tfattr.affinity import ImageCosines
from tfattr.baselines import dds, predictivity
from tfattr.cli.main import cli
from tfattr.errors import RecordsError, SettingsError
from tfattr.evaluation import interval, resamples
from tfattr.evaluation.sources import RANKING_NAME, SourceRanking
from tfattr.runs.ranking import INGREDIENTS, rank_run
from tfattr.runs.representations import Representations
from tfattr.runs.study import STUDY_NAME

MODELS = ("one", "two", "three")
IMAGES = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run inside a study; another run of it has the comparisons of parts."""
    folder = tmp_path_factory.mktemp("ranking")
    zoo = write_zoo(folder, {name: seed for seed, name in enumerate(MODELS, 1)})
    photos = write_photos(folder / "photos", IMAGES)
    return tfattr.run(
        tfattr.open_zoo(zoo), photos, folder / "study" / "main", methods=["grad_input"], progress=False
    )


def add_parts(run):
    random = np.random.default_rng(0)
    entries = {
        f"grad_input_{name}": random.random((IMAGES, size))
        for name, size in (("subspace", 3), ("explained", 6))
    }
    entries = {name: values.astype(np.float32) for name, values in entries.items()}
    beside = run.path.parent / "main_channels"
    beside.mkdir()
    measures = {name: name.rsplit("_", 1)[1] for name in entries}
    ImageCosines(MODELS, run.images, entries, measures).save(beside / "affinity_images.npz")
    runs = [
        {"label": label, "probe": "photos", "target": target}
        for label, target in (("main", "sum"), ("main_channels", "channels:8"))
    ]
    (run.path.parent / STUDY_NAME).write_text(json.dumps({"zoo": "zoo", "runs": runs}))
    return entries


def test_columns_are_the_measures_with_their_intervals_and_how_often_first(run):
    draws = 40
    found = rank_run(run.path, draws, save=False)
    assert found.measures == ("recommended", "grad_input", "dds", "predictivity")
    codes = dict(Representations(run.path))
    cosines = ImageCosines.load(run.path / "affinity_images.npz")
    weights = resamples(IMAGES, draws)
    by_hand = {
        "predictivity": predictivity(codes, {}).affinities,
        "dds": lambda rows: np.stack(
            [dds(codes).affinity(np.repeat(np.arange(IMAGES), row)) for row in rows]
        ),
        "grad_input": lambda rows: cosines.mean("grad_input", rows),
    }
    for name, measure in by_hand.items():
        at = found.column(name)
        drawn = measure(weights)
        np.testing.assert_allclose(found.values[at], measure(np.ones((1, IMAGES), int))[0], atol=1e-9)
        for t in range(3):
            defined = [draw[t] for draw in drawn if np.isfinite(np.delete(draw[t], t)).all()]
            best = [max(set(range(3)) - {t}, key=row.__getitem__) for row in defined]
            for s in set(range(3)) - {t}:
                np.testing.assert_allclose(
                    (found.low[at, t, s], found.high[at, t, s]), interval(drawn[:, t, s]), atol=1e-6
                )
                # Ties fall either way by rounding.
                assert found.first[at, t, s] == pytest.approx(np.mean([one == s for one in best]), abs=0.03)


def test_recommended_is_the_mean_rank_of_its_parts(run):
    found = rank_run(run.path, 20, save=False)
    parts = [found.values[found.column(name)] for name in INGREDIENTS if name in found.measures]
    assert len(parts) == 2  # without maps of parts
    for t in range(3):
        others = [s for s in range(3) if s != t]
        expected = np.mean([rankdata(part[t, others]) for part in parts], axis=0) / 3
        np.testing.assert_allclose(found.values[found.column("recommended")][t, others], expected)


def test_rows_are_ordered_by_any_column(run):
    found = rank_run(run.path, 20, save=False)
    for by in found.measures:
        rows = found.rows("two", by)
        values = found.values[found.column(by)][1]
        assert [row["source"] for row in rows] == [MODELS[at] for at in np.argsort(-values) if at != 1]
        assert rows[0]["affinity"] == max(values[[0, 2]])
        assert set(rows[0]) == {"source", "affinity", "low", "high", "first", *found.measures} - {by}
    frame = run.rank("two", by="dds")
    assert list(frame["source"]) == [row["source"] for row in found.rows("two", "dds")]
    np.testing.assert_allclose(frame["affinity"], [row["affinity"] for row in found.rows("two", "dds")])


def test_agreement_is_the_mean_rank_correlation_over_targets(run):
    found = rank_run(run.path, 5, save=False)
    agreement = found.agreement()
    a, b = (found.values[found.column(name)] for name in ("dds", "grad_input"))
    rows = [[s for s in range(3) if s != t] for t in range(3)]
    expected = np.mean([spearmanr(a[t][others], b[t][others]).statistic for t, others in enumerate(rows)])
    assert agreement[found.column("dds"), found.column("grad_input")] == pytest.approx(expected)
    np.testing.assert_array_equal(np.diag(agreement), 1)


def test_what_the_run_lacks_is_named_and_found_beside_it_later(run):
    without = rank_run(run.path)
    assert set(without.missing) == {"subspace", "explained"}
    assert "--target channels" in without.missing["subspace"]
    with pytest.raises(SettingsError, match="--target channels"):
        without.rows("one", "subspace")
    kept = (run.path / RANKING_NAME).stat().st_mtime_ns
    assert rank_run(run.path).measures == without.measures
    assert (run.path / RANKING_NAME).stat().st_mtime_ns == kept  # read, not computed again
    entries = add_parts(run)
    found = rank_run(run.path)
    assert found.measures[:4] == ("recommended", "subspace", "grad_input", "dds")
    assert found.missing == {}
    mean = entries["grad_input_explained"].mean(axis=0)
    np.testing.assert_allclose(found.values[found.column("explained")][0, 1:], mean[:2], atol=1e-6)
    (
        run.path.parent / STUDY_NAME
    ).unlink()  # a run of this name is found without a study, if the images are the same
    shutil.copy(run.path / "run.json", run.path.parent / "main_channels")
    assert rank_run(run.path, 5, save=False).missing == {}
    beside = run.path.parent / "main_channels" / "affinity_images.npz"
    others = ImageCosines.load(beside)
    replace(others, images=tuple(f"other {image}" for image in others.images)).save(beside)
    assert set(rank_run(run.path, 5, save=False).missing) == {"subspace", "explained"}
    read = SourceRanking.load(run.path / RANKING_NAME)
    np.testing.assert_array_equal(read.first, found.first)


def test_the_command_prints_them_side_by_side(run):
    def said(*arguments):
        done = CliRunner().invoke(cli, ["rank", str(run.path), *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output.splitlines()

    found = rank_run(run.path)
    lines = said("one")
    assert len(lines) == 3
    assert [lines[0].index(name) for name in found.measures[:4] if name in lines[0]] == sorted(
        lines[0].index(name) for name in found.measures[:4] if name in lines[0]
    )
    assert [line.split()[1] for line in lines[1:3]] == [row["source"] for row in found.rows("one")]
    best = found.rows("one")[0]
    assert f"{best['affinity']:.3f}" in lines[1]
    assert f"{best['first']:.0%}" in lines[1]
    assert [line.split()[1] for line in said("one", "--by", "rsa")[1:3]] == [
        row["source"] for row in rank_run(run.path, measures=["rsa"]).rows("one", "rsa")
    ]


def test_unknown_names_say_what_there_is(run, tmp_path):
    with pytest.raises(SettingsError, match="did you mean two"):
        rank_run(run.path).rows("tow")
    with pytest.raises(SettingsError, match="no measure 'rca'.*dds"):
        rank_run(run.path, measures=["rca"])
    (tmp_path / "x.npz").write_bytes(b"no zip file")
    with pytest.raises(RecordsError, match=r"x\.npz"):
        SourceRanking.load(tmp_path / "x.npz")
