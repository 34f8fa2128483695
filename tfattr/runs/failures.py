"""What a run goes on without: models that cannot be loaded, methods that fail for a model; kept in ``run.json``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from tfattr.errors import IncompleteError, ProbeError, RecordsError, TfattrError
from tfattr.records import REPRESENTATION, RunManifest

MODEL = "model"  # in the place of a method: the model itself cannot be loaded
_LONGEST = 400  # characters of a message that is not ours


def is_of_the_model(error: BaseException) -> bool:
    """Whether a run may go on after an error: not where it is an interruption's, the images' or the disk's."""
    seen: BaseException | None = error
    while seen is not None:
        if not isinstance(seen, Exception):  # libraries make errors of their own of what interrupts them
            return False
        seen = seen.__cause__ or seen.__context__
    return not isinstance(error, (ProbeError, RecordsError))


def sentence(error: BaseException) -> str:
    """The reason as ``run.json`` and the screen have it."""
    if isinstance(error, TfattrError):
        return str(error)
    text = " ".join(str(error).split())[:_LONGEST]
    return (
        f"{type(error).__name__}{f' ({text})' if text else ''}: this was not foreseen; the same command with --strict "
        "--debug shows where it happens."
    )


def record(
    run: str | os.PathLike[str], model: str, tried: Iterable[str], found: Mapping[str, str]
) -> RunManifest:
    """Set what of ``tried`` (methods, REPRESENTATION, MODEL) a model lacks, with reasons; the rest of it is mended."""
    manifest = RunManifest.load(run)
    lacking = {what: why for what, why in manifest.lacking.get(model, {}).items() if what not in set(tried)}
    lacking.update(found)
    together = {**manifest.lacking, model: lacking}
    changed = manifest.lacking_only({name: one for name, one in together.items() if one})
    if changed != manifest:
        changed.save(run)
    return changed


def record_facts(
    run: str | os.PathLike[str], device: Mapping[str, Any], model: str, facts: Mapping[str, Any]
) -> None:
    """Keep what computed a model's maps, and how."""
    manifest = RunManifest.load(run)
    changed = manifest.computed(device, model, facts)
    if changed != manifest:
        changed.save(run)


def lines(manifest: RunManifest, models: Iterable[str], methods: Iterable[str]) -> list[str]:
    """What these models lack of these methods, a line each."""
    wanted, told = {*methods, MODEL, REPRESENTATION}, []
    for model in models:
        for what, why in manifest.lacking.get(model, {}).items():
            if what in wanted:
                kind = {MODEL: "cannot be loaded", REPRESENTATION: "no representations"}.get(
                    what, f"no {what}"
                )
                told.append(f"{model}: {kind}: {why}")
    return told


def is_lacking(manifest: RunManifest, model: str, method: str) -> bool:
    """Whether a run went on without these maps (or representations)."""
    return bool({MODEL, method} & set(manifest.lacking.get(model, {})))


def raise_if_incomplete(told: Iterable[str]) -> None:
    """The end of a command whose results are there, but not of all.

    Raises:
        IncompleteError: ``told`` (see :func:`lines`) says what lacks.
    """
    told = list(told)
    if told:
        raise IncompleteError(
            "finished without:\n  "
            + "\n  ".join(told)
            + "\nThe same command continues once they are mended; --strict stops at the first."
        )
