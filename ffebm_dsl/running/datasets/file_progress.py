"""Progress of long operations on files, on stderr."""

from __future__ import annotations

import sys
from typing import NoReturn

from tqdm import tqdm


def say(text: str) -> None:
    """Print a line for the user."""
    print(text, file=sys.stderr, flush=True)


def bar(title: str, total: int, unit: str, done: int = 0) -> tqdm[NoReturn]:
    """A progress bar on a terminal, otherwise nothing. ``unit="B"`` is bytes, with prefixes."""
    return tqdm(
        desc=title,
        total=total,
        initial=done,
        unit=unit,
        unit_scale=True,
        unit_divisor=1000,
        file=sys.stderr,
        disable=None,
        dynamic_ncols=True,
        leave=False,
    )
