"""The Trunk: a trained model cut at its named layer and frozen."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfattr.errors import ModelFileError, SettingsError
from tfattr.io import atomic_write
from tfattr.safety.wrap_errors import wrap_errors
from tfattr.trunk import graph as g
from tfattr.trunk.architecture import Architecture, Passes, architecture, compiled, lift, visible
from tfattr.trunk.assemble import InferenceGraph, check_inference_graph, folded
from tfattr.trunk.loaders import OPTIONS, check_options, kind_of, open_trunk
from tfattr.trunk.preprocessing import Preprocessing

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfattr.trunk.loaders import Common

_GRAPH_FILE, _CARD_FILE = "trunk.pb", "trunk.json"
_FORMAT = 1


class Trunk:
    """A frozen inference graph from the fed tensor to the representation, with its preprocessing.

    Nothing behind a Trunk knows which kind of file it came from: make one with :meth:`from_frozen_graph`,
    :meth:`from_meta_graph`, :meth:`from_checkpoint`, :meth:`from_keras`, :meth:`from_saved_model` or
    :meth:`from_hub`.

    Model files are taken for hostile: one that would run code (Lambda layers) or whose kept part reads or writes other
    files is refused with a ModelFileError that says so, unless the door is given ``trust=True``.

    Attributes:
        name: how matrices and figures call the model.
        graph_def: weights as constants, one float32 placeholder ``[None, H, W, C]``; batch norm as the model has it,
            unless the door is given ``fold_batch_norm=True``.
        input: tensor name of the placeholder.
        output: tensor name of the representation.
        output_shape: shape of the representation without the batch.
        preprocessing: the way from uint8 RGB photographs to the fed frame.
        provenance: source, path, sha256 of the weights and of the frozen graph, tensors, versions.
        inference: the checked graph and its weights.
        batch_dependent: images are fed one at a time (the model uses the statistics of the batch).
    """

    def __init__(
        self,
        name: str,
        inference: InferenceGraph,
        preprocessing: Preprocessing,
        provenance: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.input = inference.input
        self.output = inference.output
        self.output_shape = inference.output_shape
        self.batch_dependent = inference.batch_dependent
        self.deviation = inference.deviation
        self.preprocessing = preprocessing
        self.inference = inference
        self.provenance = {
            **provenance,
            "graph_sha256": hashlib.sha256(_serialized(inference.graph_def)).hexdigest(),
            "input": inference.input,
            "output": inference.output,
            "tensorflow": tf.__version__,
        }

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the fed tensor."""
        return (*self.preprocessing.size, self.preprocessing.channels)

    @functools.cached_property
    def graph_def(self) -> g.GraphDef:
        """The whole graph, made on first use: a second copy of the weights."""
        return self.inference.graph_def

    @functools.cached_property
    def _bound(self) -> tuple[Architecture, tuple[tf.Tensor, ...]]:
        inference = self.inference
        nodes = (g.split(inference.input)[0], g.split(inference.output)[0])
        net, order = architecture(inference.light, inference.weights, *nodes, self.input_shape)
        with tf.init_scope():
            return net, tuple(tf.constant(inference.weights[name]) for name in order)

    @property
    def architecture(self) -> Architecture:
        """The graph without its weights; trunks of one architecture have equal ``architecture.key``."""
        return self._bound[0]

    @functools.cached_property
    def weights(self) -> dict[str, tf.Tensor]:
        """The weights by their names in ``architecture.graph_def``."""
        net, weights = self._bound
        return {name: value for (name, _), value in zip(net.weights, weights)}

    def compiled(
        self,
        key: Hashable,
        passes: Passes,
        *specs: tf.TensorSpec,
        xla: bool = False,
        net: Architecture | None = None,
    ) -> Callable[..., Any]:
        """A function of ``(x, *further)`` over this trunk, compiled once for its architecture, or for ``net``, which takes
        the same weights (see :func:`tfattr.trunk.architecture.changed`).

        See :func:`tfattr.trunk.architecture.compiled` for the arguments, that module for how to add a pass.
        """
        own, weights = self._bound
        function = compiled(net or own, key, passes, specs, xla)
        return lambda *given: function(*given, *weights)

    @functools.cached_property
    def function(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The graph as a callable of TF 2: float32 ``[N, H, W, C]`` to the representation.

        A ``tf.GradientTape`` goes through it, in eager mode and inside ``tf.function``.
        """
        return self.compiled(("forward",), lambda forward, x: visible(forward(x)))

    def __call__(self, x: np.ndarray | tf.Tensor) -> tf.Tensor:
        """The representation of a batch: float32 ``[N, H, W, C]`` in the fed frame to ``[N, ...]``.

        Raises:
            SettingsError: ``x`` has another shape.
        """
        x = self.validate_batch(x)
        if self.batch_dependent and x.shape[0] > 1:
            return tf.concat([self.function(image[None]) for image in x], axis=0)
        return self.function(x)

    @property
    def single(self) -> bool:
        """``batch_dependent`` by its former name."""
        return self.batch_dependent

    def validate_batch(self, x: np.ndarray | tf.Tensor) -> tf.Tensor:
        """``x`` as a float32 tensor of this trunk's shape ``[N, H, W, C]``.

        Raises:
            SettingsError: ``x`` has another shape, or is no array of floating-point numbers.
        """
        kind = getattr(x, "dtype", None)
        if kind is not None and not tf.as_dtype(kind).is_floating:
            raise SettingsError(
                f"{self.name}: the batch is of {tf.as_dtype(kind).name}; expected float32 in the fed frame "
                "(trunk.preprocess(photos) makes it), or uint8 photographs."
            )
        try:
            x = tf.convert_to_tensor(x, tf.float32)
        except (TypeError, ValueError) as error:
            raise SettingsError(
                f"{self.name}: found {type(x).__name__}, which is no batch of numbers; expected float32 [N, H, W, C], or "
                "photographs (tfattr.read_photo reads a file)."
            ) from error
        if x.shape.rank != 4 or tuple(x.shape[1:]) != self.input_shape:
            raise SettingsError(
                f"{self.name}: the batch has shape {list(x.shape)}; expected [N, {', '.join(map(str, self.input_shape))}] "
                "in the fed frame (trunk.preprocess(photos) makes it)."
            )
        return x

    def preprocess(self, photos: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
        """uint8 RGB photographs (``[N, h, w, 3]`` or a list of arrays) to float32 ``[N, H, W, C]`` as fed."""
        return self.preprocessing(photos)

    def __repr__(self) -> str:
        height, width, channels = self.input_shape
        return (
            f"Trunk({self.name!r}, {height}x{width}x{channels} {self.preprocessing.color} "
            f"-> {self.output} {list(self.output_shape)})"
        )

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write ``trunk.pb`` and ``trunk.json`` into ``directory``; each appears only when whole."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        card = {
            "format": _FORMAT,
            "name": self.name,
            "input": self.input,
            "output": self.output,
            "output_shape": list(self.output_shape),
            "single": self.batch_dependent,
            "deviation": self.deviation,
            "preprocessing": self.preprocessing.to_dict(),
            "provenance": self.provenance,
        }
        _write_whole(directory / _GRAPH_FILE, _serialized(self.inference.graph_def))
        _write_whole(directory / _CARD_FILE, (json.dumps(card, indent=2, sort_keys=True) + "\n").encode())

    @classmethod
    def load(
        cls, directory: str | os.PathLike[str], *, fold_batch_norm: bool = False, trust: bool = False
    ) -> Trunk:
        """Read what :meth:`save` wrote; it is run once on a grey image.

        ``fold_batch_norm``: fold what the saved trunk has not folded.

        Raises:
            ModelFileError: a file is missing or damaged (the graph's sha256 is compared), or the graph touches files
                (and ``trust`` is not given).
            GraphError: the graph is not the one that was saved.
        """
        directory = Path(directory)
        with wrap_errors(os.fspath(directory)):
            return cls._loaded(directory, fold_batch_norm, trust)

    @classmethod
    def _loaded(cls, directory: Path, fold_batch_norm: bool, trust: bool) -> Trunk:
        try:
            card = json.loads((directory / _CARD_FILE).read_text("utf-8"))
            serialized = (directory / _GRAPH_FILE).read_bytes()
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{directory}: not a saved trunk ({type(error).__name__}: {error}); expected {_GRAPH_FILE} and "
                f"{_CARD_FILE} as Trunk.save writes them."
            ) from error
        expected = card["provenance"]["graph_sha256"]
        if hashlib.sha256(serialized).hexdigest() != expected:
            raise ModelFileError(
                f"{directory / _GRAPH_FILE}: the file is not the one that was saved (its sha256 differs from "
                f"{expected[:12]}... in {_CARD_FILE}); save the trunk again."
            )
        graph_def = tf.compat.v1.GraphDef()
        graph_def.ParseFromString(serialized)
        inference = InferenceGraph(
            *lift(
                g.prune(graph_def, [g.split(card["output"])[0]])
            ),  # weights that nothing takes cannot be fed
            card["input"],
            card["output"],
            card["deviation"],
            card["single"],
            tuple(card["output_shape"]),
        )
        preprocessing = Preprocessing.from_dict(card["preprocessing"])
        shape = (*preprocessing.size, preprocessing.channels)
        check_inference_graph(inference, shape, os.fspath(directory), trust)
        if fold_batch_norm:
            inference = folded(inference, shape, preprocessing.bounds, os.fspath(directory))
        return cls(str(card["name"]), inference, preprocessing, card["provenance"])

    # The loaders; what all of them take is explained at :class:`tfattr.trunk.loaders.Common`.

    @classmethod
    def from_frozen_graph(
        cls, path: str | os.PathLike[str], *, input: str, output: str, **common: Unpack[Common]
    ) -> Trunk:
        """From a frozen GraphDef, binary ``.pb`` or text ``.pbtxt``. See :mod:`tfattr.trunk.checkpoints`."""
        return open_trunk(cls, "frozen_graph", path, input=input, output=output, **common)

    @classmethod
    def from_meta_graph(
        cls, prefix: str | os.PathLike[str], *, input: str, output: str, **common: Unpack[Common]
    ) -> Trunk:
        """From a TF1 checkpoint with its own ``.meta``, training graphs included. See :mod:`tfattr.trunk.checkpoints`."""
        return open_trunk(cls, "meta_graph", prefix, input=input, output=output, **common)

    @classmethod
    def from_checkpoint(
        cls,
        prefix: str | os.PathLike[str],
        *,
        build: Callable[[tf.Tensor], Any],
        output: str | None = None,
        **common: Unpack[Common],
    ) -> Trunk:
        """From a TF1 checkpoint, V1 or V2, by variable name into the graph that ``build`` makes.

        Args:
            prefix: the V2 prefix, or the V1 file.
            build: takes float32 images ``[None, H, W, C]`` and returns ``(net, end_points)`` as
                tf-slim's networks do.
            output: a key of ``end_points`` or a tensor name; None takes ``net``.
        """
        return open_trunk(cls, "checkpoint", prefix, build=build, output=output, **common)

    @classmethod
    def from_keras(
        cls,
        model: Any,
        *,
        layer: str | None = None,
        output: str | int | None = None,
        input: str | None = None,
        custom_objects: Mapping[str, Any] | None = None,
        **common: Unpack[Common],
    ) -> Trunk:
        """From a Keras model, legacy or Keras 3, of any kind, or its saved file (``.h5``, ``.keras``, folder).

        Args:
            layer: whose output is the representation: its name or path (``"backbone/conv5"``), and which of its calls
                if it is called several times (``"shared:1"``); None takes the model's output.
            output: which output of the model (or of the layer), by key, name or position; without ``layer`` also the
                name of a layer.
            input: the image input of a model with several.
            custom_objects: layers and functions of yours that a saved model names.
        """
        return open_trunk(
            cls,
            "keras",
            model,
            layer=layer,
            output=output,
            input=input,
            custom_objects=custom_objects,
            **common,
        )

    @classmethod
    def from_saved_model(
        cls,
        path: str | os.PathLike[str],
        *,
        output: str | int | None = None,
        input: str | None = None,
        signature: str | None = None,
        tags: Sequence[str] | None = None,
        **common: Unpack[Common],
    ) -> Trunk:
        """From a SavedModel of TF 1 or 2.

        Args:
            output: one of the signature's outputs, its position, or a tensor name.
            input: the image argument of a signature with several, or a tensor name.
            signature: a signature or saved function; None takes ``serving_default``, the only one, or calls the model.
            tags: which of its graphs; None takes the one for serving, the only one, or the one without tags.
        """
        return open_trunk(
            cls, "saved_model", path, output=output, input=input, signature=signature, tags=tags, **common
        )

    @classmethod
    def from_hub(
        cls,
        handle: str | os.PathLike[str],
        *,
        output: str | int | None = None,
        input: str | None = None,
        signature: str | None = None,
        tags: Sequence[str] | None = None,
        **common: Unpack[Common],
    ) -> Trunk:
        """From a TensorFlow Hub module, by path or URL; options as :meth:`from_saved_model`."""
        return open_trunk(
            cls, "hub", handle, output=output, input=input, signature=signature, tags=tags, **common
        )


def load_model(model: Any, *, source: str | None = None, **options: Any) -> Trunk:
    """Any model as a Trunk: a file, folder, checkpoint prefix or Hub address, a Keras model, or what can be called.

    The door is told by the file (``source`` names it otherwise); ``options`` are those of that door, see the methods
    ``from_...`` of :class:`tfattr.trunk.Trunk`. A saved trunk needs none.

    Raises:
        SettingsError: the door does not take one of the options, or needs one more.
        ModelFileError, GraphError: see the loaders.
    """
    if isinstance(model, Trunk):
        raise SettingsError(f"{model.name}: is a Trunk already, which needs no loading.")
    where = os.fspath(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
    source = source or kind_of(model, builder="build" in options, layer="layer" in options)
    if source not in OPTIONS:
        raise SettingsError(f"{where}: source is {source!r}; expected one of {', '.join(OPTIONS)}.")
    if source == "trunk":
        return Trunk.load(model, **options)
    check_options(source, options, where)
    return open_trunk(Trunk, source, model, **options)


def _serialized(graph_def: g.GraphDef) -> bytes:
    return graph_def.SerializeToString(deterministic=True)


def _write_whole(path: Path, content: bytes) -> None:
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}).") from error
