"""SavedModels and TensorFlow Hub modules, of TensorFlow 1 and 2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfattr.compat.internals import parse_saved_model
from tfattr.errors import GraphError, ModelFileError, TfattrError
from tfattr.io import file_digest
from tfattr.safety.trust import check_saved_model
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk import freeze
from tfattr.trunk import graph as g
from tfattr.trunk.opened import Opened, choose, flattened
from tfattr.trunk.preprocessing import Preprocessing


def read_saved_model(
    path: str | os.PathLike[str],
    frame: Preprocessing,
    trust: bool,
    *,
    output: str | int | None = None,
    input: str | None = None,
    signature: str | None = None,
    tags: Sequence[str] | None = None,
    hub: bool = False,
) -> Opened:
    """See :meth:`tfattr.trunk.Trunk.from_saved_model`; with ``hub`` :meth:`tfattr.trunk.Trunk.from_hub`.

    A signature comes before the model itself as something to call; of a Hub module it is the other way round, unless the
    output is one of a signature's. A module in the old TF1 format is used through its ``default`` signature, as far as
    tensorflow-hub loads it.

    Raises:
        ModelFileError: the folder is no SavedModel, a damaged one, or one that touches files (and ``trust`` is not
            given); the handle cannot be resolved, downloaded or loaded.
        GraphError: no such signature, tag set, output or tensor, or the module is not called on one batch of images.
    """
    where = os.fspath(path)
    if hub:
        folder, loaded = _from_hub(where, trust, tags)
    else:
        with wrap_errors(where):
            folder, loaded = where, load_saved_model(where, trust, tags)
    provenance = {
        "source": "hub" if hub else "saved_model",
        "path": where,
        "weights_sha256": _folder_sha256(folder),
    }
    name = Path(where.rstrip("/")).name
    with wrap_errors(where, converting=True):
        by_name = isinstance(output, str) and any(
            output in one.structured_outputs for one in loaded.signatures.values()
        )
        if hub and signature is None and callable(loaded) and not by_name:
            return _called(loaded, frame, output, where, name, provenance)
        if hub and signature is None:
            signature = next(
                (key for key in ("default", *loaded.signatures) if key in loaded.signatures), None
            )
        function = _named(loaded, signature, where)
        if function is not None:
            return _from_signature(function, input, output, name, where, provenance)
        if callable(loaded):
            return _called(loaded, frame, output, where, name, provenance)
    if hub:
        raise GraphError(
            f"{where}: the module can neither be called nor has it a signature; expected a module that maps "
            "a batch of images to features."
        )
    raise GraphError(
        f"{where}: the SavedModel has no signature{' serving_default' if loaded.signatures else ''} and cannot be "
        f"called; name one as signature=: {', '.join([*loaded.signatures, *saved_functions(loaded)]) or 'none is there'}."
    )


def _from_hub(handle: str, trust: bool, tags: Sequence[str] | None) -> tuple[str, Any]:
    from tfattr.compat.hub import hub

    try:
        path = hub.resolve(handle)
        check_saved_model(path, trust)
        return path, hub.load(path, tags=_tags(path, tags, handle))
    except GraphError:
        raise
    except TfattrError as error:
        raise ModelFileError(str(error) if handle in str(error) else f"{handle}: {error}") from error
    except Exception as error:  # tensorflow-hub lets errors of urllib, tarfile and TensorFlow through
        raise ModelFileError(
            f"{handle}: tensorflow-hub cannot load this module ({g.reason(error)}); expected the folder, archive URL "
            "or tfhub.dev handle of a TF2 SavedModel, or of a TF1 module with a signature."
        ) from error


def read_callable(
    model: Any, frame: Preprocessing, trust: bool, *, output: str | int | None = None
) -> Opened:
    """A ``tf.Module``, ``tf.function`` or loaded SavedModel that is called on a batch of images."""
    name = getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__
    with wrap_errors(str(name), converting=True):
        return _called(model, frame, output, str(name), str(name), {"source": "callable", "path": str(name)})


def _named(loaded: Any, signature: str | None, where: str) -> Any:
    """A signature, or a function of the SavedModel, by name; None stands for the usual one if it is there."""
    signatures = loaded.signatures
    if signature is None:
        usual = [key for key in ("serving_default", "default") if key in signatures]
        if not usual and len(signatures) == 1:
            usual = list(signatures)
        return signatures[usual[0]] if usual else None
    if signature in signatures:
        return signatures[signature]
    if signature in saved_functions(loaded):
        traced = getattr(loaded, signature).concrete_functions
        if len(traced) == 1:
            return traced[0]
        raise GraphError(
            f"{where}: the function {signature!r} was saved for {len(traced)} kinds of input; expected one."
        )
    raise GraphError(
        f"{where}: no signature {signature!r}; the SavedModel has "
        f"{', '.join([*signatures, *saved_functions(loaded)]) or 'none'}."
    )


def saved_functions(loaded: Any) -> list[str]:
    """Names of the functions that a loaded SavedModel brings beside its signatures."""
    return sorted(
        name
        for name, value in vars(loaded).items()
        if getattr(value, "concrete_functions", None) and not name.startswith(("_", "call_and_return"))
    )


def _from_signature(
    function: Any,
    input: str | None,
    output: str | int | None,
    name: str,
    where: str,
    provenance: dict[str, Any],
) -> Opened:
    outputs = flattened(function.structured_outputs)
    inner = isinstance(output, str) and ":" in output and output not in dict(outputs)
    chosen = output if inner else function.outputs[choose(outputs, output, where)].name
    positional, named = function.structured_input_signature
    specs = flattened((*positional, *(named[key] for key in sorted(named))))
    names = [
        spec.name or path
        for (_, spec), path in zip(specs, [str(i) for i in range(len(positional))] + sorted(named))
    ]
    arguments = dict(zip(names, function.inputs))
    fed = input
    if input is None or input in arguments:
        fed = _image_argument(arguments, input, where)
    graph_def, restore = freeze.captured(function)
    return Opened(graph_def, fed, chosen, where, name, provenance, restore)


def _image_argument(arguments: dict[str, tf.Tensor], wanted: str | None, where: str) -> str:
    """The tensor of the argument that takes the images: the one named, the only one, or the only one of rank 4."""
    names = [wanted] if wanted else list(arguments)
    if len(names) != 1:
        names = [name for name, tensor in arguments.items() if tensor.shape.rank == 4]
    if len(names) != 1:
        raise GraphError(
            f"{where}: the signature takes {', '.join(sorted(arguments)) or 'nothing'}; expected one batch of images: "
            "name it as input= and give the values of the others with feed=."
        )
    return arguments[names[0]].name


def _called(
    model: Any,
    frame: Preprocessing,
    output: str | int | None,
    where: str,
    name: str,
    provenance: dict[str, Any],
) -> Opened:
    """The graph of a model that is called on the batch, in the type of numbers that it takes."""

    def call(x: tf.Tensor) -> Any:
        try:
            return model(x, training=False)
        except (TypeError, ValueError):
            return model(x)

    refused = None
    for dtype in (tf.float32, tf.uint8):
        spec = tf.TensorSpec([None, *frame.model_shape], dtype, "images")
        try:
            function = tf.function(call).get_concrete_function(spec)
            break
        except (ValueError, TypeError, tf.errors.OpError) as error:
            refused = refused or error
    else:
        raise GraphError(
            f"{where}: the model does not take a batch of shape {spec.shape.as_list()} ({g.reason(refused)}); give the "
            "size and colour that it was made for."
        ) from refused
    chosen = function.outputs[choose(flattened(function.structured_outputs), output, where)].name
    graph_def, restore = freeze.captured(function)
    return Opened(graph_def, function.inputs[0].name, chosen, where, name, provenance, restore)


def load_saved_model(path: str, trust: bool = False, tags: Sequence[str] | None = None) -> Any:
    """A loaded SavedModel; ModelFileError if the folder is none, a damaged one, or touches files while it loads.

    ``trust``: it may. ``tags``: which of its graphs; None takes the one for serving, the only one, or the one without
    tags.
    """
    try:
        check_saved_model(path, trust)
        return tf.saved_model.load(path, tags=_tags(path, tags, path))
    except TfattrError:
        raise
    except Exception as error:  # OSError, ValueError, tf.errors and protobuf's own, by what is damaged
        raise ModelFileError(
            f"{path}: not a whole SavedModel ({g.reason(error)}); expected a folder with saved_model.pb and variables/."
        ) from error


def _tags(path: str, wanted: Sequence[str] | None, where: str) -> list[str] | None:
    sets = [sorted(graph.meta_info_def.tags) for graph in parse_saved_model(path).meta_graphs]
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else sorted(wanted)
        if wanted in sets:
            return wanted
    elif len(sets) < 2:
        return None
    else:
        for usual in (["serve"], []):
            if usual in sets:
                return usual
    raise GraphError(
        f"{where}: expected tags= to be one of the SavedModel's tag sets: {', '.join(map(str, sets))}."
    )


def _folder_sha256(path: str) -> str:
    files = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
    return file_digest(*files)
