"""Reading pickled arrays without running anything: only numpy's arrays, scalars and types are let in.

Python's own unpickler (not the one in C) goes through the file, and arrays are made here from their bytes. Nothing of
numpy is called with what the file says but ``frombuffer``, and no object but an array takes a state: the states
that numpy's own types accept can corrupt memory, and the unpickler in C fills memory at one turned bit.
"""

from __future__ import annotations

import io
import math
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from tfattr.compat.unpickler import PythonUnpickler
from tfattr.errors import ModelFileError


class _DType:
    """``numpy.dtype(code)`` of numbers, text or objects, and the byte order that its state names."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, (str, bytes)):
            raise pickle.UnpicklingError("it holds a type that is made of others")
        self.value = np.dtype(code.decode("latin1") if isinstance(code, bytes) else code)
        if self.value.kind not in "biufcSUO" or self.value.shape:
            raise pickle.UnpicklingError(f"it holds values of the type {self.value}")

    def __setstate__(self, state: tuple) -> None:
        order = state[1].decode() if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.value = self.value.newbyteorder(order)


class _Array:
    """An array to be: how numpy's ``_reconstruct`` begins one and its state completes it."""

    value: Any = None

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, content = state[-4:]  # in front of them a version, or nothing
        self.fill(content, dtype, shape, "F" if fortran else "C")

    def fill(self, content: Any, dtype: _DType, shape: tuple[int, ...], order: str) -> _Array:
        if dtype.value.hasobject:
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise pickle.UnpicklingError("it holds an array of objects that is not whole")
            self.value = np.empty(len(content), object)
            self.value[:] = content
            self.value = self.value.reshape(shape, order=order)
            return self
        if isinstance(content, str):
            content = content.encode("latin1")
        self.value = np.frombuffer(content, dtype.value).reshape(shape, order=order).copy(order="K")
        return self


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise pickle.UnpicklingError("it holds an array of another kind")
    return _Array()


def _scalar(dtype: _DType, content: Any = b"") -> _Array:
    if dtype.value.hasobject:
        raise pickle.UnpicklingError("it holds a scalar that is an object")
    found = _Array().fill(content, dtype, (1,), "C")
    found.value = found.value[0]
    return found


def _encode(text: str, encoding: str) -> bytes:
    """Python 2's byte strings as protocol 2 stores them: latin-1 text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


# What pickled numpy arrays and scalars name, in numpy 1 (numpy.core) and numpy 2 (numpy._core).
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = lambda *given: _Array().fill(*given)  # of protocol 5


class _ArraysOnly(PythonUnpickler):
    dispatch = dict(PythonUnpickler.dispatch)

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.length = len(content)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return _ALLOWED[module, name]

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _DType)) or not isinstance(state, tuple):
            raise pickle.UnpicklingError("it sets the state of what is no array")
        self.stack[-1].__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self) -> None:
        length = int.from_bytes(self.read(8), "little")
        if length > self.length:
            raise pickle.UnpicklingError("it states more bytes than it holds")
        self.append(bytearray(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def loads(content: bytes, where: str, *, boxed: bool = False) -> Any:
    """Containers (dict, list, tuple, str, numbers) and numpy arrays from a pickle; ``where`` names the file.

    Python 2 pickles are read as latin-1. ``boxed``: the value is the one element of an array of objects, as
    ``numpy.save`` stores a dictionary. Raises ModelFileError where the pickle holds anything else, arrays of
    objects included, or is damaged.
    """
    try:
        value = _ArraysOnly(content).load()
        box = value.value if boxed and isinstance(value, _Array) else None
        if isinstance(box, np.ndarray) and box.size == 1:
            value = box.item()
        return _opened(value, {})
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{where}: not read, because {_line(error)}; only arrays, numbers and plain containers are accepted."
        ) from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ModelFileError(
            f"{where}: a damaged or foreign pickle ({type(error).__name__}: {_line(error)}); fetch or copy it again."
        ) from error


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
        shape, _, dtype = header(stream)
        if not dtype.hasobject:
            if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
                raise ValueError(f"it states {shape} values of {dtype} and holds {len(content)} bytes")
            return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python text, which raises by what it is
        raise ModelFileError(
            f"{where}: not a whole .npy file ({_line(error)}); fetch or copy it again."
        ) from error
    return loads(content[stream.tell() :], where, boxed=True)


def _opened(value: Any, known: dict[int, Any]) -> Any:
    """Arrays in place of arrays to be. An array of objects could hide anything allowed without end."""
    if isinstance(value, _Array):
        if value.value is None or (isinstance(value.value, np.ndarray) and value.value.dtype.hasobject):
            raise pickle.UnpicklingError("it holds an array of objects, or one without values")
        return value.value
    if isinstance(value, (_DType, type)) or callable(value):
        raise pickle.UnpicklingError("it holds a type or a function")
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) in known:
        if known[id(value)] is None:
            raise pickle.UnpicklingError("it holds a container that holds itself")
        return known[id(value)]
    known[id(value)] = None
    if isinstance(value, dict):
        found: Any = {_opened(key, known): _opened(item, known) for key, item in value.items()}
    else:
        found = type(value)(_opened(item, known) for item in value)
    known[id(value)] = found
    return found


def _line(error: BaseException) -> str:
    """What an error says, in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]


def _read(path: str | os.PathLike[str]) -> bytes:
    where = os.fspath(path)
    if os.path.exists(where) and not os.path.isfile(where):
        raise ModelFileError(f"{where}: is no plain file; expected a file of weights.")
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ModelFileError(f"{where}: cannot be read ({error.strerror}); check the path.") from error
