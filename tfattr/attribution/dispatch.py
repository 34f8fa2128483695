"""One door to every attribution method and engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfattr.attribution import deepexplain, gradients, native, xla
from tfattr.attribution.constant_target import refuse_constant_target
from tfattr.attribution.finish import Finish, Form
from tfattr.attribution.notices import Remembered, tell_once
from tfattr.attribution.parts import part_maps
from tfattr.attribution.settings import AttributionSettings
from tfattr.errors import GraphError, SettingsError
from tfattr.precision import accelerated, float32_only
from tfattr.records.stored import MOST_VALUES, StoredMaps, check_storage, stored_representation

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

EXPLODED = 1e3  # relevance out over relevance in, from which on the authors' formula is said to explode
_automatic: Remembered[bool] = Remembered()


def attribute(
    trunk: Trunk,
    x: np.ndarray | tf.Tensor | Sequence[np.ndarray],
    method: str = "grad_input",
    engine: str | None = None,
    target: str = "sum",
    epsilon: float = 1e-4,
    batch_size: int | None = None,
    **options: float,
) -> np.ndarray:
    """The attribution map of a trunk's whole representation on each image of a batch.

    Args:
        trunk: the model.
        x: float32 ``[N, H, W, C]`` in the trunk's fed frame (``trunk.preprocess`` makes it), or photographs, which are
            preprocessed here: uint8 RGB ``[N, h, w, 3]``, or a list of uint8 ``[h, w, 3]`` of any sizes.
        method: ``saliency`` (``|gradient|``), ``grad_input`` (gradient * x), ``gradient_norm`` (Euclidean norm of
            the gradient over colours, ``[N, H, W, 1]``), ``elrp`` (epsilon-LRP by ``engine``), ``elrp_innvestigate``,
            ``elrp_native``, ``elrp_deepexplain`` (by that engine), ``integrated_gradients``, ``smoothgrad``, or the name
            of an iNNvestigate analyzer such as ``lrp.alpha_2_beta_1`` or ``guided_backprop``.
        engine: of ``elrp``: ``innvestigate`` (its epsilon rule at every linear layer), ``native`` (the same rule on the
            trunk's own graph, whatever its operations) or ``deepexplain`` (the authors' formula at the
            non-linearities); None takes innvestigate where it is installed and takes the graph, else native.
        target: ``sum`` of all units (the paper's); ``energy``, half the squared norm: the backward
            pass is seeded with the activations; ``channels`` or ``channels:K``, each of K parts by itself, see
            :func:`tfattr.attribution.parts.part_maps` (``grad_input`` and ``gradient_norm``).
        epsilon: stabiliser of epsilon-LRP; 1e-4 is the authors'.
        batch_size: images at a time; None takes all at once.
        options: ``steps`` of integrated gradients; ``samples``, ``noise`` and ``seed`` of smoothgrad;
            ``mixture_seed`` and ``grid`` of the target channels.

    Returns:
        float32 ``[N, H, W, C]`` in the fed frame; ``[N, grid, grid, K]`` of the target channels.

    Raises:
        SettingsError: an unknown method, engine or target, or ``x`` of another shape or not finite.
        MissingExtraError: iNNvestigate is asked for and not installed.
        UnsupportedOpError: iNNvestigate's engine has no layer for an operation of the graph, or TensorFlow no gradient.
        ConstantTargetError: the target is the same for every image, so that maps would be rounding noise.

    Source: Song et al. 2019, section 3; the authors' ``tools/deep_attribution.py``.
    """
    settings = AttributionSettings(
        methods=(method,), engine=engine, target=target, epsilon=epsilon, options=dict(options)
    )
    if not hasattr(trunk, "validate_batch"):
        raise SettingsError(
            f"the model is a {type(trunk).__name__}; expected a tfattr.Trunk, which tfattr.load_model makes of it."
        )
    photos = isinstance(x, (list, tuple)) or getattr(x, "dtype", None) == np.uint8
    fed = trunk.validate_batch(trunk.preprocess(x) if photos else x)
    if not (photos or np.isfinite(fed).all()):
        raise SettingsError(
            f"{trunk.name}: the batch holds values that are not finite; its maps would not be either."
        )
    return attributions(trunk, fed, settings, batch_size)[method]


def attributions(
    trunk: Trunk,
    x: np.ndarray | tf.Tensor,
    settings: AttributionSettings,
    batch_size: int | None = None,
) -> dict[str, np.ndarray]:
    """Several methods on one batch, sharing passes: method name to float32 ``[N, H, W, C]``.

    Saliency and gradient * input come from one backward pass; with the deepexplain engine epsilon-LRP
    shares their forward pass.
    """
    return computed(trunk, x, settings, batch_size)[0]


def attributions_and_representation(
    trunk: Trunk,
    x: np.ndarray | tf.Tensor,
    settings: AttributionSettings,
    batch_size: int | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """As :func:`attributions`, and the representation float32 ``[N, ...]``, which the gradients' forward pass gives."""
    return computed(trunk, x, settings, batch_size, need_representation=True)


def attributions_for_storage(
    trunk: Trunk,
    x: Any,
    settings: AttributionSettings | None,
    *,
    channels: str = "mean",
    dtype: str = "float16",
    most_values: int | None = MOST_VALUES,
) -> tuple[dict[str, StoredMaps], np.ndarray | None]:
    """What a run stores of one batch: each method's maps, and the representation, already reduced on the device.

    Args:
        trunk: the model.
        x: float32 ``[N, H, W, C]`` in the trunk's fed frame.
        settings: methods, engine, target, epsilon; None computes no maps.
        channels, dtype: see :func:`stored_maps`; of the target ``channels`` all K parts are stored.
        most_values: see :func:`stored_representation`; None gives no representation.

    Returns:
        Method to its maps, and the representation, float32 ``[N, h, w, c]`` (None without ``most_values``).

    Raises:
        SettingsError: see :func:`tfattr.attribute`, or an unknown ``channels`` or ``dtype``.
    """
    check_storage(channels, dtype)
    if settings is not None and settings.parts:
        channels = "all"  # each is the map of a part
    form = Form(channels, dtype, most_values, on_device=accelerated())
    return computed(trunk, x, settings, need_representation=most_values is not None, form=form)


def computed(
    trunk: Trunk,
    x: np.ndarray | tf.Tensor,
    settings: AttributionSettings | None,
    batch_size: int | None = None,
    *,
    need_representation: bool = False,
    form: Form | None = None,
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Maps and representation of a batch as arrays in a form (None: whole); true float32.

    ``settings=None`` computes no maps. See :func:`attributions` for the rest.
    """
    x = trunk.validate_batch(x)
    if not (batch_size is None or (isinstance(batch_size, Integral) and batch_size > 0)):
        raise SettingsError(
            f"batch_size is {batch_size!r}; expected a positive whole number, or None for all at once."
        )
    form = form or Form()  # whole maps: multiplied by all threads before they leave
    methods = settings.methods if settings is not None else ()
    size = 1 if trunk.batch_dependent else (batch_size or max(len(x), 1))
    maps: dict[str, list[Any]] = {method: [] for method in methods}
    representations = []
    with float32_only():
        if settings is not None and not settings.parts:
            refuse_constant_target(trunk, settings.target, x)
        for start in range(0, len(x), size):
            some = x if size >= len(x) else x[start : start + size]
            found, y = _on_batch(trunk, some, settings, form) if settings is not None else ({}, None)
            for method in methods:
                maps[method].append(found[method])
            if need_representation:
                representations.append(np.asarray(_represented(trunk, some, form) if y is None else y))
    if not len(x):
        empty = np.zeros((0, *trunk.output_shape), np.float32)
        representations = [empty if form.most is None else stored_representation(empty, form.most)]
        for method in methods:
            maps[method] = [np.zeros((0, *_map_shape(trunk, settings, method)), np.float32)]
    return (
        {method: form.joined(parts) for method, parts in maps.items()},
        np.concatenate(representations) if need_representation else None,
    )


def _represented(trunk: Trunk, x: tf.Tensor, form: Form) -> tf.Tensor:
    key = ("forward", form.most)
    return trunk.compiled(key, lambda forward, images: form.representation(forward(images)))(x)


def _map_shape(trunk: Trunk, settings: AttributionSettings, method: str) -> tuple[int, ...]:
    if settings.parts:
        grid = settings.part_grid(method)
        return grid, grid, min(settings.parts, trunk.output_shape[-1])
    made, none = settings.bound(method), np.zeros((0, *trunk.input_shape), np.float32)
    return np.shape(made(none, none))[1:] if made.method.form == "gradient" else trunk.input_shape


def _on_batch(
    trunk: Trunk, x: tf.Tensor, settings: AttributionSettings, form: Form
) -> tuple[dict[str, Any], tf.Tensor | None]:
    """The maps of a batch, and its representation if a pass gave it anyway."""
    if settings.parts:
        return part_maps(trunk, x, settings, form)
    found, y, sloped = {}, None, []
    for method in settings.methods:
        make = settings.bound(method, engine_used(trunk, settings, method))
        if make.method.form == "trunk":
            try:
                found[method] = np.asarray(make(np.asarray(x), trunk), np.float32)
            except GraphError as error:
                if not (settings.automatic and method == "elrp"):
                    raise
                make = settings.bound(method, _fall_back(trunk, str(error)))
        elif make.method.form == "gradient_at":
            found[method] = form.maps(tf.cast(make(x, _gradient_at(trunk, settings.target)), tf.float32))
        if make.method.form == "gradient":
            sloped.append(make)
    ordinary = tuple(make for make in sloped if make.method.chain_rule is None)
    for rule, passes in _CHAIN_RULES.items():
        mine = tuple(make for make in sloped if rule and make.method.chain_rule == rule)
        if not mine and (rule or not ordinary):
            continue
        finish = Finish(form, mine, ordinary, settings.target, rule == "deepexplain")
        y, *results = passes(trunk, x, settings, finish)
        found.update(finish.maps(x, results, functools.partial(_tell_explosion, trunk)))
        ordinary = ()
    return found, y


def _by_rule(make: Callable[..., Any]) -> Callable[..., Any]:
    """Passes by an engine's chain rule, and the ordinary one where methods need it."""

    def passes(trunk: Trunk, x: tf.Tensor, settings: AttributionSettings, finish: Finish) -> Any:
        given = trunk, settings.target, settings.epsilon, bool(finish.first_order)
        last = finish.compiled()
        return xla.call(trunk, (make, *given[1:], last), lambda on: make(*given, xla=on, finish=last), x)

    return passes


def _ordinary(trunk: Trunk, x: tf.Tensor, settings: AttributionSettings, finish: Finish) -> Any:
    target, last = settings.target, finish.compiled()
    return xla.call(
        trunk, (None, target, last), lambda on: gradients.gradient_function(trunk, target, on, last), x
    )


# In the order in which they are tried: the first that is needed also gives the ordinary gradient.
_CHAIN_RULES: dict[str | None, Callable[..., Any]] = {
    "deepexplain": _by_rule(deepexplain.backward_function),
    "native": _by_rule(native.backward_function),
    None: _ordinary,
}


def _gradient_at(trunk: Trunk, target: str) -> Callable[[Any], tf.Tensor]:
    return lambda points: gradients.gradient_function(trunk, target)(tf.convert_to_tensor(points))[0]


def engine_used(trunk: Trunk, settings: AttributionSettings, method: str = "elrp") -> str | None:
    """The engine that computes a method's maps of this trunk: that of the settings, but ``native`` for ``elrp``
    where the settings name none and iNNvestigate does not take the graph (a notice says so, once a trunk).

    None for methods that are no epsilon-LRP. The answer before a trunk's first map is read off its operations.
    """
    engine = settings.engine_of(method)
    if method != "elrp" or not settings.automatic or engine != "innvestigate":
        return engine
    for known in ("native", "innvestigate"):
        if _automatic.get(trunk, known):
            return known
    from tfattr.attribution.lrp import refusal

    reason = refusal(trunk.graph_def, trunk.input, trunk.output)
    if reason is not None:
        return _fall_back(trunk, reason)
    _automatic.keep(trunk, "innvestigate", True)
    return "innvestigate"


def _fall_back(trunk: Trunk, reason: str) -> str:
    _automatic.keep(trunk, "native", True)
    tell_once(
        trunk,
        "native",
        f"{trunk.name}: elrp is computed by the engine native, iNNvestigate's rule on the model's own graph, for "
        f"iNNvestigate itself does not take it: {reason}",
    )
    return "native"


def _tell_explosion(trunk: Trunk, relevance: np.ndarray) -> None:
    """Says once if the authors' formula gives out far more than it takes in, of each image ``[2, N]``: in, out."""
    taken, given = relevance[:, relevance[0] > 0]
    ratio = (given / taken).max(initial=0.0)
    if not ratio <= EXPLODED:
        tell_once(
            trunk,
            "explosion",
            f"{trunk.name}: the authors' formula (engine deepexplain) gives {ratio:.0e} times the relevance that it starts "
            "from, for it divides by epsilon where the input of a gate is near zero; its maps mean little here, the "
            "engines innvestigate and native keep the relevance.",
        )
