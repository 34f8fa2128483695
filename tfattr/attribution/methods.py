"""Attribution methods by name: each is one function and its registration. Free of TensorFlow.

The name of a method's second parameter says what it is made of, ``x`` being a float32 batch ``[N, H, W, C]`` in the fed frame:

- ``gradient``: d score / d x, as ``x``; all such methods share one backward pass. They are given arrays or tensors,
  and keep to what both know (``abs``, ``*``, ``**``);
- ``gradient_at``: a function that gives the gradient at other points, as tensors;
- ``trunk``: the model itself; ``x`` is an array.

Keyword parameters are the method's settings, by their defaults; ``target`` and ``epsilon`` are those of all methods.
``docs/extending/method.md`` shows one of each.
"""

from __future__ import annotations

import dataclasses
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfattr.attribution.analyzers import ANALYZERS
from tfattr.errors import SettingsError

ENGINES = ("innvestigate", "native", "deepexplain")
_FORMS = ("gradient", "gradient_at", "trunk")
_SHARED = ("target", "epsilon")


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """A registered method.

    Attributes:
        name: in ``--methods``, folders of records, reports.
        function: see the module.
        form: the name of the function's second parameter.
        settings: names and defaults of its own settings.
        keywords: all of its keyword parameters.
        chain_rule: of the form gradient, an engine whose changed chain rule takes the place of the ordinary one.
        extra: it needs iNNvestigate.
        title: as figures and reports print it.
    """

    name: str
    function: Callable[..., Any]
    form: str
    settings: Mapping[str, float]
    keywords: tuple[str, ...] = ()
    chain_rule: str | None = None
    extra: bool = False
    title: str = ""

    def bound(self, target: str, epsilon: float, options: Mapping[str, float], name: str) -> BoundMethod:
        """With the values that its function takes of these; ``name`` is what it was asked for by."""
        given = {"target": target, "epsilon": epsilon, **options}
        return BoundMethod(name, self, tuple((key, given[key]) for key in self.keywords if key in given))


@dataclasses.dataclass(frozen=True)
class BoundMethod:
    """A method and the values of its keyword parameters; a function of ``x`` and what it is made of."""

    name: str
    method: Method
    values: tuple[tuple[str, Any], ...]

    def __call__(self, x: Any, made_of: Any) -> Any:
        return self.method.function(x, made_of, **dict(self.values))


_METHODS: dict[str, Method] = {}


def register_method(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    chain_rule: str | None = None,
    extra: bool = False,
    title: str = "",
) -> Callable[..., Any]:
    """Makes a function a method: known by its name to :func:`tfattr.attribute`, runs and the command line.

    Also a decorator, with or without arguments; ``name`` is the function's own by default, ``chain_rule``, ``extra`` and
    ``title`` as :class:`Method` has them. A name that is taken gets the new function.

    Raises:
        SettingsError: the second parameter is none of those that the module names, or a setting has no number as its default.
    """
    if function is None:
        about = {"name": name, "chain_rule": chain_rule, "extra": extra, "title": title}
        return lambda given: register_method(given, **about)
    name = name or function.__name__
    parameters = list(inspect.signature(function).parameters.values())
    form = parameters[1].name if len(parameters) > 1 else "nothing"
    if form not in _FORMS:
        raise SettingsError(
            f"the method {name}: its second parameter is {form}; expected {', '.join(_FORMS)}"
        )
    settings = {one.name: one.default for one in parameters[2:] if one.name not in _SHARED}
    if chain_rule not in (None, "native", "deepexplain"):
        raise SettingsError(
            f"the method {name}: its chain rule is {chain_rule}; expected native or deepexplain"
        )
    for setting, default in settings.items():
        if isinstance(default, bool) or not isinstance(default, (int, float)):
            raise SettingsError(f"the method {name}: its setting {setting} needs a number as its default")
    _METHODS[name] = Method(
        name, function, form, settings, tuple(one.name for one in parameters[2:]), chain_rule, extra, title
    )
    return function


def is_own_method(name: str) -> bool:
    """Whether a method's function is this package's: threads may call those at the same time."""
    if name == "elrp":  # by one of the engines
        return True
    module = getattr(find_method(name).function, "__module__", None) or ""
    return module.partition(".")[0] == __name__.partition(".")[0]


def find_method(name: str) -> Method:
    """A method by its name.

    Raises:
        SettingsError: none is registered by that name.
    """
    if not isinstance(name, str) or name not in _METHODS:
        raise SettingsError(f"Attribution method {name!r} is not known; expected {', '.join(_METHODS)}.")
    return _METHODS[name]


def method_title(name: str) -> str:
    """A method's display name; "" for what is not registered, or without one."""
    return _METHODS[name].title if name in _METHODS else ""


def method_settings() -> dict[str, dict[str, float]]:
    """Every method's own settings and their defaults: what ``AttributionSettings(options=)`` takes."""
    return {name: dict(method.settings) for name, method in _METHODS.items() if method.settings}


def check_setting(method: Method, name: str, value: float) -> None:
    """Raises SettingsError for a value that a method's setting cannot take.

    Those whose defaults are whole numbers take whole numbers; from 1 on, or from 0 on where the default is 0.
    """
    default = method.settings[name]
    least = 1 if isinstance(default, int) and default else 0
    number = isinstance(value, numbers.Real) and least <= value < float("inf")
    if not (number and (not isinstance(default, int) or int(value) == value)):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise SettingsError(
            f"{name} of {method.name} is {value}; expected {kind} from {least} on, such as {default}."
        )


@register_method(title="saliency")
def saliency(x, gradient):
    """``|gradient|`` (Simonyan et al. 2013)."""
    return abs(gradient)


@register_method(title="gradient × input")
def grad_input(x, gradient):
    """``gradient * x`` with the fed, preprocessed ``x`` (Shrikumar et al. 2016)."""
    return gradient * x


@register_method(title="gradient norm")
def gradient_norm(x, gradient):
    """Euclidean norm of the gradient over colours: ``[N, H, W, C]`` to ``[N, H, W, 1]``."""
    return sum(gradient[..., channel : channel + 1] ** 2 for channel in range(gradient.shape[-1])) ** 0.5


@register_method(title="integrated gradients")
def integrated_gradients(x, gradient_at, *, steps: int = 32):
    """``x`` times the mean gradient on the line from zero to ``x`` (Sundararajan et al. 2017).

    The baseline is zero in the fed frame, as gradient * input has it; midpoint rule with ``steps`` points.
    """
    total = 0.0
    for step in range(int(steps)):
        total += gradient_at(x * ((step + 0.5) / steps))
    return x * total / steps


@register_method(title="SmoothGrad")
def smoothgrad(x, gradient_at, *, samples: int = 16, noise: float = 0.15, seed: int = 0):
    """Mean of ``|gradient|`` at ``samples`` noisy copies of ``x`` (Smilkov et al. 2017).

    ``noise`` is the standard deviation as a part of each image's value range. The draw depends on
    ``seed`` alone, not on how images are put into batches.
    """
    x = np.asarray(x)
    spread = (x.max(axis=(1, 2, 3)) - x.min(axis=(1, 2, 3))).reshape(-1, 1, 1, 1)
    random, total = np.random.default_rng(int(seed)), 0.0
    for _ in range(int(samples)):
        draw = random.standard_normal(x.shape[1:]).astype(np.float32)
        total += abs(gradient_at((x + noise * spread * draw).astype(np.float32)))
    return total / samples


def _relevance(x, gradient):
    """Epsilon-LRP is the gradient by a changed chain rule, times ``x``."""
    return gradient * x


for _engine in ("native", "deepexplain"):
    register_method(_relevance, name=f"elrp_{_engine}", chain_rule=_engine)


def _analyzer(name: str) -> Callable[..., Any]:
    def analysed(x, trunk, *, target: str = "sum", epsilon: float = 1e-4):
        from tfattr.attribution.lrp import relevance

        return relevance(
            trunk.graph_def, trunk.input, trunk.output, x, analyzer=name, epsilon=epsilon, target=target
        )

    return analysed


register_method(_analyzer("lrp.epsilon"), name="elrp_innvestigate", extra=True)
for _name in ANALYZERS:
    register_method(_analyzer(_name), name=_name, extra=True)
