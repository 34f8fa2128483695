"""What can be set of a run. One field is one keyword in Python and one option of every command that computes."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import logging
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tfattr.attribution.settings import (
    ENGINES,
    PAPER_METHODS,
    PART_GRIDS,
    TARGETS,
    AttributionSettings,
    check_target,
    default_engine,
)
from tfattr.errors import RecordsError, SettingsError
from tfattr.records.layout import IMAGES_PER_SHARD
from tfattr.records.manifest import RunManifest
from tfattr.records.stored import CHANNELS, DTYPES

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk
    from tfattr.zoo.file import Zoo
    from tfattr.zoo.spec import ModelSpec


_KINDS = {
    "int": ("a whole number", numbers.Integral),
    "float": ("a number", numbers.Real),
    "str": ("text", str),
    "bool": ("True or False", bool),
}


class Option(NamedTuple):
    """What the command line says of a field.

    Attributes:
        help: its sentence.
        flag: the option's name where it is not the field's.
        choices: the values allowed.
        least: the smallest number allowed.
        shown: the default as the help shows it, where the field's own is None.
        metavar: of the value.
        many: given again for a further value, instead of values with commas.
    """

    help: str
    flag: str = ""
    choices: tuple[str, ...] = ()
    least: int | None = None
    shown: str = ""
    metavar: str | None = None
    many: bool = False


def _setting(default: Any, help: str, **about: Any) -> Any:
    return dataclasses.field(default=default, metadata={"option": Option(help, **about)})


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What can be set of a run: each field's metadata say what it is for (``tfattr run --help`` prints them).

    Raises:
        SettingsError: a value is none of those allowed.
    """

    limit: int | None = _setting(None, "Use the first N images of a probe set.", least=1)
    strict: bool = _setting(
        False,
        "Stop at the first unreadable image, model that cannot be loaded, or method that fails for one, instead of "
        "going on without it (exit status 3 at the end).",
    )
    exif: str | None = _setting(
        None,
        "Pictures turned as their EXIF says, or as they lie in the file. Default: upright; stored where "
        "`reproduce` reads the paper's lists, as its authors did.",
        choices=("upright", "stored"),
    )
    target: str = _setting(
        TARGETS[0],
        "Sum of the representation's units (the paper's); energy: half its squared norm; or each of K parts by "
        "itself (8): its channels, or K mixtures of them (methods: grad_input, gradient_norm).",
        metavar="[sum|energy|channels[:K]]",
    )
    methods: tuple[str, ...] | None = _setting(
        None,
        "Attribution methods, with commas: saliency, grad_input, gradient_norm, elrp, integrated_gradients, "
        "smoothgrad, or iNNvestigate analyzers by name.",
        shown=",".join(PAPER_METHODS),
    )
    engine: str | None = _setting(
        None,
        "Engine of elrp: iNNvestigate's epsilon rule by iNNvestigate itself or on the model's own graph (native), "
        "or the authors' formula (deepexplain). Default: innvestigate, and native for models that it does not take.",
        flag="lrp-engine",
        choices=ENGINES,
    )
    epsilon: float = _setting(1e-4, "Stabiliser of elrp.")
    steps: int | None = _setting(None, "Of integrated_gradients: points of the path; default 32.", least=1)
    samples: int | None = _setting(None, "Of smoothgrad: noisy copies of an image; default 16.", least=1)
    noise: float | None = _setting(
        None, "Of smoothgrad: standard deviation of the noise, of the image's range; default 0.15."
    )
    seed: int | None = _setting(None, "Of smoothgrad's noise; default 0.", least=0)
    options: tuple[str, ...] = _setting(
        (),
        "A setting of a method that is registered beside these, repeatable.",
        flag="method-option",
        metavar="NAME=VALUE",
        many=True,
    )
    parts_grid: int | None = _setting(
        None,
        f"Of the target channels: side of the stored maps, means over area; default {PART_GRIDS['grad_input']} for "
        f"grad_input, {PART_GRIDS['gradient_norm']} for gradient_norm.",
        least=1,
    )
    mixture_seed: int | None = _setting(None, "Of the target channels' random mixtures; default 0.", least=0)
    channels: str = _setting(
        "mean", "What is stored of a map: the mean of its colours, or all.", choices=CHANNELS
    )
    dtype: str = _setting("float16", "Of the stored maps.", choices=DTYPES)
    images_per_shard: int = _setting(IMAGES_PER_SHARD, "Images of a TFRecord file.", least=1)
    batch_size: int | None = _setting(None, "Images at a time; default by input size.", least=1)
    feeding: str = _setting(
        "square",
        "For the zoos of originals: every model sees the same centre square, or what its own project feeds.",
        choices=("square", "native"),
    )
    models: tuple[str, ...] | None = _setting(None, "Only these models of the zoo, with commas.")
    trust: bool = _setting(
        False,
        "Load models that run code or touch files: Lambda layers, file operations, builders of other modules.",
    )
    fold_batch_norm: bool = _setting(
        False,
        "Put batch norm into the convolutions before it: gradients then differ from the model's own by rounding.",
    )
    tf32: bool = _setting(
        False,
        "Let a GPU multiply float32 with 10 bits of mantissa (NVIDIA's TF32): faster, and maps differ by about 1e-3.",
    )
    xla: str = _setting(
        "auto",
        "Compile by XLA: auto tries it on a GPU; wherever its first results differ or it fails, it is left.",
        choices=("auto", "on", "off"),
    )
    representations: bool = _setting(
        True, "Also keep the models' outputs, for the baselines of `tfattr evaluate`."
    )
    repair: bool = _setting(False, "Check every shard first, and compute damaged ones again.")
    runner: str = _setting(
        "local",
        "Where it is computed: here, or by the workers of an Apache Beam runner.",
        choices=("local", "beam"),
    )
    runner_options: tuple[str, ...] = _setting(
        (),
        "For beam, repeatable: workers=N (a Dask cluster on this machine), address=tcp://HOST:PORT (one that "
        "runs), shards_per_task=N; or runner=NAME and any option of that Beam runner.",
        metavar="KEY=VALUE",
        many=True,
    )
    devices: tuple[str, ...] = _setting(
        (),
        "A local process for each device, models handed out: gpu:0,gpu:1 or cpu,cpu.",
        metavar="LIST",
    )
    grid: tuple[int, int] | None = _setting(
        None,
        "Size at which maps are compared (64 or 128x170); default 256, or the largest map if smaller.",
    )
    measures: tuple[str, ...] | None = _setting(
        None,
        "How two models' maps of an image compare, with commas: cosine (the paper's), pearson, spearman, subspace, "
        "explained. Default: cosine; of a run with target channels subspace and explained.",
        flag="measure",
    )
    linkage: str = _setting("single", "Of the tree: single (the authors'), average, complete, ward, ...")
    authors_layout: bool = _setting(False, "Also write affinity.npy and affinity.mat as the authors do.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, option = getattr(self, field.name), field.metadata["option"]
            if isinstance(value, Mapping):
                value = [f"{name}={number}" for name, number in value.items()]
            if field.type.startswith("tuple[str") and value is not None:
                value = (value,) if isinstance(value, str) else value
                if not isinstance(value, Iterable) or not all(isinstance(one, str) for one in value):
                    raise SettingsError(f"{field.name} is {value!r}; expected text, or a list of it.")
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            kind, _, optional = field.type.partition(" | ")
            if kind in _KINDS and not (optional and value is None):
                expected, types = _KINDS[kind]
                if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
                    raise SettingsError(f"{field.name} is {value!r}; expected {expected}.")
            if option.choices and value is not None and value not in option.choices:
                raise SettingsError(
                    f"{field.name} is {value!r}; expected one of {', '.join(option.choices)}."
                )
            if option.least is not None and value is not None and value < option.least:
                raise SettingsError(f"{field.name} is {value}; expected a number of at least {option.least}.")
        if self.grid is not None:
            from tfattr.affinity.area import common_grid

            object.__setattr__(self, "grid", common_grid((), self.grid))
        check_target(self.target)

    def changed(self, **values: Any) -> RunSettings:
        """The same with other values.

        Raises:
            SettingsError: no such setting; the sentence names the nearest.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                raise SettingsError(
                    f"no setting {name!r}{f'; did you mean {near[0]!r}?' if near else ''}; there are {', '.join(names)}."
                )
        return dataclasses.replace(self, **values)

    def models_of(self, zoo: str | os.PathLike[str] | Iterable[Any]) -> Zoo:
        """The models asked for of a zoo file, a built-in zoo, or of some trunks and specs, as they shall be loaded."""
        from tfattr.zoo.file import Zoo, open_zoo

        chosen = (zoo if isinstance(zoo, Zoo) else open_zoo(zoo, self.feeding)).only(self.models)
        return Zoo(chosen.name, tuple(map(self.prepared, chosen.models)))

    def prepared(self, model: ModelSpec | Trunk) -> ModelSpec | Trunk:
        """A model's spec, trusted and folded as the settings say; a trunk as it is."""
        from tfattr.zoo.spec import ModelSpec

        if isinstance(model, ModelSpec):
            model = model.trusted() if self.trust else model
            model = model.folded() if self.fold_batch_norm else model
        return model

    def for_target(self, target: str) -> RunSettings:
        """The same for another target; to channels or back with the default methods and options of that target."""
        if target.startswith("channels") == self.target.startswith("channels"):
            return self.changed(target=target)
        return self.changed(target=target, methods=None, options=(), **dict.fromkeys(_METHOD_OPTIONS))

    @cached_property
    def attribution(self) -> AttributionSettings:
        """What decides a map.

        Raises:
            SettingsError, MissingExtraError: see :class:`tfattr.attribution.AttributionSettings`.
        """
        options = {name: getattr(self, field) for field, name in _METHOD_OPTIONS.items()}
        given = {name: value for name, value in options.items() if value is not None}
        for text in self.options:
            name, _, value = text.partition("=")
            if name in given:
                raise SettingsError(f"the option {text!r} of a method: {name} is given twice; leave one out.")
            try:
                given[name] = float(value)
            except ValueError as error:
                raise SettingsError(f"the option {text!r} of a method: expected NAME=NUMBER.") from error
        return AttributionSettings(self.methods, self.engine, self.target, self.epsilon, given)

    @property
    def recorded(self) -> dict[str, Any]:
        """What must agree between a run and the directory that it continues in, as ``run.json`` keeps it."""
        return {
            "engine": self.attribution.engine,
            "target": self.attribution.target,
            "epsilon": self.epsilon,
            "options": dict(self.attribution.options),
            "channels": self.channels,
            "dtype": self.dtype,
            "images_per_shard": self.images_per_shard,
        }

    @classmethod
    def of_run(cls, manifest: RunManifest, methods: Iterable[str] | None = None) -> RunSettings:
        """The settings under which a run was made, as far as ``run.json`` keeps them."""
        kept = manifest.settings
        given = dict(kept.get("options", {}))
        options = {name: given.pop(known, None) for name, known in _METHOD_OPTIONS.items()}
        names = ("target", "epsilon", "channels", "dtype", "images_per_shard")
        return cls(
            methods=None if methods is None else tuple(methods),
            # The default's own choice: a graph that iNNvestigate does not take is given to the engine native.
            engine=None if kept.get("engine") == default_engine() else kept.get("engine"),
            limit=manifest.source.get("limit"),
            exif=kept.get("exif"),
            tf32=kept.get("precision") == "tf32",
            **{name: kept[name] for name in names if name in kept},
            **options,
            options=given,
        )

    def continued(self, out: str | os.PathLike[str]) -> RunSettings:
        """The settings under which a run goes on in a directory whose ``elrp`` is by another engine.

        Its maps stay; those of the engine asked for go beside them, as the method of that engine's own name
        (``elrp_deepexplain``).
        """
        try:
            engine = RunManifest.load(out).settings.get("engine")
        except RecordsError:
            return self
        asked = self.attribution
        if "elrp" not in asked.methods or engine in (None, asked.engine):
            return self
        beside = f"elrp_{asked.engine}"
        methods = dict.fromkeys(beside if method == "elrp" else method for method in asked.methods)
        logging.getLogger("tfattr").warning(
            "%s: elrp is by the engine %s there; that of %s goes beside it as %s",
            out,
            engine,
            asked.engine,
            beside,
        )
        return self.changed(methods=tuple(methods), engine=engine)


#: The fields that are options of single methods, and what :func:`tfattr.attribute` calls them.
_METHOD_OPTIONS: Mapping[str, str] = {
    **{name: name for name in ("steps", "samples", "noise", "seed", "mixture_seed")},
    "parts_grid": "grid",
}


def with_settings(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function whose ``**changes`` are fields of :class:`RunSettings`, with these by name."""
    signature = inspect.signature(function)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    fields = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for field in dataclasses.fields(RunSettings)
    ]
    return signature.replace(parameters=[*own, *fields])
