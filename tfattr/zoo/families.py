"""The families: which builder makes which net, at what size, from what input.

Listing them imports no TensorFlow; a builder's module is imported when the builder is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import Any

from tfattr.errors import SettingsError

VGG_MEAN = (123.68, 116.78, 103.94)  # R, G, B; slim's vgg preprocessing
ZERO = (0.0,)


@dataclass(frozen=True)
class Builder:
    """``build`` of a module of this package, imported at its first call, with options already set."""

    module: str
    preset: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, images: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
        """``build(images, **options) -> (net, end_points)``; ``options`` override the preset."""
        return import_module(f"tfattr.zoo.{self.module}").build(images, **{**self.preset, **options})

    def with_options(self, options: Mapping[str, Any]) -> Builder:
        """The builder with ``options`` set."""
        return Builder(self.module, MappingProxyType({**self.preset, **options}))

    @property
    def structure(self) -> str:
        """Equal for builders that make the same graph of images of one size."""
        return repr((self.module, sorted(self.preset.items())))


@dataclass(frozen=True)
class Family:
    """A family of nets that share a builder.

    ``output``: the paper's layer, an end point's key (or a tensor name, with ``:0``). ``size``: (height,
    width) of the released model. ``color``, ``range``, ``mean``: of the fed tensor, as in
    ``tfattr.trunk.Preprocessing``. ``options``: the builder's options and their defaults.
    """

    name: str
    build: Builder
    output: str
    size: tuple[int, int]
    color: str = "RGB"
    range: str = "[0,255]"
    mean: tuple[float, ...] = ZERO
    options: Mapping[str, Any] = field(default_factory=dict)


def _family(name: str, module: str, preset: dict[str, Any] | None = None, **fields: Any) -> Family:
    options = MappingProxyType({**fields.pop("options", {}), **(preset or {})})
    return Family(name=name, build=Builder(module, MappingProxyType(preset or {})), options=options, **fields)


_INCEPTION = {"color": "RGB", "range": "[-1,1]"}
_CAFFE = {"color": "RGB", "range": "[0,255]", "mean": VGG_MEAN, "size": (224, 224)}

_FAMILIES = (
    _family(
        "mobilenet_v1",
        "mobilenet_v1",
        output="AvgPool_1a",
        size=(224, 224),
        options={"depth_multiplier": 1.0, "num_classes": None},
        **_INCEPTION,
    ),
    *(
        _family(
            f"resnet_v1_{depth}",
            "resnet_v1",
            {"depth": depth},
            output="global_pool",
            options={"num_classes": None},
            **_CAFFE,
        )
        for depth in (50, 101, 152)
    ),
    *(
        _family(
            f"vgg_{depth}",
            "vgg",
            {"depth": depth},
            output=f"vgg_{depth}/fc7",
            options={"depth_multiplier": 1.0, "num_classes": None},
            **_CAFFE,
        )
        for depth in (16, 19)
    ),
    _family(
        "inception_v3",
        "inception_v3",
        output="PreLogits",
        size=(299, 299),
        options={"depth_multiplier": 1.0, "num_classes": None},
        **_INCEPTION,
    ),
    _family(
        "inception_resnet_v2",
        "inception_resnet_v2",
        output="PreLogitsFlatten",
        size=(299, 299),
        options={"num_classes": None},
        **_INCEPTION,
    ),
    _family(
        "taskonomy",
        "taskonomy",
        output="encoder_output",
        size=(256, 256),
        range="[-1,1]",
        options={"feedforward": False},
    ),
    _family(
        "inpainting",
        "inpainting",
        output="allconv12",
        size=(256, 256),
        color="BGR",
        range="[-1,1]",
        options={"mask": "hole"},
    ),
    _family("fcrn", "fcrn", output="layer1", size=(512, 512)),
    _family("prn", "prn", output="resBlock_9", size=(256, 256), range="[0,1]"),
    _family(
        "fcn",
        "fcn",
        output="conv8",
        size=(512, 512),
        options={"num_classes": 21, "depth_multiplier": 1.0, "mean": (123.68, 116.779, 103.939)},
    ),
    _family(
        "tinyface",
        "tinyface",
        output="res4b",
        size=(512, 512),
        mean=(119.29959869, 110.54627228, 101.83843231),
    ),
    _family(
        "nazeri",
        "nazeri",
        output="encoder",
        size=(256, 256),
        color="gray",
        options={"dataset": "places365"},
    ),
    _family(
        "rooms_encoder",
        "rooms_encoder",
        output="code",
        size=(64, 64),
        range="[-1,1]",
        options={"arch": "resnet", "prefix": ""},
    ),
)


def families() -> dict[str, Family]:
    """Every family by name, in a fixed order."""
    return {entry.name: entry for entry in _FAMILIES}


def family(name: str) -> Family:
    """The family of that name; SettingsError names the nearest ones if there is none."""
    known = families()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3) or list(known)
    raise SettingsError(f"There is no builder named {name!r}; did you mean {', '.join(near)}?")
