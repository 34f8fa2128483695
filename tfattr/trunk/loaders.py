"""The loaders: which reader takes which file, and the one way from what it read to a Trunk."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from tfattr.errors import ModelFileError, SettingsError
from tfattr.trunk.preprocessing import Preprocessing

if TYPE_CHECKING:
    from typing_extensions import Required

    from tfattr.trunk.trunk import Trunk

# Each reader's module is imported on use: it brings its own dependency, TensorFlow first of all.
_READERS = {
    "frozen_graph": ("checkpoints", "read_frozen_graph"),
    "meta_graph": ("checkpoints", "read_training_graph"),
    "checkpoint": ("checkpoints", "read_checkpoint"),
    "keras": ("keras_model", "read_keras"),
    "saved_model": ("saved_models", "read_saved_model"),
    "hub": ("saved_models", "read_saved_model"),
    "callable": ("saved_models", "read_callable"),
}
# What each door takes beside the keys of Common, in zoo files too.
OPTIONS = {
    "frozen_graph": ("input", "output"),
    "meta_graph": ("input", "output"),
    "checkpoint": ("build", "output"),
    "keras": ("layer", "output", "input", "custom_objects"),
    "saved_model": ("output", "input", "signature", "tags"),
    "hub": ("output", "input", "signature", "tags"),
    "callable": ("output",),
    "trunk": (),
}


NEEDED = {
    "frozen_graph": ("input", "output"),
    "meta_graph": ("input", "output"),
    "checkpoint": ("build",),
}


_HINTS = {
    "preprocessing": "",
    "build": ", the function that makes the net (a file without a known ending and without .meta is taken for a checkpoint)",
}


class Common(TypedDict, total=False):
    """What every door takes.

    ``preprocessing``: how photographs are fed, the size included. ``name``: of the model; None takes the file's.
    ``feed``: values of further inputs and placeholders by name. ``fold_batch_norm``: constants of batch norm go into
    the convolutions. ``trust``: the file may do what it is refused otherwise: run code (Lambda layers), or hold
    operations that read and write other files.
    """

    preprocessing: Required[Preprocessing]
    name: str | None
    feed: Mapping[str, object] | None
    fold_batch_norm: bool
    trust: bool


def open_trunk(
    cls: type[Trunk],
    source: str,
    model: Any,
    *,
    preprocessing: Preprocessing,
    name: str | None = None,
    feed: Mapping[str, object] | None = None,
    fold_batch_norm: bool = False,
    trust: bool = False,
    **options: Any,
) -> Trunk:
    """A Trunk from a model file (or object) of the kind ``source``; ``options`` are those of its door.

    Raises:
        ModelFileError: the file cannot be read, is damaged, or does what needs ``trust``.
        GraphError: the model cannot be cut as asked, or holds what no trunk can.
    """
    from tfattr.safety.wrap_errors import wrap_errors
    from tfattr.trunk.assemble import assemble

    module, reader = _READERS[source]
    read = getattr(importlib.import_module(f"tfattr.trunk.{module}"), reader)
    opened = read(model, preprocessing, trust, **({"hub": True} if source == "hub" else {}), **options)
    with wrap_errors(opened.where, converting=True):
        plain = assemble(
            opened.graph_def,
            opened.input,
            opened.output,
            (*preprocessing.size, preprocessing.channels),
            preprocessing.bounds,
            opened.where,
            feed=feed,
            restore=opened.restore,
            fold_batch_norm=fold_batch_norm,
            trust=trust,
            channels_first=preprocessing.layout == "NCHW",
        )
    return cls(name or opened.name, plain, preprocessing, opened.provenance)


def check_options(source: str, options: Mapping[str, Any], where: str) -> None:
    """Raises SettingsError where a door does not take an option, or needs one that is not there."""
    taken = (*Common.__annotations__, *OPTIONS[source])
    for key in options:
        if key not in taken:
            raise SettingsError(
                f"{where}: a model of source {source!r} takes no {key!r}; it takes {', '.join(sorted(taken))}."
            )
    if not isinstance(options.get("preprocessing", Preprocessing), (Preprocessing, type)):
        raise SettingsError(
            f"{where}: preprocessing is a {type(options['preprocessing']).__name__}; expected a tfattr.Preprocessing."
        )
    for key in ("preprocessing", *NEEDED.get(source, ())):
        if key not in options:
            raise SettingsError(
                f"{where}: a model of source {source!r} needs {key!r}"
                f"{_HINTS.get(key, '; `tfattr inspect` lists what can be named')}."
            )


def kind_of(model: Any, *, builder: bool = False, layer: bool = False) -> str:
    """The door for a file or object: one of the keys of ``OPTIONS``.

    ``builder``: the code of the net is at hand (a checkpoint's ``.meta`` is not needed). ``layer``: a layer is to be
    named, which only Keras knows.

    Raises:
        ModelFileError: there is no such file, or of no kind that is known.
    """
    if not isinstance(model, (str, os.PathLike)):
        from tfattr.compat.keras import keras_of

        return "keras" if keras_of(model) is not None or not callable(model) else "callable"
    path = os.fspath(model)
    if "://" in path:
        return "hub"
    if os.path.isdir(path):
        if os.path.exists(os.path.join(path, "trunk.json")):
            return "trunk"
        saved_by_keras = os.path.exists(os.path.join(path, "keras_metadata.pb"))
        return "keras" if layer and saved_by_keras else "saved_model"
    if path.endswith((".pb", ".pbtxt")):
        return "frozen_graph"
    if path.endswith((".h5", ".hdf5", ".keras")):
        return "keras"
    if path.endswith(".meta"):
        return "checkpoint" if builder else "meta_graph"
    if os.path.isfile(path) or os.path.exists(path + ".index") or ".data-" in os.path.basename(path):
        return "checkpoint" if builder or not os.path.exists(path + ".meta") else "meta_graph"
    if os.path.exists(path + ".meta"):
        return "meta_graph"
    raise ModelFileError(
        f"{path}: no such model file; expected a .pb, .pbtxt, .meta, .index, .h5 or .keras file, a checkpoint's "
        "prefix, or a SavedModel folder."
    )
