"""Foreign weight files: MATLAB, .npy and pickles, read for their arrays alone."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from zoo import expected

from tfattr.errors import ModelFileError
from tfattr.safety import safe_pickle
from tfattr.zoo import convert
from tfattr.zoo.originals import entry


class Evil:
    """Pickles as a call of ``os.system``."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_from_every_protocol(protocol: int) -> None:
    value = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": [np.float32(2), "text", (1, None, True)],
        "c": np.arange(3),
    }
    value["d"] = np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3))
    found = safe_pickle.loads(pickle.dumps(value, protocol), "x.pkl")
    np.testing.assert_array_equal(found["a"], value["a"])
    np.testing.assert_array_equal(found["d"], value["d"])
    assert found["b"] == value["b"]


def test_a_python_2_pickle_of_arrays() -> None:
    """As Python 2 and numpy 1.12 wrote it: text protocol, byte strings."""
    content = (
        b"(dp0\nS'k'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
        b"tp6\nRp7\n(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\n"
        b"I-1\nI0\ntp14\nbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np15\ntp16\nbs."
    )
    np.testing.assert_array_equal(safe_pickle.loads(content, "x")["k"], np.array([1, 2], np.float32))


def test_code_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = Evil(f"touch {mark}")
    for content in (
        evil,
        {"layer": {"weights": evil}},
        [{}, {"conv1_filter": evil}],
        np.array([evil], object),
    ):
        with pytest.raises(ModelFileError, match="it holds"):
            safe_pickle.loads(pickle.dumps(content), "evil.pkl")
    np.save(tmp_path / "evil.npy", np.array({"conv1": evil}, object), allow_pickle=True)
    with pytest.raises(ModelFileError, match="it holds"):
        safe_pickle.load_npy(tmp_path / "evil.npy")
    for name in ("builtins.eval", "numpy.load", "numpy.core.multiarray.fromfile", "os.system"):
        module, _, function = name.rpartition(".")
        with pytest.raises(ModelFileError, match=function):
            safe_pickle.loads(f"c{module}\n{function}\n.".encode(), "evil.pkl")
    assert not mark.exists()


def test_damaged_and_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    whole = pickle.dumps({"a": np.arange(1000.0)})
    for content in (b"", b"no pickle", whole[: len(whole) // 2]):
        with pytest.raises(ModelFileError, match="x.pkl"):
            safe_pickle.loads(content, "x.pkl")
    with pytest.raises(ModelFileError, match="array of objects"):
        safe_pickle.loads(pickle.dumps({"a": np.array([None, 1], object)}), "x.pkl")
    for name, content in (("a.npy", b"text"), ("a.mat", b"text" * 100), ("a.pkl", pickle.dumps([1, 2, 3]))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=name):
            convert.read("fcrn" if name.endswith("npy") else "tinyface", tmp_path / name)
    with pytest.raises(ModelFileError, match="absent"):
        convert.read("tinyface", tmp_path / "absent.mat")
    np.save(tmp_path / "cut.npy", np.array({"a": {"weights": np.zeros(1000)}}, object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:500])
    with pytest.raises(ModelFileError, match=r"cut\.npy"):
        convert.read("fcrn", tmp_path / "cut.npy")


def test_fcrn_npy_becomes_a_checkpoint(tmp_path: Path) -> None:
    """A dictionary of layers, as the project's own file: every variable of the builder's table arrives."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    shapes = {name: shape for name, shape in expected.fcrn().items() if np.prod(shape) < 20_000}
    for number, (name, shape) in enumerate(shapes.items()):
        layer, kind = name.rsplit("/", 1)
        layers.setdefault(layer, {})[kind] = np.full(shape, number, np.float64)
    np.save(tmp_path / "NYU.npy", np.array(layers, object), allow_pickle=True)
    convert.write_checkpoint(convert.read("fcrn", tmp_path / "NYU.npy"), tmp_path / "made/NYU")
    reader = tf.train.load_checkpoint(str(tmp_path / "made/NYU"))
    assert reader.get_variable_to_shape_map() == shapes
    for number, name in enumerate(shapes):
        value = reader.get_tensor(name)
        assert value.dtype == np.float32
        assert (value == number).all()
    assert convert.stored_mean(tmp_path / "made/NYU") is None
    assert sorted(path.suffix for path in (tmp_path / "made").iterdir()) == [".data-00000-of-00001", ".index"]


def matconvnet(base: str, kernel: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A convolution and its batch norm as MatConvNet stores them."""
    norm = f"bn{base[3:]}" if base.startswith("res") else f"bn_{base}"
    channels = kernel[3]
    return {
        f"{base}_filter": rng.standard_normal(kernel).astype(np.float32),
        f"{norm}_mult": rng.uniform(0.5, 2, (channels, 1)).astype(np.float32),
        f"{norm}_bias": rng.standard_normal((channels, 1)).astype(np.float32),
        f"{norm}_moments": rng.uniform(0.5, 2, (channels, 2)).astype(np.float32),
    }


def test_tiny_face_mat(tmp_path: Path) -> None:
    """Structs as MatConvNet's DagNN saves them: names, sigma to variance with the file's epsilon, mean pixel."""
    import scipy.io

    rng = np.random.default_rng(0)
    params = {
        **matconvnet("conv1", (7, 7, 3, 8), rng),
        **matconvnet("res4b22_branch2a", (1, 1, 8, 4), rng),
        "score_res4_filter": rng.standard_normal((1, 1, 8, 5)).astype(np.float32),
        "score_res4_bias": rng.standard_normal((1, 5)).astype(np.float32),
    }
    table = np.zeros((1, len(params)), [("name", object), ("value", object), ("trainMethod", object)])
    for index, (name, value) in enumerate(params.items()):
        table[0, index] = (name, value, "gradient")
    layers = np.zeros((1, 2), [("name", object), ("type", object), ("block", object), ("params", object)])

    def cell(*names: str) -> np.ndarray:
        return np.array(names, object).reshape(1, -1)

    layers[0, 0] = ("conv1", "dagnn.Conv", {"stride": 2.0}, cell("conv1_filter"))
    layers[0, 1] = (
        "bn_conv1",
        "dagnn.BatchNorm",
        {"epsilon": 1e-4},
        cell("bn_conv1_mult", "bn_conv1_bias", "bn_conv1_moments"),
    )
    image = np.broadcast_to(np.array([119.0, 110.0, 101.0]), (4, 4, 3)) + rng.standard_normal((4, 4, 1))
    net = {"params": table, "layers": layers, "meta": {"normalization": {"averageImage": image}}}
    scipy.io.savemat(tmp_path / "hr_res101.mat", {"net": net})

    found = convert.read("tinyface", tmp_path / "hr_res101.mat")
    known = expected.tinyface()
    assert set(found) - set(known) == {"score_res4_w", "score_res4_b", "average_image"}
    np.testing.assert_array_equal(found["conv1_w"], params["conv1_filter"])
    np.testing.assert_array_equal(found["score_res4_b"], params["score_res4_bias"][0])
    np.testing.assert_array_equal(found["bn4b22_branch2a_offset"], params["bn4b22_branch2a_bias"][:, 0])
    for norm, epsilon in (("bn_conv1", 1e-4), ("bn4b22_branch2a", 1e-5)):
        moments = params[f"{norm}_moments"]
        np.testing.assert_array_equal(found[f"{norm}_mean"], moments[:, 0])
        np.testing.assert_allclose(found[f"{norm}_variance"], moments[:, 1] ** 2 - epsilon, rtol=1e-6)
    np.testing.assert_allclose(found["average_image"], image.reshape(-1, 3).mean(0), rtol=1e-5)


def test_tiny_face_pickle_of_the_port(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    stored = matconvnet("conv1", (7, 7, 3, 8), rng)
    ported = {
        "conv1_filter": stored["conv1_filter"],
        "bn_conv1_scale": stored["bn_conv1_mult"][:, 0],
        "bn_conv1_offset": stored["bn_conv1_bias"][:, 0],
        "bn_conv1_mean": stored["bn_conv1_moments"][:, 0],
        "bn_conv1_variance": stored["bn_conv1_moments"][:, 1],
        "average_image": np.array(entry("tinyface").frame["mean"], np.float32),
        "clusters": np.zeros((25, 5)),
    }
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps([{}, ported]))
    found = convert.read("tinyface", tmp_path / "weights.pkl")
    for name in ("scale", "offset", "mean", "variance"):
        np.testing.assert_array_equal(found[f"bn_conv1_{name}"], ported[f"bn_conv1_{name}"])
    assert set(found) == {
        "conv1_w",
        "average_image",
        *(f"bn_conv1_{n}" for n in ("scale", "offset", "mean", "variance")),
    }


def test_tiny_faces_own_pickle_equals_its_mat(tmp_path: Path) -> None:
    """As the port's converter writes it: the .mat's parameters, statistics beside them, the type of each layer."""
    import scipy.io

    rng = np.random.default_rng(2)
    params = {**matconvnet("conv1", (7, 7, 3, 8), rng), **matconvnet("res2a_branch1", (1, 1, 8, 4), rng)}
    params["score4f"] = rng.standard_normal((4, 4, 5, 5)).astype(np.float32)
    table = np.zeros((1, len(params)), [("name", object), ("value", object)])
    for index, (name, value) in enumerate(params.items()):
        table[0, index] = (name, value)
    norms = ("bn_conv1", "bn2a_branch1")
    layers = np.zeros((1, 2), [("name", object), ("type", object), ("block", object), ("params", object)])
    for index, norm in enumerate(norms):
        names = np.array([f"{norm}_{kind}" for kind in ("mult", "bias", "moments")], object).reshape(1, -1)
        layers[0, index] = (norm, "dagnn.BatchNorm", {"epsilon": 1e-4}, names)
    average = np.array([[[119.0, 110.0, 101.0]]], np.float32)
    net = {"params": table, "layers": layers, "meta": {"normalization": {"averageImage": average}}}
    scipy.io.savemat(tmp_path / "hr_res101.mat", {"net": net})

    blocks, ported = {}, {"clusters": np.zeros((25, 5)), "average_image": average[0], **params}
    for layer, kind in (
        *((name, "dagnn.Conv") for name in ("conv1", "res2a_branch1", "score_res4")),
        *((name, "dagnn.BatchNorm") for name in norms),
        *((name, "dagnn.ReLU") for name in ("conv1_relu", "res2a_relu")),
        ("score4", "dagnn.ConvTranspose"),
    ):
        blocks[f"{layer}_type"] = ported[f"{layer}_type"] = np.array([kind])[
            0
        ]  # numpy's string, as loadmat gives
    for norm in norms:
        moments = ported[f"{norm}_moments"]
        ported[f"{norm}_scale"], ported[f"{norm}_offset"] = (
            ported[f"{norm}_mult"][:, 0],
            ported[f"{norm}_bias"][:, 0],
        )
        ported[f"{norm}_mean"] = moments[:, 0]
        ported[f"{norm}_variance"] = moments[:, 1] * moments[:, 1] - np.float32(1e-4)
    ported["score4_filter"] = params["score4f"]
    assert all(isinstance(ported[f"{norm}_type"], np.str_) for norm in norms)
    (tmp_path / "mat2tf.pkl").write_bytes(pickle.dumps([blocks, ported], pickle.HIGHEST_PROTOCOL))

    found, wanted = (convert.read("tinyface", tmp_path / name) for name in ("mat2tf.pkl", "hr_res101.mat"))
    assert set(found) - set(wanted) == {"score4_w"}  # a later layer's, which the .mat calls score4f
    assert {name for name in wanted if name.startswith("bn")} == {
        f"{norm}_{kind}" for norm in norms for kind in ("scale", "offset", "mean", "variance")
    }
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps([{}, {**ported, "conv1_type": Evil("true")}]))
    with pytest.raises(ModelFileError, match="it holds"):
        convert.read("tinyface", tmp_path / "evil.pkl")
