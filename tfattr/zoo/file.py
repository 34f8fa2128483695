"""Zoos: of a TOML file with a table ``[[model]]`` a model, of the originals; one model of them in one word."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr import resources
from tfattr.errors import SettingsError
from tfattr.io import tomllib
from tfattr.zoo import cache
from tfattr.zoo.loading import Original, model_spec
from tfattr.zoo.originals import ZOOS, entries, entry
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class Zoo:
    """Models in a fixed order. Iterating gives their specs; nothing is loaded."""

    name: str
    models: tuple[ModelSpec, ...]

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, name: str) -> ModelSpec:
        """The model of this name; SettingsError if there is none."""
        return self.only([name]).models[0]

    def only(self, names: Sequence[str] | None) -> Zoo:
        """The models of these names, in the zoo's order; all if None.

        Raises:
            SettingsError: a name is not in the zoo.
        """
        if names is None:
            return self
        if not names:
            raise SettingsError(
                f"{self.name}: no model is asked for; name one or more, or leave the choice out."
            )
        known = [model.name for model in self.models]
        for name in names:
            if name not in known:
                raise SettingsError(f"{self.name}: no model {name!r} in this zoo; it has {', '.join(known)}.")
        return Zoo(self.name, tuple(model for model in self.models if model.name in names))

    def trusted(self) -> Zoo:
        """The same models, which may run code and touch files; see :class:`tfattr.zoo.spec.ModelSpec`."""
        return Zoo(self.name, tuple(model.trusted() for model in self.models))

    def folded(self) -> Zoo:
        """The same models with batch norm folded into the convolutions."""
        return Zoo(self.name, tuple(model.folded() for model in self.models))

    @property
    def groups(self) -> dict[str, str]:
        """Model name to group, for the models that state one."""
        return {model.name: model.group for model in self.models if model.group}


def open_zoo(zoo: str | os.PathLike[str] | Iterable[ModelSpec | Trunk], feeding: str = "square") -> Zoo:
    """A zoo by the path of its TOML file or by a built-in name, or of trunks and specs.

    Built in are ``rooms`` (embedded), and the originals: ``taskonomy`` (20), ``collected`` (18) and ``merged``
    (38), whose weights are looked for in the cache when a model is loaded. ``feeding`` (``square`` or
    ``native``) is for the originals; a zoo file says its own crop and resize.

    Raises:
        SettingsError: neither a file nor a built-in name, a file that is no zoo, or ``native`` for a zoo file.
    """
    if not isinstance(zoo, (str, os.PathLike)):
        models: tuple[Any, ...] = tuple(zoo) if isinstance(zoo, Iterable) else (zoo,)
        for model in models:
            if not (isinstance(model, ModelSpec) or hasattr(model, "graph_def")):
                raise SettingsError(
                    f"a zoo's model is {type(model).__name__}; expected a tfattr.Trunk (tfattr.load_model makes one), "
                    "or a model of another zoo."
                )
        return Zoo("models", models)
    path = Path(zoo)
    embedded = {file.parent.name: file for file in sorted(resources.checkpoints().glob("*/zoo.toml"))}
    own = path.suffix == ".toml" or path.is_file()
    if feeding != "square" and (own or str(zoo) in embedded):
        raise SettingsError(
            f"{zoo}: the feeding {feeding!r} is for the zoos of originals; a zoo file says it model by model: crop, resize."
        )
    if own:
        return read_zoo(path)
    if str(zoo) in embedded:
        return read_zoo(embedded[str(zoo)], name=str(zoo))
    if str(zoo) in ZOOS:
        return builtin_zoo(str(zoo), feeding)
    raise SettingsError(
        f"{zoo}: no such zoo; expected a TOML file or one of the built-in zoos {', '.join([*embedded, *ZOOS])}."
    )


def read_zoo(path: str | os.PathLike[str], name: str | None = None) -> Zoo:
    """Parse a zoo file.

    Raises:
        SettingsError: the file is missing, no TOML, empty, has a table that cannot be used or a name twice.
    """
    path = Path(path)
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: the zoo file cannot be read ({error.strerror}); check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a TOML file ({error}).") from error
    tables = content.get("model")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{path}: no table [[model]] in it; expected one a model.")
    models = tuple(
        ModelSpec.from_table(
            table, f"{path}: model {table.get('name', f'number {number}')!r}", path.parent.resolve()
        )
        for number, table in enumerate(tables, 1)
    )
    names = [model.name for model in models]
    twice = sorted({model for model in names if names.count(model) > 1})
    if twice:
        raise SettingsError(
            f"{path}: the name {twice[0]!r} stands {names.count(twice[0])} times; expected each once."
        )
    return Zoo(name or path.stem, models)


def builtin_zoo(name: str, feeding: str = "square") -> Zoo:
    """The zoo ``taskonomy`` (20), ``collected`` (18) or ``merged`` (38), in the paper's order; nothing is loaded.

    Raises SettingsError for another name.
    """
    specs = (
        ModelSpec(
            name=item.name,
            source="checkpoint",
            path=str(cache.folder(item)),
            preprocessing=item.preprocessing(feeding),
            builder=item.family,
            options=item.options,
            task=item.task,
            group=item.group,
            loader=Original(item.id, feeding),
        )
        for item in entries(name)
    )
    return Zoo(name, tuple(specs))


def find_model(query: str, feeding: str = "square") -> ModelSpec:
    """The model that ``query`` means; nothing is loaded.

    ``DIR``: a saved trunk (:meth:`tfattr.Trunk.save`); ``zoo.toml:NAME`` or ``rooms:NAME``: a model of a zoo;
    ``collected/vgg_16`` or ``vgg_16``: an original.

    Raises:
        SettingsError: none of these.
    """
    path = Path(query)
    if (path / "trunk.json").is_file():
        return ModelSpec(path.resolve().name, "trunk", str(path.resolve()), None)
    zoo, _, name = query.rpartition(":")
    if zoo:
        return open_zoo(zoo, feeding).only([name]).models[0]
    try:
        return model_spec(entry(query), feeding=feeding)
    except SettingsError as error:
        raise SettingsError(
            f"{query}: neither a saved trunk's folder, nor ZOO:NAME (a zoo file or a built-in zoo), nor an original "
            "(`tfattr models` lists them)."
        ) from error
