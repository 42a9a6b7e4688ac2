"""Widths of texts, without access to the font.

They are computed from the advance widths of Helvetica, in thousandths of the font size, which are
those of Arial and Liberation Sans too, the fonts of :mod:`~ffebm_dsl.tools.drawing.svg`. Some slack
is added for other fonts.
"""

from __future__ import annotations

from collections.abc import Iterable

_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 "
    "556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 "
    "667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 "
    "556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_ASCII = dict(zip(map(chr, range(32, 127)), map(int, _WIDTHS.split()), strict=True))
_SLACK = 1.06
_BOLD = 1.08


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text at a font size, in the unit of the size."""
    units = sum(_ASCII.get(char, 1000) for char in text)
    return units / 1000 * size * _SLACK * (_BOLD if bold else 1)


def fitted(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """``text``, truncated with an ellipsis if it is wider than ``room``."""
    if width(text, size, bold=bold) <= room:
        return text
    while text and width(f"{text}\u2026", size, bold=bold) > room:
        text = text[:-1]
    return f"{text}\u2026"


def wrapped(parts: Iterable[str], room: float, size: float) -> tuple[str, ...]:
    """The parts joined into as many lines of width ``room`` as necessary."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} {part}" if lines else part
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return tuple(lines)
