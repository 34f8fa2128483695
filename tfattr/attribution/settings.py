"""What decides a map beside the model and the image. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping

from tfattr.attribution.methods import ENGINES, BoundMethod, check_setting, find_method
from tfattr.compat import installed
from tfattr.errors import MissingExtraError, SettingsError

TARGETS = ("sum", "energy", "channels")
PAPER_METHODS = ("saliency", "grad_input", "elrp")
PART_METHODS = ("grad_input", "gradient_norm")  # of the target channels
PARTS = 8  # of a representation, for the target channels
PART_GRIDS = {"grad_input": 16, "gradient_norm": 8}  # sides of the stored maps (benchmarks/subspace_study.py)
PART_OPTIONS = ("mixture_seed", "grid")  # of the target channels


@dataclasses.dataclass(frozen=True)
class AttributionSettings:
    """Methods, engine of epsilon-LRP, target, epsilon; see :func:`tfattr.attribute` for their meaning.

    ``methods=None`` becomes :func:`default_methods` of the target; ``channels`` becomes ``channels:8``, with the options
    ``mixture_seed`` and ``grid``.
    ``engine=None`` becomes :func:`default_engine`, and ``automatic`` says that: a graph that iNNvestigate does not
    take is then given to the engine native.

    Raises:
        SettingsError: a value is none of those allowed.
        MissingExtraError: a method or the engine named needs iNNvestigate, which is not installed.
    """

    methods: tuple[str, ...] | None = None
    engine: str | None = None
    target: str = "sum"
    epsilon: float = 1e-4
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    automatic: bool = dataclasses.field(init=False, default=False)

    def registered(self, method: str) -> str:
        """The name that a method is registered by: that of its engine for ``elrp``."""
        return f"elrp_{self.engine}" if method == "elrp" else method

    def bound(self, method: str, engine: str | None = None) -> BoundMethod:
        """A method with these settings; ``engine`` in place of the settings' own for ``elrp``."""
        found = find_method(f"elrp_{engine}" if engine else self.registered(method))
        return found.bound(self.target, self.epsilon, self.options, method)

    def engine_of(self, method: str) -> str | None:
        """The engine of an epsilon-LRP method (``elrp``, ``elrp_native`` and the like), else None."""
        name = self.registered(method)
        engine = name.removeprefix("elrp_")
        return engine if engine != name and engine in ENGINES else None

    @property
    def parts(self) -> int | None:
        """K of the target ``channels:K``; None for other targets."""
        name, _, count = self.target.partition(":")
        return (int(count) if count else PARTS) if name == "channels" else None

    def for_target(self, target: str) -> AttributionSettings:
        """The same for another target; to channels or back with the default methods and options of that target."""
        engine = None if self.automatic else self.engine
        if target.startswith("channels") == (self.parts is not None):
            return dataclasses.replace(self, target=target, engine=engine)
        return dataclasses.replace(self, target=target, engine=engine, methods=None, options={})

    def with_methods(self, methods: tuple[str, ...]) -> AttributionSettings:
        """The same for other methods."""
        if methods == self.methods:
            return self
        return dataclasses.replace(self, methods=methods, engine=None if self.automatic else self.engine)

    def part_grid(self, method: str) -> int:
        """Of the target channels: the side of a method's stored maps."""
        return int(self.options.get("grid", PART_GRIDS[method]))

    @property
    def mixture_seed(self) -> int:
        """Of the target channels: the seed of its random mixtures."""
        return int(self.options.get("mixture_seed", 0))

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.parts:  # what run.json keeps is complete
            object.__setattr__(self, "target", f"channels:{self.parts}")
            object.__setattr__(self, "options", {"mixture_seed": 0, **self.options})
        if self.methods is None:
            object.__setattr__(self, "methods", default_methods(self.target))
        if isinstance(self.methods, str):
            object.__setattr__(self, "methods", (self.methods,))
        if not self.methods:
            raise SettingsError("No attribution method is given; expected one or more, such as grad_input.")
        if self.engine is None:
            object.__setattr__(self, "engine", default_engine())
            object.__setattr__(self, "automatic", True)
        if self.engine not in ENGINES:
            raise SettingsError(f"LRP engine {self.engine!r} is not known; expected {', '.join(ENGINES)}.")
        known = [find_method(self.registered(method)) for method in self.methods]
        if not installed.has_innvestigate():
            for method, found in zip(self.methods, known):
                if found.extra:
                    raise MissingExtraError(
                        installed.missing_innvestigate(f"The attribution method {method!r}")
                    )
        strange = [method for method in self.methods if self.parts and method not in PART_METHODS]
        if strange:
            raise SettingsError(
                f"With target {self.target} the methods are {' and '.join(PART_METHODS)}; {strange[0]} is not of them."
            )
        if not (isinstance(self.epsilon, numbers.Real) and 0.0 < self.epsilon < float("inf")):
            raise SettingsError(
                f"epsilon is {self.epsilon!r}; expected a positive number such as 1e-4, the authors'."
            )
        allowed = [name for method in known for name in method.settings]
        allowed += PART_OPTIONS if self.parts else ()
        for name in self.options:
            if name not in allowed:
                raise SettingsError(
                    f"Option {name!r} belongs to none of the methods {', '.join(self.methods)}; "
                    f"expected {', '.join(allowed) or 'no option'}."
                )
        for method in known:
            for name in self.options.keys() & method.settings.keys():
                check_setting(method, name, self.options[name])
        if self.parts and (self.options.get("grid", 1) < 1 or self.mixture_seed < 0):
            raise SettingsError(
                f"grid is {self.options.get('grid', 'the default')} and mixture_seed {self.mixture_seed}; expected a positive number "
                "and one that is not negative."
            )


def check_target(target: str) -> None:
    """Raises SettingsError for a target that is none of ``sum``, ``energy``, ``channels``, ``channels:K`` (K > 0)."""
    name, colon, count = target.partition(":") if isinstance(target, str) else ("", "", "")
    if name not in TARGETS or (colon and (name != "channels" or not count.isdecimal() or int(count) < 1)):
        raise SettingsError(
            f"Target {target!r} is not known; expected sum or energy or channels or channels:K."
        )


def default_methods(target: str) -> tuple[str, ...]:
    """The methods where none is named: the paper's three, or gradient * input and gradient norm of channels."""
    return PART_METHODS if target.startswith("channels") else PAPER_METHODS


def default_engine() -> str:
    """The engine of ``elrp`` where none is named: ``innvestigate`` if it is installed, else ``native`` (one rule)."""
    return "innvestigate" if installed.has_innvestigate() else "native"
