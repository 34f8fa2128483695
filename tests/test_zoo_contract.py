"""What every original must do: its published structure, and its checkpoint through session and Trunk alike."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tensorflow as tf
from zoo import fake
from zoo.cases import CASES, Case

from tfattr.attribution import attributions
from tfattr.attribution.settings import AttributionSettings
from tfattr.trunk import Preprocessing, Trunk
from tfattr.zoo import family

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # slim's deprecated layer.apply


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_structure_at_the_papers_size(case: Case) -> None:
    """Names, shapes, counts and the target tensor are the published ones; nothing is allocated."""
    with tf.Graph().as_default():
        images = tf.compat.v1.placeholder(tf.float32, [None, *case.size])
        _, end_points = family(case.family).build(images, **case.options)
        found = {variable.op.name: variable.shape.as_list() for variable in tf.compat.v1.global_variables()}
    assert found == case.shapes
    assert (len(found), sum(int(np.prod(shape)) for shape in found.values())) == case.totals
    target = end_points[family(case.family).output]
    assert target.name == case.target
    assert tuple(target.shape[1:]) == case.target_shape


@pytest.fixture(scope="module")
def loaded(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, Trunk]:
    """A batch, what a TF1 session with a Saver makes of it, and the Trunk of the same file."""
    if case.like and not os.environ.get("TFATTR_ALL_TESTS"):
        pytest.skip(f"same builder as {case.like}; TFATTR_ALL_TESTS=1 runs it")
    shapes = case.reduced_shapes or case.shapes
    folder = tmp_path_factory.mktemp(case.id)
    prefix = fake.write(folder / "model.ckpt", fake.values({**shapes, **case.extras}), case.version)
    options = {**case.options, **case.reduced_options}
    entry, size = family(case.family), (*case.reduced, case.size[2])
    preprocessing = Preprocessing(
        size=case.reduced,
        color=entry.color if size[2] == 3 else "L",
        range=entry.range,
        mean=entry.mean if size[2] == 3 else (),
    )
    x = np.random.default_rng(7).uniform(*preprocessing.bounds, size=(2, *size)).astype(np.float32)

    with tf.Graph().as_default():
        images = tf.compat.v1.placeholder(tf.float32, [None, *size])
        target = entry.build(images, **options)[1][entry.output]
        saver = tf.compat.v1.train.Saver()
        with tf.compat.v1.Session() as session:
            saver.restore(session, prefix)
            by_session = np.concatenate([session.run(target, {images: image[None]}) for image in x])

    trunk = Trunk.from_checkpoint(
        prefix,
        build=lambda images: entry.build(images, **options),
        output=entry.output,
        preprocessing=preprocessing,
        name=case.id,
    )
    for path in folder.iterdir():
        path.unlink()
    return x, by_session, trunk


def test_session_and_trunk_agree(loaded: tuple[np.ndarray, np.ndarray, Trunk]) -> None:
    x, by_session, trunk = loaded
    by_trunk = np.asarray(trunk(x))
    assert by_trunk.shape == by_session.shape
    assert np.isfinite(by_session).all()
    assert np.ptp(by_session) > 0
    assert np.abs(by_trunk - by_session).max() <= 1e-4 * np.abs(by_session).max()


@pytest.mark.parametrize("engine", ["deepexplain", "innvestigate"])
def test_all_three_methods_run(loaded: tuple[np.ndarray, np.ndarray, Trunk], engine: str) -> None:
    """Maps are finite, not empty, and |gradient * input| is saliency * |input|.

    iNNvestigate's engine compares its Keras model with the trunk when it converts, and raises beyond 1e-4.
    """
    x, _, trunk = loaded
    settings = AttributionSettings(methods=("saliency", "grad_input", "elrp"), engine=engine)
    maps = attributions(trunk, x[:1], settings)
    for found in maps.values():
        assert found.shape == x[:1].shape
        assert np.isfinite(found).all()
        assert np.abs(found).max() > 0
    np.testing.assert_allclose(
        np.abs(maps["grad_input"]),
        maps["saliency"] * np.abs(x[:1]),
        rtol=1e-5,
        atol=1e-6 * maps["saliency"].max(),
    )
