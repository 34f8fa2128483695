"""What decides a map beside the model and the image. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping

from tfattr.attribution.analyzers import ANALYZERS
from tfattr.compat import installed
from tfattr.errors import MissingExtraError, SettingsError

ENGINES = ("innvestigate", "deepexplain")
TARGETS = ("sum", "energy")
PAPER_METHODS = ("saliency", "grad_input", "elrp")
METHODS = (
    *("saliency", "grad_input", "integrated_gradients", "smoothgrad"),
    *("elrp", *(f"elrp_{engine}" for engine in ENGINES)),
)
OPTIONS = {"integrated_gradients": ("steps",), "smoothgrad": ("samples", "noise", "seed")}


@dataclasses.dataclass(frozen=True)
class AttributionSettings:
    """Methods, engine of epsilon-LRP, target, epsilon; see :func:`tfattr.attribute` for their meaning.

    ``engine=None`` becomes :func:`default_engine`; where that is not iNNvestigate and ``elrp`` is asked for, a
    UserWarning says so.

    Raises:
        SettingsError: a value is none of those allowed.
        MissingExtraError: a method or the engine named needs iNNvestigate, which is not installed.
    """

    methods: tuple[str, ...] = PAPER_METHODS
    engine: str | None = None
    target: str = "sum"
    epsilon: float = 1e-4
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def engine_of(self, method: str) -> str | None:
        """The engine of an epsilon-LRP method (``elrp``, ``elrp_innvestigate``, ``elrp_deepexplain``), else None."""
        if method == "elrp":
            return self.engine
        engine = method[len("elrp_") :] if method.startswith("elrp_") else None
        return engine if engine in ENGINES else None

    def __post_init__(self) -> None:
        if not self.methods:
            raise SettingsError("No attribution method is given; expected one or more, such as grad_input.")
        for method in self.methods:
            if method not in METHODS and method not in ANALYZERS:
                raise SettingsError(
                    f"Attribution method {method!r} is not known; expected {', '.join(METHODS)} or one of "
                    f"iNNvestigate's analyzers: {', '.join(ANALYZERS)}."
                )
        self._choose_engine()
        if self.engine not in ENGINES:
            raise SettingsError(f"LRP engine {self.engine!r} is not known; expected {' or '.join(ENGINES)}.")
        if self.target not in TARGETS:
            raise SettingsError(f"Target {self.target!r} is not known; expected {' or '.join(TARGETS)}.")
        if not self.epsilon > 0.0:
            raise SettingsError(
                f"epsilon is {self.epsilon}; expected a positive number such as 1e-4, the authors'."
            )
        allowed = [name for method in self.methods for name in OPTIONS.get(method, ())]
        for name in self.options:
            if name not in allowed:
                raise SettingsError(
                    f"Option {name!r} belongs to none of the methods {', '.join(self.methods)}; "
                    f"expected {', '.join(allowed) or 'no option'}."
                )

    def _choose_engine(self) -> None:
        available = installed.has_innvestigate()
        if self.engine is None:
            object.__setattr__(self, "engine", default_engine())
            if "elrp" in self.methods and not available:
                warnings.warn(
                    "iNNvestigate 2.1 is not installed, so elrp is computed by the engine deepexplain (the authors' "
                    f"formula); for the engine innvestigate run `{installed.INSTALL_INNVESTIGATE}`.",
                    stacklevel=4,
                )
        for method in () if available else self.methods:
            if self.engine_of(method) == "innvestigate" or method in ANALYZERS:
                raise MissingExtraError(installed.missing_innvestigate(f"The attribution method {method!r}"))


def default_engine() -> str:
    """The engine of ``elrp`` where none is named: ``innvestigate`` if it is installed, else ``deepexplain``."""
    return "innvestigate" if installed.has_innvestigate() else "deepexplain"
