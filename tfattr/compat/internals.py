"""What TensorFlow gives no public name: taken here and nowhere else, each held by a test in test_compat.py."""

from __future__ import annotations

from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def
from tensorflow.python.framework.ops import gradient_registry
from tensorflow.python.saved_model.loader_impl import parse_saved_model

__all__ = [
    "function_def_to_graph_def",  # a function's body as a GraphDef
    "gradient_registry",  # which operations have a gradient
    "op_def_registry",  # which operations this TensorFlow knows
    "parse_saved_model",  # the parser that loading uses, so that what is checked is what is loaded
]
