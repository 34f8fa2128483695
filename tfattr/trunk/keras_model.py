"""Keras models, legacy or Keras 3, in memory or saved, as graphs cut at a layer."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfattr.compat.keras import application_layers, keras, keras_3, keras_of, saved_by, sublayers
from tfattr.errors import GraphError, ModelFileError
from tfattr.safety import keras_code
from tfattr.safety.trust import check_saved_model
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk import freeze
from tfattr.trunk import graph as g
from tfattr.trunk.opened import Opened, choose, flattened
from tfattr.trunk.preprocessing import Preprocessing


def read_keras(
    model: Any,
    frame: Preprocessing,
    trust: bool,
    *,
    layer: str | None = None,
    output: str | int | None = None,
    input: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Opened:
    """See :meth:`tfattr.trunk.Trunk.from_keras`.

    Raises:
        ModelFileError: the file is missing, damaged, holds weights without a model, or code or links to other files
            (and ``trust`` is not given).
        GraphError: no such layer, or the model does not take a batch of images of this size.
    """
    where = "Keras model"
    if isinstance(model, (str, os.PathLike)):
        where = os.fspath(model)
        with wrap_errors(where):
            model = load_keras(where, trust, custom_objects)
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
    with wrap_errors(where, converting=True):
        cut, call, rest = _cut_at(model, layer, output, where)
        specs, image = _specs(model, frame, input, where)
        function = _traced(model, cut, specs, image, where)
        outputs = flattened(function.structured_outputs)
        models, calls = [], []
        for number, (path, tensor) in enumerate(outputs):
            root, _, path = path.partition("/")
            (models if root == "0" else calls).append((number, path, tensor))
        if cut is None:
            found = [(path, tensor) for _, path, tensor in models]
            number = models[choose(found, rest, where, getattr(model, "output_names", None))][0]
        else:
            number = calls[_which_call(calls, call, rest, layer or str(output), where)][0]
        graph_def, restore = freeze.captured(function)
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return Opened(
        graph_def,
        function.inputs[image].name,
        function.outputs[number].name,
        where,
        model.name,
        {
            "source": "keras",
            "path": where,
            "layer": layer if layer is not None else output,
            "weights_sha256": digest.hexdigest(),
        },
        restore,
    )


def _cut_at(
    model: Any, layer: str | None, output: str | int | None, where: str
) -> tuple[Any, int | None, str | int | None]:
    """The layer to cut at (None: the model's own output), which of its calls, and which of the outputs."""
    if layer is not None:
        return *_find_layer(model, layer, where), output
    if not isinstance(output, str) or output in _own_outputs(model):
        return None, None, output
    try:
        return *_find_layer(model, output, where), None
    except GraphError:
        if output.isdigit() or not getattr(model, "outputs", None):
            return None, None, output
        raise


def _own_outputs(model: Any) -> list[str]:
    """Keys of a model's outputs, where it is known before it is called and gives several."""
    if getattr(model, "outputs", None) is None or len(model.outputs) < 2:
        return []
    paths = [path for path, _ in flattened(model.output)]
    return [*paths, *(getattr(model, "output_names", None) or [])]


def layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Every layer of a model with its path: ``"backbone"``, ``"backbone/conv5"``; models inside models included."""
    seen, stack = {id(model)}, [("", model)]
    while stack:
        path, outer = stack.pop()
        if path:
            yield path, outer
        inside = []
        for inner in sublayers(outer):
            if id(inner) not in seen:
                seen.add(id(inner))
                inside.append((f"{path}/{inner.name}" if path else inner.name, inner))
        stack.extend(reversed(inside))


def _find_layer(model: Any, wanted: str, where: str) -> tuple[Any, int | None]:
    """A layer by name, path or end of its path, and which of its calls (``name:1``) is meant."""
    known = list(layers(model))
    name, _, call = wanted.rpartition(":")
    for path, number in ((wanted, None), (name, call)):
        if not path or (number is not None and not number.isdigit()):
            continue
        for fits in (
            [entry for entry in known if entry[0] == path],
            [entry for entry in known if entry[1].name == path],
            [entry for entry in known if entry[0].endswith(f"/{path}")],
        ):
            if len(fits) > 1:
                raise GraphError(
                    f"{where}: {len(fits)} layers are called {path!r}: {', '.join(at for at, _ in fits[:6])}; give the path."
                )
            if fits:
                return fits[0][1], None if number is None else int(number)
    names = [path for path, _ in known]
    raise GraphError(
        f"{where}: no layer {wanted!r}; the model's layers are {', '.join(names[-12:]) or 'not known before it is called'}."
    )


def _specs(
    model: Any, frame: Preprocessing, input: str | None, where: str
) -> tuple[list[tf.TensorSpec], int]:
    """What the model is called on, flattened, and which of it is the batch of images."""
    size = [None, *frame.model_shape]
    declared = getattr(model, "inputs", None)
    if not declared:
        return [tf.TensorSpec(size, tf.float32, "images")], 0
    names = [tensor.name.split(":")[0] for tensor in declared]
    image = names.index(input.split(":")[0]) if input and input.split(":")[0] in names else None
    if image is None:
        ranked = [number for number, tensor in enumerate(declared) if len(tensor.shape) == 4]
        if input is not None or (len(ranked) != 1 and len(declared) > 1):
            raise GraphError(
                f"{where}: the model has {len(declared)} inputs, {', '.join(names)}; expected one batch of images: name "
                "it as input= and give the values of the others with feed=."
            )
        image = ranked[0] if ranked else 0
    stated = list(declared[image].shape)[1:]
    if len(stated) == 3 and any(a not in (None, b) for a, b in zip(stated, frame.model_shape)):
        first = stated[0] == frame.channels and stated[2] not in (None, frame.channels)
        hint = ' (layout = "NCHW")' if first and frame.layout == "NHWC" else ""
        if frame.layout == "NHWC" and not first and stated[2] not in (None, 1, 3, frame.channels):
            hint = f' (color = "raw", bands = {stated[2]})'
        raise GraphError(
            f"{where}: the model takes images of shape {stated}, and would be fed {list(frame.model_shape)}; give the size and "
            f"colour that it was made for{hint}."
        )
    return [
        tf.TensorSpec(
            size if number == image else [None, *list(tensor.shape)[1:]], tf.as_dtype(tensor.dtype), name
        )
        for number, (tensor, name) in enumerate(zip(declared, names))
    ], image


def _traced(model: Any, cut: Any, specs: list[tf.TensorSpec], image: int, where: str) -> Any:
    """A concrete function that gives the model's outputs and those of every call of the layer ``cut``."""
    arguments = _training_argument(model)

    def call(*flat: tf.Tensor) -> tuple[Any, list[Any]]:
        recorded: list[Any] = []
        fed = tf.nest.pack_sequence_as(model.input, flat) if len(flat) > 1 else flat[0]
        with _recording(cut, recorded):
            outputs = model(fed, **arguments)
        here = tf.compat.v1.get_default_graph()
        within = [one for one in recorded if all(leaf.graph is here for _, leaf in flattened(one))]
        return outputs, within

    try:
        return tf.function(call).get_concrete_function(*specs)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise GraphError(
            f"{where}: the model does not take a batch of shape {specs[image].shape.as_list()} ({g.reason(error)}); give "
            "the size and colour that it was made for."
        ) from error


@contextlib.contextmanager
def _recording(layer: Any, into: list[Any]) -> Iterator[None]:
    """While this lasts, whatever the layer (None: no layer) gives is kept in a list, one entry a call."""
    if layer is None:
        yield
        return
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        given = original(*args, **kwargs)
        into.append(given)
        return given

    object.__setattr__(layer, "call", call)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _training_argument(model: Any) -> dict[str, bool]:
    parameters = inspect.signature(model.call).parameters
    takes = "training" in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    return {"training": False} if takes else {}


def _which_call(
    calls: list[tuple[int, str, tf.Tensor]],
    wanted: int | None,
    output: str | int | None,
    layer: str,
    where: str,
) -> int:
    """Position in ``calls`` of the tensor that the layer gives when it is called for the ``wanted``-th time."""
    times = sorted({int(path.partition("/")[0]) for _, path, _ in calls})
    if not times:
        raise GraphError(
            f"{where}: the layer {layer!r} is not called by itself when the model is (its file holds the model as one "
            "function); name an output of the model, or a tensor by source saved_model."
        )
    if wanted is None and len(times) > 1:
        choices = ", ".join(f"{layer}:{time}" for time in times[:6])
        raise GraphError(f"{where}: the layer {layer!r} is called {len(times)} times; say which: {choices}.")
    if wanted is not None and wanted not in times:
        raise GraphError(
            f"{where}: the layer {layer.rpartition(':')[0]!r} is called {len(times)} times; expected a number below that."
        )
    taken = times[0] if wanted is None else wanted
    within = [at for at, (_, path, _) in enumerate(calls) if int(path.partition("/")[0]) == taken]
    outputs = [(calls[at][1].partition("/")[2], calls[at][2]) for at in within]
    return within[choose(outputs, output, f"{where}, layer {layer!r}")]


def load_keras(path: str, trust: bool = False, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A saved Keras model, loaded by the Keras, legacy or 3, that saved it.

    ``trust``: code in it (Lambda layers) may run. ``custom_objects``: layers and functions of the user's that it
    names. ModelFileError if the file is missing, damaged, holds weights alone, needs a Keras that is not installed,
    custom objects or trust.
    """
    if not os.path.exists(path):
        raise ModelFileError(f"{path}: no such file; expected a saved Keras model (.h5, .keras or a folder).")
    if os.path.isdir(path):
        check_saved_model(path, trust)
    version = saved_by(path) or "2"
    loader = keras_3() if version.startswith("3.") else keras
    own = {**application_layers(loader or keras), **(custom_objects or {})}
    keras_code.check_keras(path, trust, own)
    if loader is None:
        raise ModelFileError(
            f"{path}: saved by Keras {version}, which TensorFlow {tf.__version__} does not come with; load it with "
            "TensorFlow 2.16 or later, or export it there (model.export) and use Trunk.from_saved_model."
        )
    try:
        return loader.models.load_model(path, compile=False, safe_mode=not trust, custom_objects=own)
    except Exception as error:  # h5py, zipfile, json and Keras each raise their own
        raise ModelFileError(f"{path}: {_why_not(path, error)}") from error


def _why_not(path: str, error: Exception) -> str:
    said = g.reason(error).rstrip(". ")
    if "No model config found" in said:
        return (
            "the file holds weights alone, without the model; build the model in Python, load_weights, and use "
            "Trunk.from_keras(model)."
        )
    if any(
        words in str(error)
        for words in ("Unknown layer", "Could not locate", "Unknown object", "'activation': {'module'")
    ):
        return (
            f"Keras knows no such layer or function ({said}); give it as custom_objects={{name: class or function}}, or "
            "export the model (tf.saved_model.save) and use Trunk.from_saved_model."
        )
    return (
        f"Keras cannot load a model from it ({said}); expected a whole saved model. A file of "
        "weights alone needs the model: build it in Python, load_weights, and use Trunk.from_keras(model). Layers "
        "and functions of your own go into custom_objects=."
    )
