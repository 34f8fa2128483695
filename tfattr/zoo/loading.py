"""An original becomes a Trunk: its checkpoint found, checked, converted if need be, built and cut."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfattr.errors import ModelFileError
from tfattr.io import file_digest
from tfattr.zoo import cache
from tfattr.zoo.originals import Entry, entry
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


class FeedingWarning(UserWarning):
    """Pictures reach a model otherwise than a user may expect."""


CONVERTED = {"tinyface": (".mat", ".pkl", ".pickle"), "fcrn": (".npy",)}


@dataclass(frozen=True)
class Original:
    """A loader of :class:`ModelSpec`: the original ``id``, whose weights are looked for in the cache when it is loaded."""

    id: str
    feeding: str = "square"

    def __call__(self, spec: ModelSpec) -> Trunk:
        """The original as a Trunk; ModelFileError says how to get weights that are not there."""
        return load(self.id, feeding=self.feeding, fold_batch_norm=spec.cut.get("fold_batch_norm", False))


def warn_stretched(models: Iterable[ModelSpec | Trunk]) -> None:
    """A :class:`FeedingWarning` that names the models whose pictures a square is stretched to, if there are any."""
    frames = {model.name: model.preprocessing for model in models}
    stretched = [
        f"{name} ({frame.size[0]}x{frame.size[1]})"
        for name, frame in frames.items()
        if frame is not None and frame.crop == "square" and frame.size[0] != frame.size[1]
    ]
    if stretched:
        warnings.warn(
            f"the centre square is stretched to the input of {', '.join(stretched)}; --feeding native "
            '(crop = "canvas" in a zoo file) keeps the aspect.',
            FeedingWarning,
            stacklevel=2,
        )


def load(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    feeding: str = "square",
    fold_batch_norm: bool = False,
    **options: Any,
) -> Trunk:
    """An original as a Trunk, cut at the paper's layer.

    ``name``: an id of :func:`tfattr.zoo.entries`, e.g. ``"taskonomy/curvature"``. ``checkpoint``: a file of
    one's own (a V2 prefix, a V1 file; a ``.mat`` or pickle for Tiny Face, an ``.npy`` for FCRN); None takes
    the cache's. ``feeding``: ``square``, or ``native`` (see :meth:`tfattr.zoo.originals.Entry.preprocessing`).
    ``fold_batch_norm``: batch norm goes into the convolutions; gradients are then no longer the original's to the bit.
    ``options``: of the builder, e.g. ``mask="zero"``. Raises
    ModelFileError where the weights are missing or another net's, SettingsError for an unknown name.
    """
    found = model_spec(entry(name), checkpoint, feeding=feeding, **options)
    found = found.folded() if fold_batch_norm else found
    if found.builder == "inpainting":
        from tfattr.zoo.inpainting import check_checkpoint

        check_checkpoint(found.path)
    trunk = found.load()
    trunk.provenance["original"] = entry(name).id
    return trunk


def model_spec(
    original: Entry,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    feeding: str = "square",
    **options: Any,
) -> ModelSpec:
    """The original as a zoo's model, its checkpoint looked up and, where it is no checkpoint, converted.

    Raises ModelFileError where the weights are missing or cannot be read.
    """
    prefix = os.fspath(checkpoint) if checkpoint is not None else cache.locate(original)
    changes: dict[str, Any] = {}
    if prefix.lower().endswith(CONVERTED.get(original.family, ("\0",))):
        prefix, changes = _convert(original, prefix)
    return ModelSpec(
        name=original.name,
        source="checkpoint",
        path=prefix,
        preprocessing=original.preprocessing(feeding, **changes),
        builder=original.family,
        options={**original.options, **options},
        task=original.task,
        group=original.group,
    )


def _convert(original: Entry, path: str) -> tuple[str, dict[str, Any]]:
    """A checkpoint in the cache with the tensors of a foreign file, and what it says about the input."""
    if not os.path.isfile(path):
        raise ModelFileError(f"{path}: no such file; give the weights of {original.id}.")
    from tfattr.zoo import convert

    prefix = cache.folder(original) / "converted" / file_digest(path)[:16] / Path(path).stem
    if not os.path.exists(f"{prefix}.index"):
        convert.write_checkpoint(convert.read(original.family, path), prefix)
    mean = convert.stored_mean(prefix)
    return str(prefix), {} if mean is None else {"mean": mean}
