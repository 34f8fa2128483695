"""Ctrl-C and ``kill`` end a command in order: what is being written is removed, what is whole stays."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_SOON = 0.05  # seconds after which a signal that was dropped comes again
_AGAIN = 1.0  # seconds in which a second signal does not disturb the clearing up


class Stopped(BaseException):  # no Exception: nothing that mends errors shall mend this one
    """A signal asks this process to end.

    Attributes:
        status: what the process exits with, 128 + the signal's number.
        word: "interrupted" or "terminated".
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number
        self.word = _SIGNALS[signal.Signals(number)]


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise :class:`Stopped` in the main thread, where they were not ignored before.

    Whatever error the signal ends as (libraries turn what interrupts them into errors of their own), ``Stopped``
    leaves this context. Where the interpreter drops it (in a destructor, in the garbage collector), the signal is
    sent again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[float, Stopped]] = []

    def stop(number: int, _: object) -> None:
        if received and time.monotonic() - received[-1][0] < _AGAIN:
            return
        received.append((time.monotonic(), Stopped(number)))
        raise received[-1][1]

    hook, timers = sys.unraisablehook, []

    def dropped(what: Any) -> None:
        if isinstance(what.exc_value, Stopped):
            received.clear()
            number = what.exc_value.status - 128
            timers.append(threading.Timer(_SOON, os.kill, (os.getpid(), number)))
            timers[-1].start()
        else:
            hook(what)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, stop)
    sys.unraisablehook = dropped
    try:
        yield
    except BaseException as error:
        if received and not isinstance(error, Stopped):
            raise received[0][1] from error
        raise
    finally:
        sys.unraisablehook = hook
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
