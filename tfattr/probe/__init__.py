"""Probe images: listed, decoded to uint8 RGB, cut to the centre square.

``list_probe`` finds them, ``survey`` says which are readable, ``photos`` streams their pixels.
"""

from __future__ import annotations

from tfattr.probe.decoding import MAX_PIXELS, UnreadablePhotoError, centre_square, read_photo
from tfattr.probe.listing import IMAGE_SUFFIXES, ProbeImage, list_probe
from tfattr.probe.reading import (
    Photo,
    PhotoStream,
    ProbeSurvey,
    SkippedImage,
    photos,
    survey,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Photo",
    "PhotoStream",
    "ProbeImage",
    "ProbeSurvey",
    "SkippedImage",
    "UnreadablePhotoError",
    "centre_square",
    "list_probe",
    "photos",
    "read_photo",
    "survey",
]
