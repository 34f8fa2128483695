"""Where a run is computed: this process, a process for each of several devices, or a Beam runner's workers."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import pickle
import re
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tfattr.errors import SettingsError, WorkersError
from tfattr.extensions import import_extensions
from tfattr.runs.settings import RunSettings

# Nothing here may import TensorFlow at module level: a process chooses its device before that.
if TYPE_CHECKING:
    from tqdm import tqdm

    from tfattr.probe import ProbeSurvey
    from tfattr.runs.plan import Plan, Work
    from tfattr.runs.workers import Task
    from tfattr.trunk.trunk import Trunk

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_THREADS = "TF_NUM_INTRAOP_THREADS"


def check_devices(devices: Sequence[str]) -> tuple[str, ...]:
    """The devices, checked for form: ``cpu`` or ``gpu:N``.

    Raises:
        SettingsError: one is neither, or a GPU is named twice.
    """
    for device in devices:
        if not re.fullmatch(r"cpu|gpu:\d+", device):
            raise SettingsError(f"--devices: found {device!r}, expected cpu or gpu:N (gpu:0,gpu:1).")
        if device != "cpu" and list(devices).count(device) > 1:
            raise SettingsError(f"--devices: {device} is named twice; its memory is for one process.")
    return tuple(devices)


def environment(device: str, cpus: int, before: dict[str, str]) -> dict[str, str]:
    """The variables that give a process its device.

    Args:
        device: ``cpu`` or ``gpu:N``, N counting those that this process may see.
        cpus: processes that share the processor's cores.
        before: the variables of this process.

    Raises:
        SettingsError: CUDA_VISIBLE_DEVICES shows fewer GPUs.
    """
    if device == "cpu":
        threads = before.get(_THREADS) or str(max(1, (os.cpu_count() or 1) // cpus))
        return {_VISIBLE: "-1", _THREADS: threads}
    number, shown = int(device.partition(":")[2]), before.get(_VISIBLE)
    if shown is None:
        return {_VISIBLE: str(number)}
    names = [name for name in shown.split(",") if name and name != "-1"]
    if number >= len(names):
        raise SettingsError(
            f"--devices: there is no {device}; {_VISIBLE}={shown} shows {len(names)} GPUs to this process."
        )
    return {_VISIBLE: names[number]}


class DevicesRunner:
    """A process a device, models handed out to whichever is free; for ``attribute_zoo(runner=...)``.

    Args:
        devices: see :func:`check_devices`.
        plan, survey, bar: see :class:`tfattr.runs.attribution.LocalRunner`.
    """

    def __init__(self, devices: Sequence[str], plan: Plan, survey: ProbeSurvey, bar: tqdm) -> None:
        from tfattr.runs.workers import ShardWatch

        self._devices, self._plan = devices, plan
        self._payload = pickle.dumps((plan, tuple(survey.images)))
        self._watch = ShardWatch(plan, bar)
        self._futures: list[Future] = []
        self._models: list[str] = []

    def __enter__(self) -> DevicesRunner:
        from tfattr.runs.workers import remove_trunks

        remove_trunks(self._plan.out)
        spawn = multiprocessing.get_context("spawn")
        chosen: Any = spawn.Queue()
        for device in self._devices:
            variables = environment(device, self._devices.count("cpu"), dict(os.environ))
            chosen.put((device, variables))
        self._pool = ProcessPoolExecutor(len(self._devices), spawn, _begin, (chosen, self._payload))
        self._watch.__enter__()
        return self

    def submit(self, trunk: Trunk, works: list[Work]) -> None:
        from tfattr.runs.workers import Task, save_trunk

        task = Task(trunk.name, save_trunk(self._plan.out, trunk), tuple(works))
        self._models.append(trunk.name)
        self._watch.expect(trunk.name, works)
        with _told_if_lost():
            self._futures.append(self._pool.submit(_perform, task))
        self._collect(most=2 * len(self._devices))  # trunks that wait as files

    def __exit__(self, kind: Any, *_: object) -> None:
        from tfattr.runs.workers import record_outcome, remove_trunks

        try:
            if kind is None:
                self._collect(most=0)
                for model in self._models:
                    record_outcome(self._plan, model)
        finally:
            remove_trunks(self._plan.out)  # so that what still runs stops at its next shard
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._watch.__exit__()

    def _collect(self, most: int) -> None:
        """Waits until at most ``most`` tasks are open; raises what a task raised."""
        while True:
            done = [future for future in self._futures if future.done()]
            self._futures = [future for future in self._futures if future not in done]
            with _told_if_lost():
                for future in done:
                    future.result()
            if len(self._futures) <= most:
                return
            wait(self._futures, return_when=FIRST_COMPLETED)


@contextmanager
def _told_if_lost() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise WorkersError(
            "a process of --devices was killed (the system does that when memory is short); what is done is kept, the "
            "same command continues."
        ) from error


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
        yield Engine(functools.partial(DevicesRunner, check_devices(devices)))
    else:
        from tfattr.runs.attribution import LocalRunner

        yield Engine(LocalRunner)


# What follows runs in the processes.

_here: dict[str, Any] = {}


def _begin(chosen: Any, payload: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the run
    threading.Thread(target=_end_with_parent, daemon=True).start()
    device, variables = chosen.get()
    os.environ.update(variables)
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3":  # as the command line's own process keeps quiet
        warnings.simplefilter("ignore")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import_extensions()
    from tfattr.runs.feed import Feed

    plan, images = pickle.loads(payload)
    _here.update(device=device, plan=plan, feed=Feed(images).__enter__())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _perform(task: Task) -> None:
    import tensorflow as tf

    from tfattr.precision import grow_memory
    from tfattr.runs.workers import perform

    grow_memory()
    device = _here["device"]
    if device != "cpu" and not tf.config.list_physical_devices("GPU"):
        raise SettingsError(
            f"--devices: TensorFlow finds no {device} ({_VISIBLE}={os.environ[_VISIBLE]}); name one that is there, "
            "or cpu."
        )
    perform(task, _here["plan"], _here["feed"])
