"""Zoo files: TOML, one table ``[[model]]`` a model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfattr import resources
from tfattr.errors import SettingsError
from tfattr.io import tomllib
from tfattr.zoo.spec import ModelSpec


@dataclasses.dataclass(frozen=True)
class Zoo:
    """Models in a fixed order. Iterating gives their specs; nothing is loaded."""

    name: str
    models: tuple[ModelSpec, ...]

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def only(self, names: Sequence[str] | None) -> Zoo:
        """The models of these names, in the zoo's order; all if None.

        Raises:
            SettingsError: a name is not in the zoo.
        """
        if names is None:
            return self
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


def open_zoo(zoo: str | os.PathLike[str], feeding: str = "square") -> Zoo:
    """A zoo by the path of its TOML file or by a built-in name.

    Built in are ``rooms`` (embedded), and the originals: ``taskonomy`` (20), ``collected`` (18) and ``merged``
    (38), whose weights are looked for in the cache when a model is loaded. ``feeding`` (``square`` or
    ``native``) is for the originals; a zoo file says its own crop and resize.

    Raises:
        SettingsError: neither a file nor a built-in name, a file that is no zoo, or ``native`` for a zoo file.
    """
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
    from tfattr.zoo.loading import builtin_zoo
    from tfattr.zoo.originals import ZOOS

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
