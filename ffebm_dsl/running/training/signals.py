"""Signals that request the end of a run, which then ends after its current step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """A possible request to end; ``signal_number`` is 0 until a signal arrives."""

    def __init__(self) -> None:
        self.signal_number = 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Note SIGINT, SIGTERM and SIGHUP within the context.

    Only the first one is noted. A second one has its usual effect, so that a run that hangs can be
    ended. A signal that is ignored at the start, such as SIGHUP under nohup, stays ignored. Outside
    the main thread, to which Python delivers signals, none is noted.
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
