"""``run.json``: everything needed to repeat or to trust a run."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfattr.compat import installed
from tfattr.errors import RecordsError, SettingsError
from tfattr.io import plain, write_json
from tfattr.records.layout import ATTRIBUTIONS, REPRESENTATIONS
from tfattr.records.record_key import REPRESENTATION, record_key, run_digest

MANIFEST_NAME = "run.json"
FORMAT = 3  # 2: source; 3: computing, lacking
_PACKAGES = ("tfattr", "tensorflow", "innvestigate", "tf-slim", "numpy")


@dataclass(frozen=True)
class RunManifest:
    """What a run is made of; plain JSON values throughout.

    Attributes:
        versions: Python and package versions.
        models: per model, what :func:`describe_trunk` says.
        probe: ``{"id", "sha256"}`` of each readable probe image, in order.
        skipped: ``{"id", "reason"}`` of each unreadable one.
        duplicates: groups of ids whose files are byte for byte equal.
        settings: engine, target, epsilon, channels, dtype, shard size and the like.
        source: where the run came from, as far as known: ``zoo``, ``probe``, ``probe_root`` (as given);
            ``groups``, ``tasks`` (by model); ``measures`` (by entry of ``affinity.npz``); ``files`` (by model: path, size and time of what was loaded).
            It need not agree for a run to go on.
        computing: what computed it, as far as known: ``device`` (see
            :func:`tfattr.precision.describe_device`) and, by model, ``models``: ``lrp_engine``, ``batch_size``,
            ``xla``.
        lacking: by model, what it has no maps by and why: method to reason (``model``: it cannot be loaded).
    """

    versions: dict[str, str]
    models: dict[str, dict[str, Any]]
    probe: list[dict[str, str]]
    skipped: list[dict[str, str]] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    computing: dict[str, Any] = field(default_factory=dict)
    lacking: dict[str, dict[str, str]] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def make(
        cls,
        trunks: Iterable[Any],
        survey: Any,
        settings: Mapping[str, Any],
        source: Mapping[str, Any] | None = None,
    ) -> RunManifest:
        """Describes a run: its trunks, its surveyed probe (:func:`tfattr.probe.survey`), settings and source."""
        return cls(
            versions=versions(),
            models={trunk.name: describe_trunk(trunk) for trunk in trunks},
            probe=[{"id": image.id, "sha256": survey.sha256[image.id]} for image in survey.images],
            skipped=[{"id": skip.id, "reason": skip.reason} for skip in survey.skipped],
            duplicates=[list(group) for group in survey.duplicates],
            settings=plain(settings),
            source=plain(source or {}),
        )

    @property
    def ids(self) -> list[str]:
        """Ids of the readable probe images, in order; a record's ``index`` counts along this list."""
        return [image["id"] for image in self.probe]

    @property
    def digest(self) -> str:
        """What all records of the run have in common, see :func:`tfattr.records.run_digest`."""
        return run_digest(self.settings, (image["sha256"] for image in self.probe))

    def record_key(self, model: str, method: str = REPRESENTATION) -> str:
        """The record key that the records of a model and method (or its representations) must carry.

        Raises:
            RecordsError: the manifest does not name the model.
        """
        if model not in self.models:
            raise RecordsError(
                f"the run holds no model {model!r}; its {MANIFEST_NAME} names {', '.join(self.models) or 'none'}"
            )
        return record_key(self.digest, model, identity(self.models[model]), method)

    def with_models_of(self, other: RunManifest) -> RunManifest:
        """This manifest with the models of ``other`` added, or replaced where both have them; sources likewise."""
        source = {**self.source, **other.source}
        for name, value in source.items():
            older = self.source.get(name)
            if isinstance(value, dict) and isinstance(older, dict):
                source[name] = {**older, **value}
        return dataclasses.replace(self, models={**self.models, **other.models}, source=source)

    @property
    def names(self) -> list[str]:
        """All models that the run was asked for: those that it has, then those that could not be loaded."""
        return [*self.models, *(name for name in self.lacking if name not in self.models)]

    def save(self, run: str | os.PathLike[str]) -> Path:
        """Writes ``<run>/run.json``, whole or not at all; returns its path."""
        path = Path(run) / MANIFEST_NAME
        write_json(path, vars(self))
        return path

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> RunManifest:
        """Reads ``<run>/run.json``.

        Raises:
            RecordsError: missing, not JSON, or not a manifest of this format.
        """
        path = Path(run) / MANIFEST_NAME
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecordsError(f"{path}: no such file; {run} is not the directory of a tfattr run") from error
        except (OSError, ValueError) as error:
            raise RecordsError(
                f"{path}: cannot be read as JSON ({error}); restore it, or run the same `tfattr run` again with --repair"
            ) from error
        names = {entry.name for entry in dataclasses.fields(cls)}
        if isinstance(found, dict) and found.get("format") == 2:
            found = {**found, "computing": {}, "lacking": {}, "format": FORMAT}
        if not isinstance(found, dict) or set(found) != names:
            what = sorted(set(found) ^ names) if isinstance(found, dict) else type(found).__name__
            raise RecordsError(
                f"{path}: not the manifest of a tfattr run (look at {what}); restore it, or run the same `tfattr run` again with --repair"
            )
        if found["format"] != FORMAT:
            raise RecordsError(
                f"{path}: manifest format {found['format']}, expected {FORMAT}; another tfattr wrote it"
            )
        return cls(**found)


def expected_record_key(map_dir: str | os.PathLike[str]) -> str | None:
    """The record key that the records of a folder must carry, by the ``run.json`` above it; None where there is none.

    Args:
        map_dir: a folder as :func:`tfattr.records.map_directory` or ``representation_directory`` names it.

    Raises:
        RecordsError: the ``run.json`` cannot be read, or does not name the folder's model.
    """
    map_dir = Path(os.path.abspath(map_dir))
    if map_dir.parent.name == REPRESENTATIONS:
        run, model, method = map_dir.parents[1], map_dir.name, REPRESENTATION
    elif map_dir.parent.parent.name == ATTRIBUTIONS:
        run, model, method = map_dir.parents[2], map_dir.parent.name, map_dir.name
    else:
        return None
    return RunManifest.load(run).record_key(model, method) if (run / MANIFEST_NAME).exists() else None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers ("absent" if not installed)."""
    found = {package: installed.version(package) or "absent" for package in _PACKAGES}
    return {"python": platform.python_version(), **found}


def describe_trunk(trunk: Any) -> dict[str, Any]:
    """What ``run.json`` keeps of a :class:`tfattr.trunk.Trunk`: tensors, shapes, preprocessing, provenance."""
    return plain(
        {
            "input": trunk.input,
            "output": trunk.output,
            "input_shape": trunk.input_shape,
            "output_shape": trunk.output_shape,
            "preprocessing": trunk.preprocessing.to_dict(),
            "provenance": trunk.provenance,
        }
    )


def check_compatible(
    found: RunManifest, wanted: RunManifest, *, where: str | os.PathLike[str] = MANIFEST_NAME
) -> list[str]:
    """Refuses to continue a run under other settings.

    Settings, probe images and every model that both manifests name must agree (of a model's provenance only
    the sha256s count: files may have moved). Models may be new or absent. Versions may differ.

    Args:
        found: the manifest on disk.
        wanted: the manifest that the run would write now.
        where: the file that ``found`` came from, for the message.

    Returns:
        Notes on versions that differ, to be logged.

    Raises:
        SettingsError: names each differing setting with both values.
    """
    differences = [
        f"{name} is {_show(old)} on disk, {_show(new)} asked for"
        for name, old, new in _differing(plain(found.settings), plain(wanted.settings))
    ]
    differences += _probe_differences(found, wanted)
    for model in wanted.models:
        if model in found.models:
            pairs = _differing(identity(found.models[model]), identity(wanted.models[model]))
            differences += [
                f"model {model}: {name} is {_show(old)} on disk, {_show(new)} now" for name, old, new in pairs
            ]
    if differences:
        raise SettingsError(
            f"{where}: this run was made with other settings: {'; '.join(differences)}; "
            "use the same settings or another --out"
        )
    pairs = _differing(found.versions, wanted.versions)
    return [f"{name} was {_show(old)}, is {_show(new)}" for name, old, new in pairs]


_ABSENT = object()


def _show(value: Any) -> str:
    return "not set" if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [*old, *(name for name in new if name not in old)]
    pairs = [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names]
    return [(name, before, after) for name, before, after in pairs if before != after]


def _probe_differences(found: RunManifest, wanted: RunManifest) -> list[str]:
    if len(found.probe) != len(wanted.probe):
        return [f"the probe has {len(found.probe)} readable images on disk, {len(wanted.probe)} asked for"]
    for number, (old, new) in enumerate(zip(found.probe, wanted.probe)):
        if old["id"] != new["id"]:
            return [f"probe image {number} is {_show(old['id'])} on disk, {_show(new['id'])} asked for"]
        if old["sha256"] != new["sha256"]:
            return [
                f"probe image {old['id']} has sha256 {old['sha256'][:12]} on disk, {new['sha256'][:12]} now"
            ]
    return []


def identity(model: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two models (as :func:`describe_trunk` says them) the same, flat.

    That is everything but where they came from; of that only the hashes.
    """
    flat = _flatten(plain(model))
    return {
        name: value
        for name, value in flat.items()
        if not name.startswith("provenance.") or "sha256" in name.rsplit(".", 1)[-1]
    }


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            flat.update(_flatten(item, f"{prefix}{name}."))
        else:
            flat[prefix + name] = item
    return flat
