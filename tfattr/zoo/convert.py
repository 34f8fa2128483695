"""Weights that are no TensorFlow checkpoint (MATLAB, pickles, .npy) become one, under the builder's names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.errors import ModelFileError
from tfattr.safety import safe_pickle
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk.freeze import open_checkpoint
from tfattr.zoo.layers import norm_name
from tfattr.zoo.tinyface import EPSILON

Tensors = dict[str, np.ndarray]
# An extra tensor of a converted checkpoint: the mean pixel that its net was fed without.
MEAN_NAME = "average_image"


def read(family: str, path: str | os.PathLike[str]) -> Tensors:
    """Tensors of a foreign weight file by the variable names of ``family`` (``tinyface`` or ``fcrn``).

    Raises ModelFileError where the file is another's, damaged, or a pickle that holds more than arrays.
    """
    path = os.fspath(path)
    with wrap_errors(path):
        if family == "fcrn":
            return fcrn(safe_pickle.load_npy(path), path)
        if path.lower().endswith(".mat"):
            return tinyface(*read_mat(path), path)
        content = safe_pickle.load(path)
        if not isinstance(content, (list, tuple)) or len(content) != 2 or not isinstance(content[1], dict):
            raise ModelFileError(
                f"{path}: expected the Tiny Face port's list of two dictionaries, blocks and weights."
            )
        return tinyface(content[1], {}, path)


def fcrn(layers: Any, where: str) -> Tensors:
    """``{layer: {weights, biases | mean, variance, scale, offset}}`` as ``layer/kind``, float32."""
    if not isinstance(layers, dict) or not all(isinstance(layer, dict) for layer in layers.values()):
        raise ModelFileError(f"{where}: expected a dictionary of layers, each a dictionary of arrays.")
    return {
        f"{name}/{kind}": np.asarray(values, np.float32)
        for name, layer in layers.items()
        for kind, values in layer.items()
    }


def tinyface(params: Mapping[str, Any], epsilons: Mapping[str, float], where: str) -> Tensors:
    """MatConvNet's parameters (or the TensorFlow port's pickled ones) under the port's variable names.

    ``params``: kernels ``<layer>_filter`` ``[kh, kw, cin, cout]``, biases ``<layer>_bias``; batch norm
    ``_mult``, ``_bias``, ``_moments`` (mean and sigma; variance = sigma^2 - epsilon), or the four statistics
    by name. ``epsilons``: of the batch norms by the base of their parameters, 1e-5 where absent.
    """
    norms = {key.rsplit("_", 1)[0] for key in params if key.endswith(("_mult", "_scale"))}
    tensors: Tensors = {}
    for key, value in params.items():
        if key == MEAN_NAME:
            pixels = np.asarray(value, np.float32).reshape(-1, 3)  # one, or a mean image [h, w, 3]
            tensors[MEAN_NAME] = pixels.mean(0)
            continue
        if isinstance(value, str):  # the port's converter writes each layer's type beside its weights
            continue
        base, _, kind = key.rpartition("_")
        if base in norms:
            name = norm_name(base) if base.startswith(("res", "conv")) else base
            tensors.update(_norm(name, kind, np.asarray(value, np.float32), epsilons.get(base, EPSILON)))
        elif kind == "filter":
            tensors[f"{base}_w"] = np.asarray(value, np.float32)
        elif kind == "bias":
            tensors[f"{base}_b"] = np.asarray(value, np.float32).reshape(-1)
    if "conv1_w" not in tensors:
        raise ModelFileError(
            f"{where}: no weights of Tiny Face in it; expected conv1_filter among {len(params)} parameters."
        )
    return tensors


def _norm(name: str, kind: str, value: np.ndarray, epsilon: float) -> Tensors:
    if kind == "moments":
        mean, sigma = value[:, 0], value[:, 1]
        return {f"{name}_mean": mean, f"{name}_variance": sigma**2 - np.float32(epsilon)}
    kind = {"mult": "scale", "bias": "offset"}.get(kind, kind)
    return {f"{name}_{kind}": value.reshape(-1)}


def read_mat(path: str) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Parameters of a MatConvNet DagNN ``.mat`` by name, and the epsilons of its batch norms.

    Raises ModelFileError where the file is no such network.
    """
    import scipy.io

    try:
        net = scipy.io.loadmat(path, struct_as_record=False)["net"][0, 0]
        params = {str(param.name[0]): np.asarray(param.value) for param in net.params.ravel()}
        layers = net.layers.ravel() if hasattr(net, "layers") else ()
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be read ({error.strerror or error}); check the path."
        ) from error
    except Exception as error:  # scipy raises many kinds for a damaged or foreign file
        raise ModelFileError(
            f"{path}: not a MatConvNet network ({type(error).__name__}: {error}); expected a .mat with net.params."
        ) from error
    epsilons = {}
    for layer in layers:
        epsilon = getattr(_only(getattr(layer, "block", None)), "epsilon", None)
        names = [str(name[0]) for name in np.ravel(getattr(layer, "params", ())) if np.size(name)]
        if epsilon is not None and names:
            epsilons[names[0].rsplit("_", 1)[0]] = float(np.ravel(epsilon)[0])
    average = _only(getattr(_only(getattr(net, "meta", None)), "normalization", None))
    if hasattr(average, "averageImage"):
        params[MEAN_NAME] = average.averageImage
    return params, epsilons


def _only(value: Any) -> Any:
    return value.ravel()[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def write_checkpoint(tensors: Mapping[str, np.ndarray], prefix: str | os.PathLike[str]) -> None:
    """A V2 checkpoint of ``tensors`` at ``prefix``; its index, which makes it one, is put there last."""
    prefix = Path(prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=prefix.parent) as scratch:
        whole = Path(scratch) / prefix.name
        tf.raw_ops.SaveV2(
            prefix=str(whole),
            tensor_names=list(tensors),
            shape_and_slices=[""] * len(tensors),
            tensors=[tf.constant(value) for value in tensors.values()],
        )
        for path in sorted(Path(scratch).iterdir()):  # .data before .index
            os.replace(path, prefix.parent / path.name)


def stored_mean(prefix: str | os.PathLike[str]) -> tuple[float, ...] | None:
    """The mean pixel that a converted checkpoint carries, or None."""
    with wrap_errors(os.fspath(prefix)):
        reader = open_checkpoint(os.fspath(prefix))
        if not reader.has_tensor(MEAN_NAME):
            return None
        return tuple(float(value) for value in reader.get_tensor(MEAN_NAME))
