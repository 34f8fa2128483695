"""Loops of tests that must not be empty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

One = TypeVar("One")


def some(found: Iterable[One]) -> list[One]:
    """What was found, as a list; fails if it is nothing, so that a loop of assertions over it asserts something."""
    listed = list(found)
    assert listed, "nothing was found to check"
    return listed
