"""Reading pickled arrays without running anything: only numpy's arrays, scalars and types are let in."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from tfattr.errors import ModelFileError


def _encode(text: str, encoding: str) -> bytes:
    """Python 2's byte strings as protocol 2 stores them: latin-1 text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """How protocol 5 stores an array."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


# What pickled numpy arrays and scalars name, in numpy 1 (numpy.core) and numpy 2 (numpy._core). The makers
# of arrays and scalars are taken from numpy's own reductions, so that no private module is named as code.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = np.zeros(1).__reduce__()[0]
    _ALLOWED[f"{_core}.multiarray", "scalar"] = np.float64(0).__reduce__()[0]
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return _ALLOWED[module, name]


def loads(content: bytes, where: str, *, boxed: bool = False) -> Any:
    """Containers (dict, list, tuple, str, numbers) and numpy arrays from a pickle; ``where`` names the file.

    Python 2 pickles are read as latin-1. ``boxed``: the value is the one element of an array of objects, as
    ``numpy.save`` stores a dictionary. Raises ModelFileError where the pickle holds anything else, arrays of
    objects included, or is damaged.
    """
    try:
        value = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        if boxed and isinstance(value, np.ndarray) and value.size == 1:
            value = value.item()
        _refuse_objects(value)
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{where}: not read, because {error}; only arrays, numbers and plain containers are accepted."
        ) from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ModelFileError(
            f"{where}: a damaged or foreign pickle ({type(error).__name__}: {error}); fetch or copy it again."
        ) from error
    return value


def load(path: str | os.PathLike[str]) -> Any:
    """As :func:`loads`, from a file."""
    return loads(_read(path), os.fspath(path))


def load_npy(path: str | os.PathLike[str]) -> Any:
    """The array of an ``.npy`` file, or the one object that ``numpy.save`` pickled into it (a dictionary).

    Raises ModelFileError where it is neither, or holds more than arrays and plain containers.
    """
    where, content = os.fspath(path), _read(path)
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        _, _, dtype = header(stream)
        if not dtype.hasobject:
            return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ModelFileError(f"{where}: not a whole .npy file ({error}); fetch or copy it again.") from error
    return loads(content[stream.tell() :], where, boxed=True)


def _refuse_objects(value: Any) -> None:
    """Arrays of objects could hide anything allowed without end; none of the originals has one inside."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        raise pickle.UnpicklingError("it holds an array of objects")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _refuse_objects(item)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ModelFileError(
            f"{os.fspath(path)}: cannot be read ({error.strerror}); check the path."
        ) from error
