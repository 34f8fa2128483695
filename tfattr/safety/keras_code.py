"""Saved Keras models looked over before Keras loads them: code in layers, modules to import, links to other files.

Keras of TF 2.14 runs the bytecode of Lambda layers while it loads an ``.h5`` file or a SavedModel, and takes
functions and classes of any module by name (CVE-2024-3660, CVE-2025-1550 and their kin). HDF5 reads values out of
other files where a file says so.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Collection, Iterator
from typing import Any

from tfattr.compat.internals import parse_saved_model
from tfattr.compat.keras import keras, saved_metadata
from tfattr.errors import ModelFileError

_ADVICE = "it is refused; if you trust whoever made the file, load it with trust=True (--trust on the command line)."
# Layers that hold bytecode or call what they name.
_CODE = frozenset(("Lambda", "__lambda__", "ResidualWrapper", "ClassMethod", "InstanceMethod"))
_OPERATORS = ("TFOpLambda", "SlicingOpLambda")
_VOCABULARIES = ("StringLookup", "IntegerLookup", "TextVectorization")
# Where Keras keeps what its own models are made of. Its other modules load, download and unpack files.
_MODULES = (
    "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers", "keras.layers", "keras.losses", "keras.metrics",
    "keras.mixed_precision", "keras.models", "keras.optimizers", "keras.regularizers",
)  # fmt: skip
_INTERNAL = frozenset(
    ("Functional", "Sequential", "Model", "InputLayer", "DTypePolicy", "InstanceProperty", "TensorFlowOpLayer", *_OPERATORS)
)  # fmt: skip
# What an operator layer may call: operations on tensors. TensorFlow's other functions delete, copy and load files.
_TENSOR_MODULES = (
    "__operators__.", "math.", "nn.", "linalg.", "image.", "signal.", "bitwise.", "quantization.", "keras.activations.",
    "compat.v1.math.", "compat.v1.nn.", "compat.v1.image.", "compat.v1.linalg.",
)  # fmt: skip
_TENSOR_FUNCTIONS = frozenset(
    """abs acos acosh add add_n argmax argmin argsort asin asinh atan atan2 atanh batch_to_space bitcast boolean_mask
    broadcast_to cast clip_by_norm clip_by_value complex concat cos cosh cumsum depth_to_space divide dynamic_partition
    dynamic_stitch einsum ensure_shape equal exp expand_dims eye fill floor gather gather_nd greater greater_equal
    identity less less_equal logical_and logical_not logical_or matmul maximum meshgrid minimum multiply negative norm
    not_equal one_hot ones ones_like pad pow range rank realdiv reduce_all reduce_any reduce_logsumexp reduce_max
    reduce_mean reduce_min reduce_prod reduce_sum repeat reshape reverse roll round scalar_mul shape sigmoid sign sin
    sinh size slice sort space_to_batch space_to_depth split sqrt square squeeze stack stop_gradient strided_slice
    subtract tan tanh tensordot tile transpose truediv unstack where zeros zeros_like""".split()  # noqa: SIM905
)
_GIB = 1 << 30
_LARGEST = 4 * _GIB  # of one stored array; the largest of the originals has 0.4 GiB
_MOST_DEFLATED = 1100  # deflate makes at most 1032 bytes of one


def check_keras(path: str, trust: bool, own: Collection[str] = ()) -> None:
    """A saved Keras model, as Keras would take it for: ``.keras`` archive, folder, HDF5.

    ``own``: names of custom objects, which Keras takes from the user and not from a module. What is no saved model is
    left to Keras to refuse.

    Raises:
        ModelFileError: it holds code, imports a module of its choice or reads another file, and ``trust`` is not
            given; or it states sizes that it does not hold.
    """
    import h5py

    if os.path.isdir(path):
        if not trust:
            _check_folder(path, own)
    elif path.endswith(".keras") and zipfile.is_zipfile(path):
        _check_archive(path, trust, own)
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            check_hdf5(file, path, trust)
            config = file.attrs.get("model_config")
            if config is not None and not trust:
                check_config(json.loads(config), path, own)


def check_config(config: Any, where: str, own: Collection[str] = ()) -> None:
    """A model's configuration names only Keras's own layers and operations on tensors.

    Raises:
        ModelFileError: it does not.
    """
    for table in _tables(config):
        named = table.get("class_name")
        inner = table.get("config") if isinstance(table.get("config"), dict) else {}
        if named in _CODE or any(
            key.endswith("_type") and value == "lambda"
            for key, value in table.items()
            if isinstance(key, str)
        ):
            raise _refusal(where, f"{_label(table, inner)} holds code")
        if named in _OPERATORS and not _on_tensors(inner.get("function")):
            raise _refusal(where, f"{_label(table, inner)} calls tf.{inner.get('function')}")
        if named in _VOCABULARIES and isinstance(inner.get("vocabulary"), str):
            raise _refusal(where, f"{_label(table, inner)} reads the file {inner['vocabulary']!r}")
        if "module" in table and "class_name" in table:
            _check_module(table, where, own)


def check_hdf5(file: Any, where: str, trust: bool) -> None:
    """An open HDF5 file keeps its values itself, and no array states a size far beyond what is stored.

    Raises:
        ModelFileError: an array or group lies in another file (and ``trust`` is not given), or is a bomb.
    """
    import h5py

    seen, stack = set(), [(file, "")]
    while stack:
        group, place = stack.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            link, inner = group.get(name, getlink=True), f"{place}/{name}"
            if isinstance(link, h5py.ExternalLink):
                if not trust:
                    raise _refusal(where, f"{inner!r} in it lies in the file {link.filename!r}")
                continue
            if isinstance(link, h5py.SoftLink):
                continue  # its target is met where it is
            found = group[name]
            if isinstance(found, h5py.Group):
                stack.append((found, inner))
            elif isinstance(found, h5py.Dataset):
                if (found.external or found.is_virtual) and not trust:
                    raise _refusal(where, f"the values of {inner!r} in it lie in another file")
                stored = max(found.id.get_storage_size(), 1 << 10)
                if found.nbytes > min(_LARGEST, _MOST_DEFLATED * stored) and not found.external:
                    raise ModelFileError(
                        f"{where}: {inner!r} states {found.nbytes:,} bytes and stores {found.id.get_storage_size():,}; "
                        "the file is damaged or made to fill memory: fetch it again."
                    )


def _check_archive(path: str, trust: bool, own: Collection[str]) -> None:
    import h5py

    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.file_size > min(_LARGEST, _MOST_DEFLATED * max(info.compress_size, 1 << 10)):
                raise ModelFileError(
                    f"{path}: {info.filename!r} in it states {info.file_size:,} bytes out of {info.compress_size:,}; the "
                    "file is damaged or made to fill memory: fetch it again."
                )
        names = archive.namelist()
        if not trust:
            if any(name.endswith(".npz") for name in names):  # Keras unpickles it
                raise _refusal(path, "its weights are an .npz, which can hold code")
            check_config(json.loads(archive.read("config.json")), path, own)
        for name in names:
            if name.endswith(".h5"):
                with h5py.File(io.BytesIO(archive.read(name)), "r") as file:
                    check_hdf5(file, path, trust)


def _check_folder(path: str, own: Collection[str]) -> None:
    """The configurations that a SavedModel of Keras keeps beside its graph, in TF 2.5 and later or before."""
    texts = [
        node.user_object.metadata
        for meta_graph in parse_saved_model(path).meta_graphs
        for node in meta_graph.object_graph_def.nodes
    ]
    beside = os.path.join(path, "keras_metadata.pb")
    if os.path.exists(beside):
        with open(beside, "rb") as file:
            texts += [node.metadata for node in saved_metadata().FromString(file.read()).nodes]
    for text in texts:
        if text.strip():
            check_config(json.loads(text), path, own)


def _tables(config: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in a configuration, however deep."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _on_tensors(function: Any) -> bool:
    if not isinstance(function, str) or "py_function" in function:
        return False
    return function.startswith(_TENSOR_MODULES) or function in _TENSOR_FUNCTIONS


def _check_module(table: dict[str, Any], where: str, own: Collection[str]) -> None:
    module, named = table["module"], table["class_name"]
    registered = table.get("registered_name")
    if (table.get("config") if named == "function" else registered) in own:
        return  # as Keras looks it up
    if module is None or module == "builtins":
        return
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return  # the user has registered it, and Keras takes that one
    name = table.get("config") if named == "function" else named
    public = isinstance(module, str) and any(module == at or module.startswith(f"{at}.") for at in _MODULES)
    internal = isinstance(module, str) and (
        (module.partition(".")[0] in ("keras", "tf_keras") and named in _INTERNAL)
        or (module.startswith("keras.src.ops.") and named != "function")  # operations of Keras 3
    )
    if not (internal or (public and isinstance(name, str) and "." not in name)):
        raise _refusal(
            where,
            f"it takes {name!r} from the module {module!r} (custom_objects={{{name!r}: ...}} gives it yours)",
        )


def _label(table: dict[str, Any], inner: dict[str, Any]) -> str:
    name = inner.get("name") or table.get("name")
    return (
        f"the layer {name!r} ({table.get('class_name')})" if name else f"a layer ({table.get('class_name')})"
    )


def _refusal(where: str, what: str) -> ModelFileError:
    return ModelFileError(f"{where}: {what}; {_ADVICE}")
