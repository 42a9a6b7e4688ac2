"""Signals that ask a run to end: they are noted, and the run ends after its step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Whether a signal has asked for the end; ``signal_number`` is 0 as long as none has."""

    def __init__(self) -> None:
        self.signal_number = 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Note SIGINT, SIGTERM and SIGHUP for the length of the context.

    The first one is noted. A second one acts as it would without this context, so that a
    run that hangs can still be ended. A signal that is ignored at the start, as nohup does
    with SIGHUP, stays ignored. Outside the main thread no signal is noted, for Python
    delivers them there.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    found = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in found.items() if handler != signal.SIG_IGN}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        for other, handler in before.items():
            signal.signal(other, handler)

    try:
        for number in before:
            signal.signal(number, note)
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
