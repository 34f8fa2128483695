"""One model of a zoo: which file, how it is cut, how it is fed. Loading it gives a Trunk."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.errors import SettingsError
from tfattr.trunk import loaders
from tfattr.trunk.preprocessing import Preprocessing, preset_fields
from tfattr.zoo.families import families, family

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

_FRAME = tuple(field.name for field in dataclasses.fields(Preprocessing))
_ABOUT = ("name", "source", "path", "task", "group")
# What a zoo file calls otherwise than the loaders of Trunk: the code of a net stands there by name.
_NAMES = {"build": "builder"}
SOURCES = tuple(source for source in loaders.OPTIONS if source != "callable")
_CUT = {
    source: tuple(_NAMES.get(key, key) for key in loaders.OPTIONS[source])
    + (() if source == "trunk" else ("feed", "fold_batch_norm"))
    for source in SOURCES
}
_KINDS: dict[str, tuple[type, ...]] = {
    "builder": (str,), "input": (str,), "output": (str, int), "layer": (str,), "signature": (str,), "tags": (list,),
    "feed": (dict,), "custom_objects": (dict,), "fold_batch_norm": (bool,), "task": (str,), "group": (str,),
}  # fmt: skip
_WORDS = {
    str: "a string", int: "a number", list: "a list of strings", dict: "a table", bool: "true or false",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What a table ``[[model]]`` of a zoo file says.

    Attributes:
        name: of the model in matrices, figures and folders.
        source: the kind of file, one of ``SOURCES``.
        path: the file, prefix, folder or handle.
        preprocessing: None for a saved trunk, which carries its own.
        builder: for ``checkpoint``: a family of :func:`tfattr.zoo.families` or ``"module:function"``.
        options: of the builder.
        cut: what the door takes beside (:data:`tfattr.trunk.loaders.OPTIONS`), ``feed`` and ``fold_batch_norm``, as
            given; ``custom_objects`` as names ``"module:class"``.
        task: what the model was trained for.
        group: ``2D``, ``3D``, ``geometric``, ``semantic`` or any other word that figures colour by.
        trust: the model may run code: its builder and custom objects may be of any module, its file may hold Lambda layers or
            operations that touch files. Never read from the zoo file, whose author would be the one to trust.
        loader: makes the trunk of this spec in place of the reader of ``source``; a frozen dataclass, whose fields tell
            one loader from another.
    """

    name: str
    source: str
    path: str
    preprocessing: Preprocessing | None
    builder: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cut: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    task: str | None = None
    group: str | None = None
    trust: bool = False
    loader: Callable[[ModelSpec], Trunk] | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str, folder: Path) -> ModelSpec:
        """A spec from a TOML table; ``where`` names it in messages, paths are relative to ``folder``.

        Raises:
            SettingsError: a key is missing, not known, or has a value that cannot be used.
        """
        for key in ("name", "source", "path"):
            if not isinstance(table.get(key), str) or not table[key]:
                raise SettingsError(f"{where}: {key} is {table.get(key)!r}; expected a non-empty string.")
        source = table["source"]
        if source not in SOURCES:
            raise SettingsError(f"{where}: source is {source!r}; expected one of {', '.join(SOURCES)}.")
        for key in loaders.NEEDED.get(source, ()):
            key = _NAMES.get(key, key)
            if key not in table:
                raise SettingsError(f"{where}: source {source!r} needs the key {key!r}.")
        extra = _checked_keys(table, source, where)
        path = table["path"]
        if source != "hub" or "://" not in path:
            path = str((folder / Path(path).expanduser()).resolve() if not Path(path).is_absolute() else path)
        return cls(
            name=table["name"],
            source=source,
            path=path,
            preprocessing=_preprocessing(table, where),
            builder=table.get("builder"),
            options=extra,
            cut={key: table[key] for key in _CUT[source] if key in table and key != "builder"},
            task=table.get("task"),
            group=table.get("group"),
        )

    def trusted(self) -> ModelSpec:
        """The same with ``trust``."""
        return dataclasses.replace(self, trust=True)

    def folded(self) -> ModelSpec:
        """The same with ``fold_batch_norm``: batch norm goes into the convolutions when the model is loaded."""
        return dataclasses.replace(self, cut={**self.cut, "fold_batch_norm": True})

    def load(self) -> Trunk:
        """The model as a Trunk.

        Raises:
            SettingsError: the builder is no family and the spec is not ``trusted()``.
            ModelFileError, GraphError: see the loaders of :class:`tfattr.trunk.Trunk`.
        """
        from tfattr.trunk.trunk import Trunk

        if self.loader is not None:
            return self.loader(self)
        if self.source == "trunk":
            saved = Trunk.load(self.path, trust=self.trust, **self.cut)
            return Trunk(self.name, saved.inference, saved.preprocessing, saved.provenance)
        cut = {**self._built(), **self.cut}
        if "custom_objects" in cut:
            cut["custom_objects"] = {
                name: self._imported(spelled, f"the custom object {name!r}")
                for name, spelled in cut["custom_objects"].items()
            }
        return loaders.open_trunk(
            Trunk,
            self.source,
            self.path,
            preprocessing=self.preprocessing,
            name=self.name,
            trust=self.trust,
            **cut,
        )

    def _imported(self, spelled: str, what: str) -> Any:
        """What ``"module:name"`` names, which is code outside tfattr."""
        module, _, name = str(spelled).partition(":")
        if not self.trust:
            raise SettingsError(
                f"{self.name}: {what} {spelled!r} is code outside tfattr; it is refused unless you trust whoever "
                "wrote the zoo file (--trust on the command line, ModelSpec.trusted() in Python)."
            )
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingsError(
                f'{self.name}: {what} {spelled!r} cannot be imported ({error}); expected "module:name" of an installed '
                f"module{', or a family: ' + ', '.join(families()) if what == 'the builder' else ''}."
            ) from error

    def _built(self) -> dict[str, Any]:
        """What a checkpoint's reader takes of the builder: its code, and the layer of a family's paper."""
        if self.source != "checkpoint":
            return {}
        if ":" in self.builder:
            build = self._imported(self.builder, "the builder")
            return {"build": functools.partial(build, **self.options)}
        known = family(self.builder)
        wrong = [name for name in self.options if name not in known.options]
        if wrong:
            raise SettingsError(
                f"{self.name}: builder {self.builder!r} has no option {wrong[0]!r}; it has {', '.join(known.options)}."
            )
        return {"build": known.build.with_options(self.options), "output": known.output}


def _checked_keys(table: Mapping[str, Any], source: str, where: str) -> dict[str, Any]:
    """The builder's options that stand in a table; SettingsError for a key or a value that the source does not take."""
    taken = (*_ABOUT, *_CUT[source], *_FRAME, "preset")
    foreign = {key for keys in _CUT.values() for key in keys}
    extra = {}
    for key, value in table.items():
        if key in taken:
            kinds = _KINDS.get(key, (object,))
            if not isinstance(value, kinds) or (value is True and key == "output"):
                expected = " or ".join(_WORDS[kind] for kind in kinds)
                raise SettingsError(f"{where}: {key} is {value!r}; expected {expected}.")
        elif source == "checkpoint" and key not in foreign:
            extra[key] = value
        else:
            near = difflib.get_close_matches(key, taken, n=1)
            frame = ("size", "color", "range", "...") if source != "trunk" else ()
            raise SettingsError(
                f"{where}: source {source!r} takes no key {key!r}{f'; did you mean {near[0]!r}?' if near else ''}; it takes "
                f"{', '.join((*_CUT[source], *frame, 'task', 'group'))}."
            )
    return extra


def _preprocessing(table: Mapping[str, Any], where: str) -> Preprocessing | None:
    frame = {key: table[key] for key in _FRAME if key in table}
    if table["source"] == "trunk":
        given = [*frame, *(("preset",) if "preset" in table else ())]
        if given:
            raise SettingsError(
                f"{where}: a saved trunk carries its own preprocessing; leave {given[0]!r} out."
            )
        return None
    builder = table.get("builder")
    try:
        if "preset" in table:
            frame = {**preset_fields(table["preset"]), **frame}
        if table["source"] == "checkpoint" and ":" not in builder:
            known = family(builder)
            frame = {
                "size": known.size,
                "color": known.color,
                "range": known.range,
                "mean": known.mean,
                **frame,
            }
        if "size" not in frame:
            raise SettingsError("the key 'size' is missing; expected size = [height, width].")
        return Preprocessing(**frame)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
