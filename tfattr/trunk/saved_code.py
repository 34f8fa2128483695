"""SavedModels looked over before TensorFlow loads them: loading one runs parts of its graph."""

from __future__ import annotations

import os
from typing import Any

# The parser that loading uses, so that what is checked is what is loaded; it has no public name.
from tensorflow.python.saved_model import loader_impl

from tfattr.trunk import bundle, trust


def parse(path: str) -> Any:
    """The SavedModel protocol buffer of a folder, binary or text; OSError where there is none."""
    return loader_impl.parse_saved_model(path)


def check_saved_model(path: str, trusted: bool) -> None:
    """The variables of a SavedModel are whole, and what loading it runs only computes.

    Raises:
        ModelFileError: they are not, or it reaches out and ``trusted`` is not given.
        OSError: there is no SavedModel.
    """
    saved_model = parse(path)
    variables = os.path.join(path, "variables", "variables")
    if os.path.exists(variables + ".index"):
        bundle.check_checkpoint(variables)
    if not trusted:
        trust.refuse_at_load(saved_model, path)
