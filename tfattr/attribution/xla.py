"""XLA where it compiles: tried on the first batch, compared with the plain function, left where it differs or fails."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfattr.errors import SettingsError
from tfattr.precision import accelerated
from tfattr.trunk import graph as g

if TYPE_CHECKING:
    from tfattr.trunk.trunk import Trunk

MODES = ("auto", "on", "off")
LEAST_COSINE = 1 - 1e-6  # of XLA's first results with the plain function's

_mode: contextvars.ContextVar[str] = contextvars.ContextVar("tfattr_xla", default="auto")
_lock = threading.Lock()
_taken: dict[tuple, bool] = {}  # architecture and function: whether XLA is used
_notes: dict[str, str] = {}  # architecture: what was found


@contextlib.contextmanager
def compiling(mode: str) -> Iterator[None]:
    """Maps that are computed in this block use XLA: ``on``, ``off``, or ``auto``, which tries it on a GPU only.

    On the CPU it takes longer to compile than it saves (docs/choices.md). Whether it is used is found out once for an
    architecture: XLA has to compile, and to give what the plain function gives (cosine at least 1 - 1e-6).

    Raises:
        SettingsError: another mode.
    """
    if mode not in MODES:
        raise SettingsError(f"xla is {mode!r}; expected one of {', '.join(MODES)}.")
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def note(trunk: Trunk) -> str | None:
    """What was found about XLA for a trunk's architecture, for ``run.json``; None where it was not tried."""
    with _lock:
        return _notes.get(trunk.architecture.key)


def wanted() -> bool:
    """Whether XLA is tried in this block, see :func:`compiling`."""
    mode = _mode.get()
    return mode == "on" or (mode == "auto" and accelerated())


def call(trunk: Trunk, key: tuple, make: Callable[[bool], Callable], x: tf.Tensor) -> Any:
    """``make(xla)(x)`` with XLA or without, as the mode and the first batch say; ``key`` names the function."""
    if not wanted():
        return make(False)(x)
    known = (trunk.architecture.key, key)
    with _lock:
        taken = _taken.get(known)
    if taken is not None:
        return make(taken)(x)
    plain = make(False)(x)
    try:
        cosine = _least_cosine(plain, make(True)(x))
        taken = cosine >= LEAST_COSINE
        said = (
            "used"
            if taken
            else f"not used: its first results differ from the plain function's (cosine {cosine:.7f})"
        )
    except (tf.errors.OpError, ValueError, NotImplementedError) as error:
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        taken, said = False, f"not used: it does not compile ({g.reason(error)})"
    with _lock:
        _taken[known] = taken
        if not taken or known[0] not in _notes:
            _notes[known[0]] = said
    return plain


def _least_cosine(plain: Any, other: Any) -> float:
    """Of two structures of tensors, tensor by tensor; 1 where both are zero, and where the same values are not finite."""
    least = 1.0
    for a, b in zip(tf.nest.flatten(plain), tf.nest.flatten(other)):
        a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return 0.0
        a, b = np.where(np.isfinite(a), a, 0), np.where(np.isfinite(b), b, 0)
        size = np.linalg.norm(a) * np.linalg.norm(b)
        least = min(least, float(a @ b / size) if size else float(np.array_equal(a, b)))
    return least
