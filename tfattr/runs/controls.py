"""Controls of an evaluation: networks that have learnt nothing, and the pixels alone."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfattr.affinity import ImageCosines
from tfattr.baselines import raw_pixel_cosines
from tfattr.errors import ProbeError, SettingsError
from tfattr.probe import ProbeSurvey, read_photo
from tfattr.records import RunManifest
from tfattr.runs.probes import survey_probe
from tfattr.trunk.preprocessing import Preprocessing
from tfattr.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class Randomised:
    """A loader that shuffles the values of each weight tensor of what the loader ``of`` gives."""

    of: Callable[[ModelSpec], Trunk] | None
    seed: int

    def __call__(self, spec: ModelSpec) -> Trunk:
        """The trunk with shuffled weights."""
        from tfattr.trunk.randomise import randomised

        return randomised(dataclasses.replace(spec, loader=self.of).load(), self.seed)


def probe_of(run: str | os.PathLike[str]) -> ProbeSurvey:
    """The probe images of a finished run, read again from where it had them.

    Raises:
        ProbeError: they are not there any more, or are others.
    """
    manifest = RunManifest.load(run)
    source = manifest.source
    if not source.get("probe"):
        raise ProbeError(
            f"{run}: its run.json does not say where the probe images are; run `tfattr run` again."
        )
    found = survey_probe(
        source["probe"],
        source.get("probe_root"),
        source.get("limit"),
        exif=manifest.settings.get("exif", "upright"),
    )
    same = [{"id": image.id, "sha256": found.sha256[image.id]} for image in found.images] == manifest.probe
    if not same:
        raise ProbeError(
            f"{source['probe']}: the probe images are not those that {run} was made from; put them back, or make a new run."
        )
    return found


def raw_pixels(run: str | os.PathLike[str], grid: tuple[int, int] | None = None) -> ImageCosines:
    """Cosines between the models' fed images (gradient * input with a gradient of 1), from a run's probe images.

    Raises:
        ProbeError: the images are not there any more.
    """
    manifest, survey = RunManifest.load(run), probe_of(run)
    frames = {model: _frame(stated["preprocessing"]) for model, stated in manifest.models.items()}
    distinct = {_text(frame): frame for frame in frames.values()}

    def fed() -> Iterator[tuple[str, list[np.ndarray]]]:
        for image in survey.images:
            photo = [read_photo(image.path, exif=image.exif)]
            made = {text: frame(photo)[0] for text, frame in distinct.items()}
            yield image.id, [made[_text(frame)] for frame in frames.values()]

    return raw_pixel_cosines(tuple(frames), fed(), grid)


def _frame(stated: Mapping[str, Any]) -> Preprocessing:
    try:
        return Preprocessing.from_dict(dict(stated))
    except TypeError as error:
        raise SettingsError(
            f"run.json: a preprocessing of another tfattr ({error}); make a new run."
        ) from error


def _text(frame: Preprocessing) -> str:
    return json.dumps(frame.to_dict(), sort_keys=True)


def randomised_zoo(models: Iterable[ModelSpec | Trunk], seed: int = 0) -> list[ModelSpec | Trunk]:
    """The models with shuffled weights, each by a seed of its own; specs shuffle when they are loaded."""
    from tfattr.trunk.randomise import randomised

    return [
        dataclasses.replace(model, loader=Randomised(model.loader, seed + number))
        if isinstance(model, ModelSpec)
        else randomised(model, seed + number)
        for number, model in enumerate(models)
    ]


def random_control(run: Path) -> ImageCosines | None:
    """The cosines of ``<run>/controls/random``, a run of the same zoo with shuffled weights, if it was made."""
    path = Path(run) / "controls" / "random" / "affinity_images.npz"
    return ImageCosines.load(path) if path.exists() else None


__all__ = ["Randomised", "probe_of", "random_control", "randomised_zoo", "raw_pixels"]
