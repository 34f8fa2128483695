"""Python's unpickler that is written in Python: unlike the one in C it can be told what a state may be set of."""

from __future__ import annotations

from pickle import _Unpickler as PythonUnpickler  # no public name; held by a test in test_compat.py

__all__ = ["PythonUnpickler"]
