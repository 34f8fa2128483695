"""What every original must do: its published structure, and its checkpoint through session and Trunk alike.

Graphs written apart from the package (``zoo/graphs.py``) give the table family -> representation, gradient * input,
epsilon-LRP, which ``-rP`` prints. Preprocessing has tests of its own: test_feeding.py; bit equality: test_as_given.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from zoo import fake
from zoo.cases import CASES, Case
from zoo.graphs import GRAPHS

from tfattr.attribution import attributions
from tfattr.attribution.settings import AttributionSettings
from tfattr.trunk import Preprocessing, Trunk
from tfattr.trunk.graph import unoptimised
from tfattr.zoo import family
from tfattr.zoo.inpainting import make_mask

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # slim's deprecated layer.apply


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
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


@dataclass(frozen=True)
class Loaded:
    """A batch, what a TF1 session with a Saver makes of it, and the Trunk of the same file.

    ``by_session``: the representations; ``weights``: of the trunk, by name.
    """

    case: Case
    x: np.ndarray
    by_session: np.ndarray
    trunk: Trunk
    weights: dict[str, np.ndarray]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, id=case.id, marks=[pytest.mark.exhaustive] if case.like else []) for case in CASES
    ],
)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    case: Case = request.param
    shapes = case.reduced_shapes or case.shapes
    folder = tmp_path_factory.mktemp(case.id)
    weights = fake.values({**shapes, **case.extras})
    prefix = fake.write(folder / "model.ckpt", weights, case.version)
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
        with tf.compat.v1.Session(config=unoptimised()) as session:
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
    return Loaded(case, x, by_session, trunk, {name: weights[name] for name in shapes})


@pytest.mark.slow
def test_session_and_trunk_agree(loaded: Loaded) -> None:
    x, by_session = loaded.x, loaded.by_session
    by_trunk = np.asarray(loaded.trunk(x))
    assert by_trunk.shape == by_session.shape
    assert np.isfinite(by_session).all()
    assert np.ptp(by_session) > 0
    assert np.abs(by_trunk - by_session).max() <= 1e-4 * np.abs(by_session).max()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["deepexplain", "innvestigate"])
def test_all_three_methods_run(loaded: Loaded, engine: str) -> None:
    """Maps are finite, not empty, and |gradient * input| is saliency * |input|.

    iNNvestigate's engine compares its Keras model with the trunk when it converts, and raises beyond 1e-4.
    """
    x, trunk = loaded.x, loaded.trunk
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


EPSILON = 1e-4
OVERRIDDEN = ("Relu", "Elu", "Sigmoid", "Tanh", "Softplus")


@tf.RegisterGradient("TestDeepExplain")
def _changed_chain_rule(op: tf.Operation, gradient: tf.Tensor) -> tf.Tensor:
    """DeepExplain's epsilon-LRP: f(z) / (z + epsilon * sign(z)) in place of f'(z), with sign(0) = 1."""
    z = op.inputs[0]
    return gradient * op.outputs[0] / (z + EPSILON * tf.where(z >= 0, tf.ones_like(z), -tf.ones_like(z)))


def by_hand(
    case: Case, weights: dict[str, np.ndarray], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Representation, gradient * input, epsilon-LRP of the graph written apart from the package, in a TF1 session."""
    options = {"hole": make_mask(case.options["mask"], *case.reduced)} if case.family == "inpainting" else {}
    found = []
    for overrides in ({}, dict.fromkeys(OVERRIDDEN, "TestDeepExplain")):
        with tf.Graph().as_default() as graph, graph.gradient_override_map(overrides):
            fed = tf.compat.v1.placeholder(tf.float32, x.shape)
            y = GRAPHS[case.family](fed, weights, **options)
            gradient = tf.gradients(y, fed)[0]
            # Optimising a graph of large constants takes longer than running it.
            with tf.compat.v1.Session(config=unoptimised()) as session:
                representation, slope = session.run([y, gradient], {fed: x})
        found.append(slope * x)
    return representation, found[0], found[1]


@pytest.mark.slow
def test_a_graph_written_apart_gives_the_same(loaded: Loaded) -> None:
    case = loaded.case
    if case.family not in GRAPHS:
        pytest.skip("the same layers as the ResNet with 50")
    x, trunk = loaded.x[:1], loaded.trunk
    settings = AttributionSettings(("grad_input", "elrp"), engine="deepexplain", epsilon=EPSILON)
    ours = [trunk(x), *attributions(trunk, x, settings).values()]

    def apart(ours: np.ndarray, original: np.ndarray) -> tuple[float, float]:
        a, b = np.asarray(ours, float).ravel(), original.astype(float).ravel()
        return float(np.abs(a - b).max() / np.abs(b).max()), float(
            a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        )

    rows = [apart(one, other) for one, other in zip(ours, by_hand(case, loaded.weights, x))]
    names = ("representation", "gradient * input", "e-LRP")
    print(
        case.id,
        *(f"{name} {off:.1e}, cosine {cosine:.7f}" for name, (off, cosine) in zip(names, rows)),
        sep=" | ",
    )
    assert rows[0][0] <= 1e-5
    # Max-pooling of random features chooses by the last bit: FCRN .99989 with TensorFlow 2.21, 1.0000000 with 2.14.
    least = 0.9998 if case.family == "fcrn" and not tf.__version__.startswith("2.14") else 0.9999
    assert rows[1][1] >= least
    assert rows[2][1] >= least
