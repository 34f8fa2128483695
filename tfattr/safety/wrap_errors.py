"""Whatever goes wrong while a model file is opened becomes one sentence that names the file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from tfattr.errors import GraphError, ModelFileError, TfattrError
from tfattr.trunk import graph as g

_LONGEST = 2000  # characters: names in a hostile graph can be of any length


@contextlib.contextmanager
def wrap_errors(where: str, converting: bool = False) -> Iterator[None]:
    """Errors of any class from a damaged or hostile file leave as a TfattrError of one line that names it.

    ``converting``: the file has been read, and its graph is being made into a trunk; what fails then may be a limit of
    ours and is said as such.

    Raises:
        ModelFileError, GraphError: in place of an error of another class; the first cause stays chained (``--debug`` shows it).
    """
    try:
        yield
    except TfattrError as error:
        said = str(error) if where in str(error) else f"{where}: {error}"
        if str(error) != _line(said):
            raise type(error)(_line(said)) from error
        raise
    except MemoryError as error:
        raise ModelFileError(
            f"{where}: the model needs more memory than there is; the file is damaged, or too large for this machine."
        ) from error
    except (
        Exception
    ) as error:  # a damaged file makes TensorFlow, Keras, HDF5 and protobuf raise nearly anything
        reason = _line(f"{type(error).__name__}: {g.reason(error)}")[:300].rstrip(". :")
        if converting:
            raise GraphError(
                f"{where}: the graph could not be converted to a trunk ({reason}); if TensorFlow itself runs the model, this "
                "is a limit of tfattr: name an output before that operation, and report it."
            ) from error
        raise ModelFileError(
            f"{where}: the file cannot be used as a model ({reason}); it is damaged, or made for something else: "
            "fetch, copy or export it again."
        ) from error


def _line(text: str) -> str:
    """One line of printable characters and bounded length."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: repr(found[0])[1:-1], text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 4] + " ..."
