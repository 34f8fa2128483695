"""Taskonomy's measured ranking: the shipped table, its derivation, the authors' array."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tfattr.errors import ModelFileError
from tfattr.zoo.taskonomy_truth import derive_from_file, main, read_truth, task_names

# Best five sources, as the facts sheet lists them.
TOP_5 = {
    "autoencoder": "denoise inpainting_whole colorization segment2d keypoint2d",
    "segmentsemantic": "curvature rgb2sfnorm keypoint3d reshade class_places",
    "vanishing_point": "rgb2sfnorm room_layout reshade edge3d segment25d",
}


def test_the_shipped_table_is_the_authors_array(shared: Path) -> None:
    authors = np.load(shared / "taskonomy/sort_gt.npy")
    truth = read_truth()
    assert truth.ranking.shape == authors.shape == (18, 20)
    assert (truth.ranking == authors).sum() == 360


def test_derived_from_taskonomys_own_file(shared: Path, tmp_path: Path) -> None:
    source = shared / "taskonomy/all_affinities_16k.pkl"
    main([str(source), str(tmp_path / "truth.csv")])
    derived, written, shipped = derive_from_file(source), read_truth(tmp_path / "truth.csv"), read_truth()
    for other in (written, shipped):
        np.testing.assert_array_equal(derived.ranking, other.ranking)
        np.testing.assert_array_equal(derived.affinity, other.affinity)
    assert not list(tmp_path.glob("*.part"))


def test_rows_and_best_sources() -> None:
    truth = read_truth()
    assert truth.tasks == task_names()
    assert set(truth.tasks) - set(truth.targets) == {"colorization", "inpainting_whole"}
    for row, target in enumerate(truth.targets):
        assert truth.tasks[truth.ranking[row, 0]] == target
        assert sorted(truth.ranking[row]) == list(range(20))
        values = truth.affinity[row, truth.ranking[row, 1:]]
        assert (np.diff(values) < 0).all()  # no ties
        if target in TOP_5:
            assert [truth.tasks[i] for i in truth.ranking[row, 1:6]] == TOP_5[target].split()
    assert np.isnan(truth.affinity).sum() == 18


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"curvature__edge3d": 0.1}))
    with pytest.raises(ModelFileError, match="all_affinities_16k"):
        derive_from_file(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([1.0]))
    with pytest.raises(ModelFileError, match="list"):
        derive_from_file(tmp_path / "x.pkl")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ModelFileError, match="derive it again"):
        read_truth(tmp_path / "x.csv")
