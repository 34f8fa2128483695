"""Reads many probe images: unreadable ones are skipped by name, or stop the run; equal files are reported."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tfattr.errors import ProbeError
from tfattr.probe.decoding import MAX_PIXELS, UnreadablePhotoError, decode_photo, read_bytes, sha256
from tfattr.probe.listing import ProbeImage


@dataclass(frozen=True)
class Photo:
    """A readable probe image: its id, its pixels (uint8 RGB ``[H, W, 3]``) and its file's sha256."""

    id: str
    pixels: np.ndarray
    sha256: str


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


class PhotoStream:
    """Iterates over the readable photos of a list of probe images, in order, one at a time in memory.

    After (and during) an iteration ``skipped`` holds the unreadable images with their reasons, ``sha256``
    the hash of each file read, by id, and ``duplicates`` the groups of ids whose files are byte for byte
    equal. Each new iteration starts afresh. With ``workers`` threads, photos are decoded ahead; the order
    stays.
    """

    def __init__(
        self,
        images: Iterable[ProbeImage],
        *,
        strict: bool = False,
        workers: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.images = tuple(images)
        self.strict = strict
        self.workers = workers
        self.max_pixels = max_pixels
        self.skipped: list[SkippedImage] = []
        self.sha256: dict[str, str] = {}

    @property
    def duplicates(self) -> tuple[tuple[str, ...], ...]:
        groups: dict[str, list[str]] = {}
        for identity, digest in self.sha256.items():
            groups.setdefault(digest, []).append(identity)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def __iter__(self) -> Iterator[Photo]:
        self.skipped, self.sha256 = [], {}
        for image, outcome in self._outcomes():
            if isinstance(outcome, UnreadablePhotoError):
                if self.strict:
                    raise outcome
                self.skipped.append(SkippedImage(image.id, outcome.reason))
            else:
                self.sha256[image.id] = outcome.sha256
                yield outcome

    def _outcomes(self) -> Iterator[tuple[ProbeImage, Photo | UnreadablePhotoError]]:
        if self.workers < 1:
            for image in self.images:
                yield image, self._read(image)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque = deque()
            upcoming = iter(self.images)
            try:
                for image in itertools.islice(upcoming, 2 * self.workers):
                    waiting.append((image, pool.submit(self._read, image)))
                while waiting:
                    image, future = waiting.popleft()
                    outcome = future.result()
                    for following in itertools.islice(upcoming, 1):
                        waiting.append((following, pool.submit(self._read, following)))
                    yield image, outcome
            finally:
                for _, future in waiting:
                    future.cancel()

    def _read(self, image: ProbeImage) -> Photo | UnreadablePhotoError:
        try:
            data = read_bytes(image.path)
            return Photo(
                image.id,
                decode_photo(data, image.path, max_pixels=self.max_pixels, exif=image.exif),
                sha256(data),
            )
        except UnreadablePhotoError as error:
            return error


def photos(
    images: Iterable[ProbeImage], *, strict: bool = False, workers: int = 0, max_pixels: int = MAX_PIXELS
) -> PhotoStream:
    """Streams the readable photos of ``images``; see :class:`PhotoStream`.

    Raises (while iterating):
        UnreadablePhotoError: with ``strict``, at the first image that cannot be read.
    """
    return PhotoStream(images, strict=strict, workers=workers, max_pixels=max_pixels)


def survey(
    images: Sequence[ProbeImage], *, strict: bool = False, workers: int = 0, max_pixels: int = MAX_PIXELS
) -> ProbeSurvey:
    """Reads every image once and says which are readable, their sha256, which are skipped, which are equal.

    Raises:
        ProbeError: no image is readable, or, with ``strict``, one is not.
    """
    stream = photos(images, strict=strict, workers=workers, max_pixels=max_pixels)
    readable = {photo.id for photo in stream}
    if not readable:
        first = stream.skipped[0] if stream.skipped else SkippedImage("(none)", "the list is empty")
        raise ProbeError(
            f"none of the {len(stream.images)} probe images can be read; "
            f"the first, {first.id}, {first.reason}"
        )
    return ProbeSurvey(
        images=tuple(image for image in stream.images if image.id in readable),
        sha256=dict(stream.sha256),
        skipped=tuple(stream.skipped),
        duplicates=stream.duplicates,
    )
