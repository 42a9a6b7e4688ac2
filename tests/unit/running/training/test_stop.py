"""The first signal is noted, the second one has its usual effect."""

from __future__ import annotations

import signal
import threading

import pytest

from ffebm_dsl.running.training.signals import SIGNALS, stop_on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_once(number: signal.Signals) -> None:
    before = [signal.getsignal(other) for other in SIGNALS]
    with stop_on_signals() as stop:
        assert not stop.signal_number
        signal.raise_signal(number)
        assert stop.signal_number == number
        assert [signal.getsignal(other) for other in SIGNALS] == before
    assert [signal.getsignal(other) for other in SIGNALS] == before


def test_a_second_interrupt_interrupts() -> None:
    with stop_on_signals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored() -> None:
    """A run under nohup does not end with the terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.signal_number
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_note_nothing() -> None:
    seen: list[bool] = []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append(bool(stop.signal_number))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
