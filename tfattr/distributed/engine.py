"""Where a run is computed: this process, local processes with a device each, or a Beam runner's workers."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from tfattr.errors import SettingsError

RUNNERS = ("local", "beam")


class Engine(NamedTuple):
    """What :func:`tfattr.runs.attribution.attribute_zoo` and :func:`tfattr.runs.analysis.analyse` take.

    Attributes:
        runner: of maps.
        executor: of the affinity; None computes it in this process.
    """

    runner: Any
    executor: Any = None


@contextmanager
def open_engine(
    runner: str = "local", options: Sequence[str] = (), devices: Sequence[str] = ()
) -> Iterator[Engine]:
    """Opens an engine by the names of the command line.

    Args:
        runner: one of ``RUNNERS``.
        options: ``KEY=VALUE``, see :meth:`tfattr.distributed.options.BeamOptions.parse`.
        devices: ``cpu``, ``gpu:0``, ...: a process each, to which models are handed out; local runs only.

    Raises:
        SettingsError: options that do not go together, or a device that is not known.
        MissingExtraError: Beam is not installed.
    """
    if runner not in RUNNERS:
        raise SettingsError(f"--runner {runner}: expected one of {', '.join(RUNNERS)}.")
    if options and runner == "local":
        raise SettingsError("--runner-options are for --runner beam; the local runner has none.")
    if devices and runner != "local":
        raise SettingsError(f"--devices is for the local runner; the workers of {runner} take what they see.")
    if runner == "beam":
        from tfattr.distributed.beam import BeamEngine
        from tfattr.distributed.options import BeamOptions

        with BeamEngine(BeamOptions.parse(options)) as engine:
            yield Engine(engine.runner, engine)
        return
    from tfattr.runs.attribution import LocalRunner

    if devices:
        from tfattr.runs.devices import DevicesRunner, check_devices

        yield Engine(functools.partial(DevicesRunner, check_devices(devices)))
    else:
        yield Engine(LocalRunner)
