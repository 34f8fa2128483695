"""The claims of the paper's supplementary material, each a function from cosines to a number and a sentence."""

from __future__ import annotations

from tfattr.claims.agreement import (
    SizeCurve,
    default_sizes,
    methods_agree,
    probe_insensitivity,
    sample_size_curve,
    size_insensitivity,
)
from tfattr.claims.claim import Claim, Number
from tfattr.claims.kinship import local_structure, newcomers, same_task

__all__ = [
    "Claim",
    "Number",
    "SizeCurve",
    "default_sizes",
    "local_structure",
    "methods_agree",
    "newcomers",
    "probe_insensitivity",
    "same_task",
    "sample_size_curve",
    "size_insensitivity",
]
