"""iNNvestigate's analyzers, with our layers' rules added through its conditional reverse mappings."""

from __future__ import annotations

import tensorflow as tf

from tfattr.attribution.analyzers import DEEP_TAYLOR, GRADIENT
from tfattr.attribution.lrp import rules
from tfattr.attribution.lrp.families import family, is_relu, is_relu6, reads_input
from tfattr.compat.innvestigate import complete_rules, innvestigate
from tfattr.errors import UnsupportedOpError

_registry = innvestigate.analyzer.analyzers
_gradient_based = innvestigate.analyzer.gradient_based
_OURS_FIRST = 10  # priority over iNNvestigate's own mappings, which have -1


def make_analyzer(name: str, model, epsilon: tf.Tensor, energy: tf.Tensor):
    """An iNNvestigate analyzer of the whole output of ``model`` (flat units), rules for our layers added.

    Args:
        name: one of tfattr.attribution.analyzers.ANALYZERS.
        model: as :func:`tfattr.attribution.keras_graph.build_keras_model` makes it.
        epsilon: scalar tensor, used by lrp.epsilon.
        energy: scalar bool tensor, the target: False for the sum of the units, True for half their
            squared norm.
    """
    kinds = {**dict.fromkeys(GRADIENT, _Gradient), **dict.fromkeys(DEEP_TAYLOR, _DeepTaylor)}
    kind = kinds.get(name, _Relevance)
    analyzer_class = type(f"Tfattr{_registry[name].__name__}", (kind, _registry[name]), {})
    options = {"epsilon": 1.0} if name == "lrp.epsilon" else {}  # not used: our rule reads the tensor
    analyzer = analyzer_class(model, disable_model_checks=True, neuron_selection_mode="all", **options)
    analyzer.start(name, epsilon, energy)
    return analyzer


class _Common:
    """What all analyzers share: the target, and mappings by family of layers (``_mappings`` of each)."""

    def start(self, name: str, epsilon: tf.Tensor, energy: tf.Tensor) -> None:
        self._name, self._epsilon_tensor, self._energy = name, epsilon, energy
        for label, condition, reverse in self._mappings():
            self._add_conditional_reverse_mapping(
                condition, reverse, priority=_OURS_FIRST, name=f"tfattr_{label}"
            )

    def _of(self, wanted: str, reverse) -> tuple:
        return wanted, lambda layer: family(layer) == wanted, reverse

    def _seed(self, units: tf.Tensor, plain: tf.Tensor) -> tf.Tensor:
        return rules.Reversed(lambda xs, ys, rs: [tf.where(self._energy, ys[0] * xs[0], ys[0])]).reverse(
            [units], [plain], []
        )[0]


class _Gradient(_Common):
    """Gradient-like analyzers: seeded with ones (sum) or the activations (energy)."""

    def _head_mapping(self, units: tf.Tensor) -> tf.Tensor:
        return self._seed(units, tf.ones_like(units))

    def _mappings(self) -> list[tuple]:
        bounded = {
            "guided_backprop": _gradient_based.guided_backprop_reverse_relu_layer,
            "deconvnet": _gradient_based.DeconvnetReverseReLULayer,
        }
        found = []
        if self._name in bounded:
            found.append(("relu6", is_relu6, bounded[self._name]))
        plain = self._name not in bounded
        differentiable = lambda layer: family(layer) is not None and (plain or not is_relu(layer))  # noqa: E731
        return [*found, ("gradient", differentiable, rules.mapping(rules.pull_back))]


class _Relevance(_Common):
    """LRP: seeded with the activations (sum) or their squares (energy)."""

    def _head_mapping(self, units: tf.Tensor) -> tf.Tensor:
        return self._seed(units, units)

    def _mappings(self) -> list[tuple]:
        linear = rules.z_rule
        found = []
        if self._name == "lrp.epsilon":
            linear = rules.epsilon_rule(self._epsilon_tensor)
            found.append(self._of("kernel", rules.mapping(linear)))
        complete_rules(self, reads_input)
        return [
            *found,
            self._of("linear", rules.mapping(linear)),
            self._of("move", rules.mapping(rules.pull_back)),
            self._of("elementwise", rules.mapping(rules.pass_on)),
            self._of("gate", rules.mapping(rules.signal_takes_all)),
            self._of("mix", rules.mapping(rules.values_take_all(linear))),
            self._of("stop", rules.mapping(rules.stop)),
        ]


class _DeepTaylor(_Common):
    """Deep Taylor decomposition knows ReLU nets only."""

    def _head_mapping(self, units: tf.Tensor) -> tf.Tensor:
        return self._seed(units, units)

    def _mappings(self) -> list[tuple]:
        pull_back = rules.mapping(rules.pull_back)

        def undefined(layer) -> bool:
            return family(layer) in ("gate", "mix", "stop") or (
                family(layer) == "elementwise" and not is_relu(layer)
            )

        return [
            ("undefined", undefined, _undefined),
            ("relu", is_relu, pull_back),
            self._of("linear", pull_back),
            self._of("move", pull_back),
        ]


def _undefined(layer, reverse_state: dict):
    raise UnsupportedOpError(
        f"deep_taylor is defined for ReLU networks; layer {layer.name!r} ({type(layer).__name__}) is none of theirs."
    )
