"""Progress on stderr: a bar on a terminal, else plain lines, steps at most every ten seconds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TextIO

from tqdm import tqdm

Row = Mapping[str, Any]
"""A row of a table of the record: values by column."""

LINE_INTERVAL = 10.0
"""Minimum seconds between lines on steps if stderr is not a terminal."""

NARROW = 90
"""Number of columns below which the bar is brief."""

BAR = "{desc} {percentage:3.0f}%|{bar:10}|{n_fmt}/{total_fmt}{postfix}"


class Progress:
    """Shows nothing itself, and passes everything on to its ``parts``."""

    parts: Sequence[Progress] = ()

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int, left: int) -> None:
        """Epoch ``epoch`` (from 1) of ``epochs`` starts after ``done`` of its ``steps``.

        ``left`` is the number of steps to the end of the run.
        """
        for part in self.parts:
            part.start_epoch(epoch, epochs, steps, done, left)

    def step(self, row: Row) -> None:
        """A step is done; ``row`` is its row in ``/run/train``."""
        for part in self.parts:
            part.step(row)

    def evaluated(self, text: str, on: str, row: Row) -> None:
        """An evaluation on the set ``on`` is done; ``row`` is its row in ``/run/eval``."""
        for part in self.parts:
            part.evaluated(text, on, row)

    def tested(self, row: Row) -> None:
        """The final evaluation on the test set is done; ``row`` is its row in ``/run/test``."""
        for part in self.parts:
            part.tested(row)

    def say(self, text: str) -> None:
        """Show a line: a warning or a note."""
        for part in self.parts:
            part.say(text)

    def close(self) -> None:
        """Nothing more follows."""
        for part in self.parts:
            part.close()


class Clock:
    """The estimated remaining time of work in steps, at the mean pace so far."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._done = self._left = 0

    def expect(self, left: int) -> None:
        """``left`` steps are left."""
        self._left = left

    def step(self) -> str:
        """Count a step; return ``1:02:03 left``, with evaluations and saves so far included."""
        self._done, self._left = self._done + 1, self._left - 1
        seconds = (time.monotonic() - self._begin) / self._done * max(self._left, 0)
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02} left"


class Bars(Progress):
    """A bar per epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._clock = stream, Clock()
        self._bar: tqdm[NoReturn] | None = None

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int, left: int) -> None:
        self.close()
        self._clock.expect(left)
        self._bar = tqdm(
            total=steps,
            initial=done,
            desc=f"epoch {epoch}/{epochs}",
            file=self._stream,
            bar_format=BAR,
            dynamic_ncols=True,
        )

    def step(self, row: Row) -> None:
        left = self._clock.step()
        if self._bar is not None:
            narrow = shutil.get_terminal_size().columns < NARROW
            shown = figures(row, brief=narrow)
            self._bar.set_postfix_str(f"{left}, {shown}", refresh=False)
            self._bar.update()

    def evaluated(self, text: str, on: str, row: Row) -> None:
        self.close()
        tqdm.write(text, file=self._stream)

    def say(self, text: str) -> None:
        tqdm.write(text, file=self._stream)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Lines(Progress):
    """Plain lines for logs: every evaluation, and a step from time to time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._clock = stream, Clock()
        self._heading = ""
        self._steps = self._done = 0
        self._last = time.monotonic()

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int, left: int) -> None:
        self._heading, self._steps, self._done = f"epoch {epoch}/{epochs}", steps, done
        self._clock.expect(left)

    def step(self, row: Row) -> None:
        self._done += 1
        left = self._clock.step()
        if time.monotonic() - self._last >= LINE_INTERVAL:
            self._last = time.monotonic()
            position = f"{self._heading} step {self._done}/{self._steps}"
            self.say(f"{position}: {figures(row)}, {left}")

    def evaluated(self, text: str, on: str, row: Row) -> None:
        self.say(text)

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def figures(row: Row, *, brief: bool = False) -> str:
    """A step in one line: loss, accuracy unless undefined, sweeps unless brief."""
    accuracy = row["accuracy"]
    shown = [f"loss {row['loss']:.4f}"]
    if accuracy == accuracy:
        shown.append(f"{'acc' if brief else 'accuracy'} {accuracy:.1%}")
    if not brief:
        shown.append(f"sweeps {row['free_sweeps']:.1f}")
    return ", ".join(shown)


def progress_on(stream: TextIO) -> Progress:
    """Bars if ``stream`` is a terminal, otherwise plain lines."""
    return Bars(stream) if stream.isatty() else Lines(stream)
