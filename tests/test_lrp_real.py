"""The iNNvestigate engine on real weights and on the zoo's builders, against the authors' formula.

The two differ where they are meant to: iNNvestigate's rule has its epsilon at every linear layer, the
authors' at five non-linearities only; a saturated ReLU6 keeps relevance in one and has no gradient in the
other; a normaliser (DPED's instance norm) takes no relevance in one and is differentiated in the other.
"""

from __future__ import annotations

import numpy as np
import pytest
from lrp_nets import CHANGED, cosines, family_graph, gradient, images
from PIL import Image

from tfattr.attribution.lrp import clear_cache, engine, relevance
from tfattr.trunk.assemble import assemble

pytestmark = pytest.mark.slow

ROOMS = ("rgb2depth_plain", "rgb2mist", "colorization", "class_1000")
REAL = {
    "mobilenets": ("mobilenet_v1_1.0_224", "mobilenet_v1_0.25_224", "mobilenet_v1_0.25_128"),
    "super-resolution": ("espcn_x2", "fsrcnn_x2", "fsrcnn_x3", "lapsrn_x2"),
    "faces": ("mtcnn_onet", "mtcnn_rnet"),
    **{name: (name,) for name in ("pose", "hed_document", "dped_iphone", "retinex_decom", "picnoise")},
}
# Least cosine with the authors' formula at epsilon 1e-7; those left out differ by rule, see the tests below.
AGREEMENT = {
    **dict.fromkeys(ROOMS, 0.9999),
    "pose": 0.999,
    "mtcnn_onet": 0.9999,
    "mtcnn_rnet": 0.9999,
    "retinex_decom": 0.9999,
    "picnoise": 0.99,
    "espcn_x2": 0.9999,
    "fsrcnn_x2": 0.9999,
    "fsrcnn_x3": 0.9999,
    "lapsrn_x2": 0.9999,
}


def read(paths):
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


@pytest.fixture(scope="module")
def photographs(rooms_photos):
    return read(rooms_photos[:2])


@pytest.fixture(scope="module")
def real_photographs(shared):
    return read(sorted((shared / "real" / "probe" / "coco").glob("*.jpg"))[:2])


@pytest.fixture(autouse=True)
def _fresh():
    yield
    clear_cache()


def parts(trunk):
    return trunk.graph_def, trunk.input, trunk.output


@pytest.mark.parametrize("family", REAL)
def test_real_networks_go_through(family, real_trunk, real_photographs):
    for name in REAL[family]:
        goes_through(name, real_trunk(name), real_photographs)


@pytest.mark.parametrize("name", ROOMS)
def test_embedded_network_goes_through(name, rooms_trunk, photographs):
    goes_through(name, rooms_trunk(name), photographs)


def goes_through(name, trunk, photographs):
    """The engine itself verifies the Keras model; what is left is that maps are sane, and agree."""
    x = np.asarray(trunk.preprocess(photographs), np.float32)
    found = relevance(*parts(trunk), x, epsilon=1e-7)
    assert np.all(np.isfinite(found))
    assert np.any(found, axis=(1, 2, 3)).all()
    if name in AGREEMENT:
        authors = x * gradient(*parts(trunk), x, eps=1e-7)
        assert cosines(found, authors).min() >= AGREEMENT[name]


def test_relu6_is_all_that_differs_in_a_mobilenet():
    size = (64, 64, 3)
    plain = assemble(
        *family_graph("mobilenet_v1", size[:2], depth_multiplier=0.25), size, (-1.0, 1.0), "mobilenet_v1"
    )
    relu6_is_all_that_differs((plain.graph_def, plain.input, plain.output), images(2, size))


@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_128", "hed_document"])
def test_relu6_is_all_that_differs_in_the_real_ones(name, real_trunk, real_photographs):
    trunk = real_trunk(name)
    relu6_is_all_that_differs(parts(trunk), np.asarray(trunk.preprocess(real_photographs), np.float32))


def relu6_is_all_that_differs(graph, x):
    found = relevance(*graph, x, epsilon=1e-7)
    plain = x * gradient(*graph, x, eps=1e-7)
    passing = x * gradient(*graph, x, eps=1e-7, changed=(*CHANGED, "Relu6"))
    assert cosines(found, passing).min() >= 0.999
    assert cosines(found, plain).max() < cosines(found, passing).min()


def test_two_networks_of_one_architecture_share_an_analyzer(rooms_trunk, photographs):
    for name in ("rgb2depth", "rgb2mist"):
        trunk = rooms_trunk(name)
        relevance(*parts(trunk), np.asarray(trunk.preprocess(photographs[:1]), np.float32))
    assert len(engine._built) == 1


def test_folded_resnet_50_against_the_authors_formula():
    size = (64, 64, 3)
    plain = assemble(*family_graph("resnet_v1_50", size[:2]), size, (-1.0, 1.0), "resnet_v1_50")
    graph, x = (plain.graph_def, plain.input, plain.output), images(2, size)
    for epsilon, least in ((1e-4, 0.99), (1e-7, 0.999)):
        found = relevance(*graph, x, epsilon=epsilon)
        authors = x * gradient(*graph, x, eps=epsilon)
        assert cosines(found, authors).min() >= least
    assert cosines(found, x * gradient(*graph, x)).min() >= 0.999


BUILDERS = {
    "mobilenet_v1": ((64, 64), {"depth_multiplier": 0.25}),
    "vgg_16": ((224, 224), {"depth_multiplier": 0.05}),
    "inception_v3": ((107, 107), {"depth_multiplier": 0.25}),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_goes_through_with_its_batch_norm_unfolded(name):
    """The conversion folds batch norm itself: no trunk is needed, and no affine layer is left."""
    size, options = BUILDERS[name]
    graph, x = family_graph(name, size, **options), images(1, (*size, 3))
    found = relevance(*graph, x, epsilon=1e-7)
    (trunk,) = engine._trunks.values()
    assert "affine" not in {spec.kind for spec in trunk.plan.layers}
    changed = (*CHANGED, "Relu6") if name == "mobilenet_v1" else CHANGED
    assert cosines(found, x * gradient(*graph, x, eps=1e-7, changed=changed)).min() >= 0.999
