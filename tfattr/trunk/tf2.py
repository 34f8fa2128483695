"""Trunks from the models of TensorFlow 2: Keras, SavedModel, TensorFlow Hub."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

# The only way from a ConcreteFunction with variables to constants; it has no public name.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tfattr.compat.keras import keras, keras_3, keras_of, saved_by
from tfattr.errors import GraphError, ModelFileError, TfattrError
from tfattr.trunk import freeze, keras_code, saved_code
from tfattr.trunk import graph as g
from tfattr.trunk.assemble import assemble
from tfattr.trunk.guard import one_sentence
from tfattr.trunk.preprocessing import Preprocessing


def from_keras(
    cls: type,
    model: Any,
    layer: str | None,
    preprocessing: Preprocessing,
    name: str | None,
    *,
    fold_batch_norm: bool,
    trust: bool,
) -> Any:
    """See :meth:`tfattr.trunk.Trunk.from_keras`.

    ``model`` is a Keras model with one input, legacy or (TF >= 2.16) Keras 3, or the path of a saved one (``.h5``,
    ``.keras``, SavedModel folder of legacy Keras). ``layer`` is the name of the layer whose output is the
    representation; None takes the model's.

    Raises:
        ModelFileError: the file is missing, damaged, holds weights without a model, or code or links to other files
            (and ``trust`` is not given).
        GraphError: no such layer, or the model does not take one batch of images of this size.
    """
    source, where = "keras", "Keras model"
    if isinstance(model, (str, os.PathLike)):
        where = os.fspath(model)
        with one_sentence(where):
            model = load_keras(where, trust)
    made_of = keras_of(model)
    if made_of is None:
        raise GraphError(
            f"{where}: found {type(model).__module__}.{type(model).__name__}; expected a model of Keras (tf.keras "
            "up to TensorFlow 2.15, keras or tf_keras later)."
        )
    if made_of is not keras and made_of.backend.backend() != "tensorflow":
        raise GraphError(
            f"{where}: Keras computes with the backend {made_of.backend.backend()}; expected tensorflow: set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if len(model.inputs) != 1:
        raise GraphError(f"{where}: the model has {len(model.inputs)} inputs; expected one batch of images.")
    cut = model
    if layer is not None:
        names = [known.name for known in model.layers]
        if layer not in names:
            raise GraphError(f"{where}: no layer {layer!r}; the model's layers are {', '.join(names[-12:])}.")
        cut = made_of.Model(model.inputs, model.get_layer(layer).output)

    @tf.function
    def call(x: tf.Tensor) -> tf.Tensor:
        return cut(x, training=False)

    digest = hashlib.sha256()
    for weights in cut.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    provenance = {"source": source, "path": where, "layer": layer, "weights_sha256": digest.hexdigest()}
    with one_sentence(where):
        return _from_function(
            cls, call, name or model.name, where, preprocessing, provenance, fold_batch_norm, trust
        )


def from_saved_model(
    cls: type,
    path: str | os.PathLike[str],
    input: str | None,
    output: str | None,
    signature: str,
    preprocessing: Preprocessing,
    name: str | None,
    *,
    fold_batch_norm: bool,
    trust: bool,
) -> Any:
    """See :meth:`tfattr.trunk.Trunk.from_saved_model`.

    Raises:
        ModelFileError: the folder is no SavedModel, a damaged one, or one that touches files (and ``trust`` is not
            given).
        GraphError: no such signature, output or tensor.
    """
    path = os.fspath(path)
    with one_sentence(path):
        loaded = load_saved_model(path, trust)
        if signature not in loaded.signatures:
            raise GraphError(
                f"{path}: no signature {signature!r}; the SavedModel has {', '.join(loaded.signatures) or 'none'}."
            )
        function = loaded.signatures[signature]
        provenance = {"source": "saved_model", "path": path, "weights_sha256": _folder_sha256(path)}
        return _from_signature(
            cls,
            function,
            input,
            output,
            name or Path(path).name,
            path,
            preprocessing,
            provenance,
            fold_batch_norm,
            trust,
        )


def from_hub(
    cls: type,
    handle: str | os.PathLike[str],
    output: str | None,
    preprocessing: Preprocessing,
    name: str | None,
    *,
    fold_batch_norm: bool,
    trust: bool,
) -> Any:
    """See :meth:`tfattr.trunk.Trunk.from_hub`.

    A TF2 module is called on the batch (``training=False`` where it takes that); a module in the old TF1
    format is used through its ``default`` signature, as far as tensorflow-hub loads it.

    Raises:
        ModelFileError: the handle cannot be resolved, downloaded or loaded.
        GraphError: the module is not called on one batch of images, or no such output.
    """
    from tfattr.compat.hub import hub

    handle = os.fspath(handle)
    try:
        path = hub.resolve(handle)
        saved_code.check_saved_model(path, trust)
        loaded = hub.load(path)
    except TfattrError as error:
        raise ModelFileError(str(error) if handle in str(error) else f"{handle}: {error}") from error
    except Exception as error:  # tensorflow-hub lets errors of urllib, tarfile and TensorFlow through
        raise ModelFileError(
            f"{handle}: tensorflow-hub cannot load this module ({g.reason(error)}); expected the folder, archive URL "
            "or tfhub.dev handle of a TF2 SavedModel, or of a TF1 module with a signature."
        ) from error
    provenance = {"source": "hub", "path": handle, "weights_sha256": _folder_sha256(path)}
    name = name or Path(handle.rstrip("/")).name
    if callable(loaded):

        def call(x: tf.Tensor) -> Any:
            try:
                return loaded(x, training=False)
            except (TypeError, ValueError):
                return loaded(x)

        with one_sentence(handle):
            return _from_function(
                cls,
                tf.function(call),
                name,
                handle,
                preprocessing,
                provenance,
                fold_batch_norm,
                trust,
                output,
            )
    for key in ("default", "serving_default", *loaded.signatures):
        if key in loaded.signatures:
            with one_sentence(handle):
                return _from_signature(
                    cls,
                    loaded.signatures[key],
                    None,
                    output,
                    name,
                    handle,
                    preprocessing,
                    provenance,
                    fold_batch_norm,
                    trust,
                )
    raise GraphError(
        f"{handle}: the module can neither be called nor has it a signature; expected a module that maps "
        "a batch of images to features."
    )


def _from_signature(
    cls: type,
    function: Any,
    input: str | None,
    output: str | None,
    name: str,
    where: str,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
    fold_batch_norm: bool,
    trust: bool,
) -> Any:
    outputs = function.structured_outputs
    keys = sorted(outputs)
    chosen = output
    if output is None:
        if len(keys) != 1 and "default" not in keys:
            raise GraphError(
                f"{where}: the signature has the outputs {', '.join(keys)}; name one as output=."
            )
        chosen = keys[0] if len(keys) == 1 else "default"
    arguments = function.structured_input_signature[1]
    if len(arguments) != 1:
        raise GraphError(
            f"{where}: the signature takes {', '.join(sorted(arguments)) or 'nothing'}; expected one batch of images."
        )
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=True)
    if chosen in keys:
        chosen = frozen.outputs[keys.index(chosen)].name  # flattened in the order of the sorted keys
    return _assembled(
        cls,
        frozen,
        input or frozen.inputs[0].name,
        chosen,
        name,
        where,
        preprocessing,
        provenance,
        fold_batch_norm,
        trust,
    )


def _from_function(
    cls: type,
    call: Callable[[tf.Tensor], Any],
    name: str,
    where: str,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
    fold_batch_norm: bool,
    trust: bool,
    output: str | None = None,
) -> Any:
    spec = tf.TensorSpec([None, *preprocessing.size, preprocessing.channels], tf.float32)

    @tf.function
    def one_output(x: tf.Tensor) -> tf.Tensor:
        y = call(x)
        if isinstance(y, dict):
            if output is None and "default" not in y and len(y) != 1:
                raise GraphError(
                    f"{where}: the model gives {', '.join(sorted(y))}; name one of them as output=."
                )
            key = output if output is not None else ("default" if "default" in y else next(iter(y)))
            if key not in y:
                raise GraphError(f"{where}: no output {key!r}; the model gives {', '.join(sorted(y))}.")
            y = y[key]
        if not isinstance(y, tf.Tensor):
            raise GraphError(f"{where}: the model gives {type(y).__name__}; expected one tensor.")
        return tf.identity(y, name="representation")

    try:
        concrete = one_output.get_concrete_function(spec)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise GraphError(
            f"{where}: the model does not take a batch of shape {spec.shape.as_list()} ({g.reason(error)}); give the "
            "size and colour that it was made for."
        ) from error
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    return _assembled(
        cls,
        frozen,
        frozen.inputs[0].name,
        frozen.outputs[0].name,
        name,
        where,
        preprocessing,
        provenance,
        fold_batch_norm,
        trust,
    )


def _assembled(
    cls: type,
    frozen: Any,
    input: str,
    output: str,
    name: str,
    where: str,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
    fold_batch_norm: bool,
    trust: bool,
) -> Any:
    plain = assemble(
        frozen.graph.as_graph_def(),
        input,
        output,
        (*preprocessing.size, preprocessing.channels),
        preprocessing.bounds,
        where,
        fold_batch_norm=fold_batch_norm,
        trust=trust,
    )
    return cls(name, plain, preprocessing, provenance)


def load_keras(path: str, trust: bool = False) -> Any:
    """A saved Keras model, loaded by the Keras, legacy or 3, that saved it.

    ``trust``: code in it (Lambda layers) may run. ModelFileError if the file is missing, damaged, holds weights alone,
    needs a Keras that is not installed, or trust.
    """
    if not os.path.exists(path):
        raise ModelFileError(f"{path}: no such file; expected a saved Keras model (.h5, .keras or a folder).")
    if os.path.isdir(path):
        saved_code.check_saved_model(path, trust)
    keras_code.check_keras(path, trust)
    version = saved_by(path) or "2"
    loader = keras_3() if version.startswith("3.") else keras
    if loader is None:
        raise ModelFileError(
            f"{path}: saved by Keras {version}, which TensorFlow {tf.__version__} does not come with; load it with "
            "TensorFlow 2.16 or later, or export it there (model.export) and use Trunk.from_saved_model."
        )
    try:
        return loader.models.load_model(path, compile=False, safe_mode=not trust)
    except Exception as error:  # h5py, zipfile, json and Keras each raise their own
        raise ModelFileError(
            f"{path}: Keras cannot load a model from it ({g.reason(error)}); expected a whole saved model. A file of "
            "weights alone needs the model: build it in Python, load_weights, and use Trunk.from_keras(model)."
        ) from error


def load_saved_model(path: str, trust: bool = False) -> Any:
    """A loaded SavedModel; ModelFileError if the folder is none, a damaged one, or touches files while it loads.

    ``trust``: it may.
    """
    try:
        saved_code.check_saved_model(path, trust)
        return tf.saved_model.load(path)
    except TfattrError:
        raise
    except Exception as error:  # OSError, ValueError, tf.errors and protobuf's own, by what is damaged
        raise ModelFileError(
            f"{path}: not a whole SavedModel ({g.reason(error)}); expected a folder with saved_model.pb and variables/."
        ) from error


def _folder_sha256(path: str) -> str:
    files = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
    return freeze.sha256(files)
