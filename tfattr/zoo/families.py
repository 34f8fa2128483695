"""The families: which builder makes which net, at what size, from what input, as ``checkpoints/manifest.toml`` says.

Listing them imports no TensorFlow; a builder's module is imported when the builder is called.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from tfattr import resources
from tfattr.errors import SettingsError
from tfattr.io import tomllib


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
        return Builder(self.module, {**self.preset, **options})

    @property
    def structure(self) -> str:
        """Equal for builders that make the same graph of images of one size."""
        return repr((self.module, sorted(self.preset.items())))


@dataclass(frozen=True)
class Family:
    """A family of nets that share a builder.

    ``output``: the paper's layer, an end point's key (or a tensor name, with ``:0``). ``size``: (height,
    width) of the released model. ``color``, ``range``, ``mean``: of the fed tensor, as in
    ``tfattr.trunk.Preprocessing``. ``options``: that the builder takes, by name.
    """

    name: str
    build: Builder
    output: str
    size: tuple[int, int]
    color: str
    range: str
    mean: tuple[float, ...]
    options: tuple[str, ...]


@functools.lru_cache(maxsize=1)
def manifest() -> dict[str, Any]:
    """The tables of ``checkpoints/manifest.toml``."""
    return tomllib.loads((resources.checkpoints() / "manifest.toml").read_text("utf-8"))


def families() -> dict[str, Family]:
    """Every family by name, in the manifest's order."""
    found = {}
    for name, table in manifest()["family"].items():
        builder = table["builder"]
        preset = builder.get("preset", {})
        found[name] = Family(
            name=name,
            build=Builder(builder["module"], preset),
            output=builder["output"],
            size=tuple(table["size"]),
            color=table["color"],
            range=table["range"],
            mean=tuple(table.get("mean", (0.0,))),
            options=(*builder.get("options", ()), *preset),
        )
    return found


def family(name: str) -> Family:
    """The family of that name; SettingsError names the nearest ones if there is none."""
    known = families()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3) or list(known)
    raise SettingsError(f"There is no builder named {name!r}; did you mean {', '.join(near)}?")
