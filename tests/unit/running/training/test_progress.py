"""Progress is a bar on a terminal, and few plain lines elsewhere."""

from __future__ import annotations

import io

import pytest

from ffebm_dsl.running.training.progress import Bars, Lines, Progress, figures, progress_on


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(progress: Progress) -> None:
    progress.start_epoch(2, 3, 5, 1)
    for _ in range(4):
        progress.step(0.25, 0.5, 7.25)
    progress.evaluated("epoch 2/3: fine")
    progress.close()


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    progress = progress_on(stream)
    assert isinstance(progress, Bars)
    show(progress)
    shown = stream.getvalue()
    assert "epoch 2/3" in shown and "5/5" in shown and "epoch 2/3: fine" in shown
    assert "loss 0.2500, accuracy 50.0%, sweeps 7.2" in shown


def test_elsewhere_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("ffebm_dsl.running.training.progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    progress = progress_on(stream)
    assert isinstance(progress, Lines)
    progress.start_epoch(1, 1, 9, 0)
    for now in (3.0, 6.0, 9.0, 12.0, 15.0, 23.0):  # noqa: B007 - read by the clock
        progress.step(1.0, float("nan"), 2.0)
    progress.evaluated("quiet")
    assert stream.getvalue() == (
        "epoch 1/1 step 4/9: loss 1.0000, sweeps 2.0\nepoch 1/1 step 6/9: loss 1.0000, sweeps 2.0\n"
    )


def test_accuracy_is_left_out_where_it_has_no_meaning() -> None:
    assert figures(1.0, float("nan"), 3.0) == "loss 1.0000, sweeps 3.0"
