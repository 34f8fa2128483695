"""Probe images: listed (``list_probe``), decoded to uint8 RGB (``read_photo``), surveyed: which can be read (``survey``)."""

from __future__ import annotations

from tfattr.probe.decoding import MAX_PIXELS, UnreadablePhotoError, read_photo
from tfattr.probe.listing import IMAGE_SUFFIXES, ProbeImage, list_probe
from tfattr.probe.reading import ProbeSurvey, SkippedImage, survey

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ProbeImage",
    "ProbeSurvey",
    "SkippedImage",
    "UnreadablePhotoError",
    "list_probe",
    "read_photo",
    "survey",
]
