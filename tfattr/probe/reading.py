"""Reads many probe images: unreadable ones are skipped by name, or stop the run; equal files are reported."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tfattr.errors import ProbeError
from tfattr.probe.decoding import UnreadablePhotoError, decode_photo, read_bytes, sha256
from tfattr.probe.listing import ProbeImage


@dataclass(frozen=True)
class SkippedImage:
    """A probe image that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class ProbeSurvey:
    """What a probe set holds: readable images in order, sha256 by id, skipped, equal files."""

    images: tuple[ProbeImage, ...]
    sha256: dict[str, str]
    skipped: tuple[SkippedImage, ...]
    duplicates: tuple[tuple[str, ...], ...]


def survey(images: Sequence[ProbeImage], *, strict: bool = False, workers: int = 1) -> ProbeSurvey:
    """Reads every image once and says which are readable, their sha256, which are skipped, which are equal.

    Raises:
        ProbeError: no image is readable, or, with ``strict``, one is not.
    """
    readable: list[ProbeImage] = []
    skipped: list[SkippedImage] = []
    groups: dict[str, list[str]] = {}
    pool = ThreadPoolExecutor(workers)
    try:
        for image, found in zip(images, pool.map(_digest, images)):
            if isinstance(found, str):
                readable.append(image)
                groups.setdefault(found, []).append(image.id)
            elif strict:
                raise found
            else:
                skipped.append(SkippedImage(image.id, found.reason))
    finally:
        pool.shutdown(cancel_futures=True)
    if not readable:
        first = skipped[0] if skipped else SkippedImage("(none)", "the list is empty")
        raise ProbeError(
            f"none of the {len(images)} probe images can be read; the first, {first.id}, {first.reason}"
        )
    digests = {identity: digest for digest, group in groups.items() for identity in group}
    return ProbeSurvey(
        images=tuple(readable),
        sha256={image.id: digests[image.id] for image in readable},
        skipped=tuple(skipped),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
    )


def _digest(image: ProbeImage) -> str | UnreadablePhotoError:
    """The file's sha256, of a photograph that can be read."""
    try:
        data = read_bytes(image.path)
        decode_photo(data, image.path, exif=image.exif)
        return sha256(data)
    except UnreadablePhotoError as error:
        return error
