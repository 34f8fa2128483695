"""What a user is told when an input cannot be used: one sentence, no traceback at the command line."""

from __future__ import annotations

_LONGEST = 400  # characters of a message that is not ours


class TfattrError(Exception):
    """Bad input, explained: which file, what was found, what was expected, what to do.

    Everything that a user can cause is raised as this class or a subclass of it; the command line
    prints the message alone (``--debug`` adds the traceback).
    """


class ModelFileError(TfattrError):
    """A checkpoint, graph or saved model cannot be read, or is not the model that was asked for."""


class GraphError(TfattrError):
    """A graph lacks a tensor or holds something that cannot become a trunk."""


class UnsupportedOpError(GraphError):
    """An attribution engine has no rule for an operation of the graph."""


class ConstantTargetError(GraphError):
    """What is attributed does not depend on the image (the sum of a softmax): its gradient is rounding noise."""


class AttributionWarning(UserWarning):
    """Another engine computes a model's maps, or an engine's maps mean nothing for it."""


class ProbeError(TfattrError):
    """Probe images are missing or unreadable."""


class RecordsError(TfattrError):
    """Attribution records are missing, damaged or belong to another run."""


class SettingsError(TfattrError):
    """A setting has a value that cannot be used, or disagrees with what is already on disk."""


class IncompleteError(TfattrError):
    """A command made what it could; the message lists what lacks and why."""


class MissingExtraError(TfattrError):
    """An optional dependency is not installed; the message names the extra to install."""


class MissingDataError(TfattrError):
    """Weights or photographs that a study needs are not on this machine."""


class WorkersError(TfattrError):
    """Processes that computed a run were lost, or their engine refuses."""


def sentence(error: BaseException, flags: str = "--strict --debug") -> str:
    """What a user is told of an error: its own words if it is one of ours, else its name and the ``flags`` that show more."""
    if isinstance(error, TfattrError):
        return str(error)
    text = " ".join(str(error).split())[:_LONGEST]
    return (
        f"{type(error).__name__}{f' ({text})' if text else ''}: this was not foreseen; the same command with {flags} "
        "shows where it happens."
    )
