"""One model named in one word: a saved trunk, a model of a zoo, an original."""

from __future__ import annotations

from pathlib import Path

from tfattr.errors import SettingsError
from tfattr.zoo.spec import ModelSpec


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
        from tfattr.zoo.file import open_zoo

        return open_zoo(zoo, feeding).only([name]).models[0]
    from tfattr.zoo.loading import model_spec
    from tfattr.zoo.originals import entry

    try:
        return model_spec(entry(query), None, feeding=feeding)
    except SettingsError as error:
        raise SettingsError(
            f"{query}: neither a saved trunk's folder, nor ZOO:NAME (a zoo file or a built-in zoo), nor an original "
            "(`tfattr models` lists them)."
        ) from error
