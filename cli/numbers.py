"""The ranges of the numbers that options take."""

from __future__ import annotations

import typer

LARGEST = 2**31 - 1
"""Largest whole number of an option, as in the text of a spec."""

MOST_THREADS = 1024
"""Largest number of CPU threads: the system may refuse more, which ends the process."""

MOST_SECONDS = 1e12


def seconds(text: str) -> float:
    """The number of seconds that an option gives, from 0 to :data:`MOST_SECONDS`.

    Typer's own range of reals would let NaN pass.

    Raises:
        typer.BadParameter: no number, or one outside the range.
    """
    try:
        value = float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number.") from None
    if not 0 <= value <= MOST_SECONDS:
        raise typer.BadParameter(f"{value:g} is not in the range 0<=x<={MOST_SECONDS:g}.")
    return value
