"""Where a run is computed: this process, local processes with a device each, or a Beam runner's workers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tfattr.errors import SettingsError
from tfattr.runs.settings import RunSettings


class Engine(NamedTuple):
    """What :func:`tfattr.runs.attribution.attribute_zoo` and :func:`tfattr.runs.analysis.analyse` take.

    Attributes:
        runner: of maps.
        executor: of the affinity; None computes it in this process.
    """

    runner: Any
    executor: Any = None


@contextmanager
def open_engine(settings: RunSettings) -> Iterator[Engine]:
    """Opens the engine that ``runner``, ``runner_options`` and ``devices`` name.

    Raises:
        SettingsError: options that do not go together, or a device that is not known.
        MissingExtraError: Beam is not installed.
    """
    runner, devices = settings.runner, settings.devices
    if settings.runner_options and runner == "local":
        raise SettingsError("--runner-options are for --runner beam; the local runner has none.")
    if devices and runner != "local":
        raise SettingsError(f"--devices is for the local runner; the workers of {runner} take what they see.")
    if runner == "beam":
        from tfattr.runs.beam import BeamEngine, BeamOptions

        with BeamEngine(BeamOptions.parse(settings.runner_options)) as engine:
            yield Engine(engine.runner, engine)
    elif devices:
        from tfattr.runs.devices import DevicesRunner, check_devices

        yield Engine(functools.partial(DevicesRunner, check_devices(devices)))
    else:
        from tfattr.runs.attribution import LocalRunner

        yield Engine(LocalRunner)
