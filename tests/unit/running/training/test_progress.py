"""Progress is a bar on a terminal, and few plain lines elsewhere."""

from __future__ import annotations

import io
import re

import pytest

from ffebm_dsl.running.training.progress import Bars, Lines, Progress, Row, figures, progress_on


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def row(loss: float, accuracy: float, sweeps: float) -> Row:
    return {"loss": loss, "accuracy": accuracy, "free_sweeps": sweeps}


def show(progress: Progress) -> None:
    progress.start_epoch(2, 3, 5, 1, left=9)
    for _ in range(4):
        progress.step(row(0.25, 0.5, 7.25))
    progress.evaluated("epoch 2/3: fine", "test", {})
    progress.close()


@pytest.mark.parametrize(("columns", "sweeps"), [("80", False), ("120", True)])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, columns: str, sweeps: bool) -> None:
    """On 80 columns the bar keeps its ten, and neither accuracy nor the time left is cut."""
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    progress = progress_on(stream)
    assert isinstance(progress, Bars)
    show(progress)
    shown = stream.getvalue()
    assert "epoch 2/3" in shown and "5/5" in shown and "epoch 2/3: fine" in shown
    assert "|##########|" in shown
    assert ("loss 0.2500, accuracy 50.0%, sweeps 7.2" in shown) is sweeps
    assert f"0:00:00 left, loss 0.2500, {'accuracy' if sweeps else 'acc'} 50.0%" in shown
    assert max(len(line) for line in re.split(r"[\r\n]", shown)) <= int(columns)


def test_a_long_run_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    now = 0.0
    monkeypatch.setattr("ffebm_dsl.running.training.progress.time.monotonic", lambda: now)
    stream = Terminal()
    progress = progress_on(stream)
    progress.start_epoch(99, 100, 1875, 937, left=1875 + 938)
    now = 8.0
    progress.step(row(0.1234, 0.9876, 15.0))
    progress.close()
    last = re.split(r"[\r\n]", stream.getvalue().rstrip())[-1]
    assert last.endswith("6:14:56 left, loss 0.1234, acc 98.8%") and len(last) < 80


def test_elsewhere_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("ffebm_dsl.running.training.progress.time.monotonic", lambda: now)
    stream = io.StringIO()
    progress = progress_on(stream)
    assert isinstance(progress, Lines)
    progress.start_epoch(1, 1, 9, 0, left=9)
    for now in (3.0, 6.0, 9.0, 12.0, 15.0, 23.0):  # noqa: B007 - read by the clock
        progress.step(row(1.0, float("nan"), 2.0))
    assert stream.getvalue() == (
        "epoch 1/1 step 4/9: loss 1.0000, sweeps 2.0, 0:00:15 left\n"
        "epoch 1/1 step 6/9: loss 1.0000, sweeps 2.0, 0:00:12 left\n"
    )


def test_every_evaluation_has_its_line() -> None:
    stream = io.StringIO()
    progress = progress_on(stream)
    for number in range(40):
        progress.evaluated(f"epoch {number}", "test", {})
    assert len(stream.getvalue().splitlines()) == 40


def test_accuracy_is_left_out_where_it_has_no_meaning() -> None:
    assert figures(row(1.0, float("nan"), 3.0)) == "loss 1.0000, sweeps 3.0"
    assert figures(row(1.0, 0.5, 3.0), brief=True) == "loss 1.0000, acc 50.0%"
