"""What decides a map beside the model and the image. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tfattr.errors import SettingsError

ENGINES = ("innvestigate", "deepexplain")
TARGETS = ("sum", "energy")
PAPER_METHODS = ("saliency", "grad_input", "elrp")
OPTIONS = {"integrated_gradients": ("steps",), "smoothgrad": ("samples", "noise", "seed")}


@dataclasses.dataclass(frozen=True)
class AttributionSettings:
    """Methods, engine of epsilon-LRP, target, epsilon; see :func:`tfattr.attribute` for their meaning.

    Raises:
        SettingsError: a value is none of those allowed.
    """

    methods: tuple[str, ...] = PAPER_METHODS
    engine: str = "innvestigate"
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
