"""Taskonomy's measured ranking: the shipped table, its derivation, the authors' array."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tfattr.errors import ModelFileError, SettingsError
from tfattr.evaluation import Truth, find_truth, read_truth
from tfattr.evaluation.taskonomy import derive_from_file, main, task_names

# Best five sources, as the facts sheet lists them.
TOP_5 = {
    "autoencoder": "denoise inpainting_whole colorization segment2d keypoint2d",
    "segmentsemantic": "curvature rgb2sfnorm keypoint3d reshade class_places",
    "vanishing_point": "rgb2sfnorm room_layout reshade edge3d segment25d",
}


def shipped_truth() -> Truth:
    return read_truth(find_truth("taskonomy"), task_names())


def test_the_shipped_table_is_the_authors_array(shared: Path) -> None:
    authors = np.load(shared / "taskonomy/sort_gt.npy")
    ranking = shipped_truth().ranking()
    assert ranking.shape == authors.shape == (18, 20)
    assert (ranking == authors).sum() == 360


def test_derived_from_taskonomys_own_file(shared: Path, tmp_path: Path) -> None:
    source = shared / "taskonomy/all_affinities_16k.pkl"
    main([str(source), str(tmp_path / "truth.csv")])
    derived, shipped = derive_from_file(source), shipped_truth()
    written = read_truth(tmp_path / "truth.csv", task_names())
    for other in (written, shipped):
        np.testing.assert_array_equal(derived.ranking(), other.ranking())
        np.testing.assert_array_equal(derived.affinity, other.affinity)
    assert [path.name for path in tmp_path.iterdir()] == ["truth.csv"]


def test_rows_and_best_sources() -> None:
    truth = shipped_truth()
    ranking = truth.ranking()
    assert truth.sources == task_names()
    assert set(truth.sources) - set(truth.targets) == {"colorization", "inpainting_whole"}
    for row, target in enumerate(truth.targets):
        assert truth.sources[ranking[row, 0]] == target
        assert sorted(ranking[row]) == list(range(20))
        values = truth.affinity[row, ranking[row, 1:]]
        assert (np.diff(values) < 0).all()  # no ties
        if target in TOP_5:
            assert [truth.sources[i] for i in ranking[row, 1:6]] == TOP_5[target].split()
    assert np.isnan(truth.affinity).sum() == 18


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"curvature__edge3d": 0.1}))
    with pytest.raises(ModelFileError, match="all_affinities_16k"):
        derive_from_file(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([1.0]))
    with pytest.raises(ModelFileError, match="list"):
        derive_from_file(tmp_path / "x.pkl")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SettingsError, match="column 'affinity' is missing"):
        read_truth(tmp_path / "x.csv", task_names())
