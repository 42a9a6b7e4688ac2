"""Progress on stderr: a bar on a terminal, else a plain line at most every ten seconds."""

from __future__ import annotations

import time
from typing import NoReturn, TextIO

from tqdm import tqdm

LINE_INTERVAL = 10.0
"""Seconds between plain lines where stderr is no terminal."""


class Progress:
    """Shows nothing; the base of what does."""

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int) -> None:
        """Epoch ``epoch`` (from 1) of ``epochs`` starts, ``done`` of its ``steps`` being done."""

    def step(self, loss: float, accuracy: float, sweeps: float) -> None:
        """A step is done, with the mean sweeps of its free phases."""

    def evaluated(self, text: str) -> None:
        """An evaluation is done."""

    def say(self, text: str) -> None:
        """Show a line between the others: a warning, a note."""

    def close(self) -> None:
        """Nothing more will be shown."""


class Bars(Progress):
    """A bar per epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int) -> None:
        self.close()
        self._bar = tqdm(
            total=steps,
            initial=done,
            desc=f"epoch {epoch}/{epochs}",
            unit="step",
            file=self._stream,
            dynamic_ncols=True,
        )

    def step(self, loss: float, accuracy: float, sweeps: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(figures(loss, accuracy, sweeps), refresh=False)
            self._bar.update()

    def evaluated(self, text: str) -> None:
        self.close()
        tqdm.write(text, file=self._stream)

    def say(self, text: str) -> None:
        tqdm.write(text, file=self._stream)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Lines(Progress):
    """Plain lines for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._heading = ""
        self._steps = self._done = 0
        self._last = time.monotonic()

    def start_epoch(self, epoch: int, epochs: int, steps: int, done: int) -> None:
        self._heading, self._steps, self._done = f"epoch {epoch}/{epochs}", steps, done

    def step(self, loss: float, accuracy: float, sweeps: float) -> None:
        self._done += 1
        position = f"{self._heading} step {self._done}/{self._steps}"
        self._line(f"{position}: {figures(loss, accuracy, sweeps)}")

    def evaluated(self, text: str) -> None:
        self._line(text)

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _line(self, text: str) -> None:
        if time.monotonic() - self._last >= LINE_INTERVAL:
            self._last = time.monotonic()
            print(text, file=self._stream, flush=True)


def figures(loss: float, accuracy: float, sweeps: float) -> str:
    """Loss, accuracy (unless it has no meaning) and sweeps, for one line."""
    shown = f"loss {loss:.4f}, "
    if accuracy == accuracy:
        shown += f"accuracy {accuracy:.1%}, "
    return f"{shown}sweeps {sweeps:.1f}"


def progress_on(stream: TextIO) -> Progress:
    """Bars where ``stream`` is a terminal, else plain lines."""
    return Bars(stream) if stream.isatty() else Lines(stream)
