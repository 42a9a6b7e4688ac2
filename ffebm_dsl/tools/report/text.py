"""Numbers and names as a reader sees them. Whatever a record says passes through here."""

from __future__ import annotations

import math
import unicodedata

REPLACEMENT = "\ufffd"
ABSENT = "\u2013"
"""The text where there is no value."""

KEPT_CONTROLS = frozenset("\n\t")
LONGEST_NAME = 30


def printable(text: str) -> str:
    """The text without control characters, which neither HTML nor SVG can hold.

    Characters that turn the direction of writing go too: they would let a name rearrange
    the text beside it.
    """
    return "".join(REPLACEMENT if _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    if character in KEPT_CONTROLS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """The name on one line, its middle left out where it is longer than ``longest``."""
    flat = " ".join(name.split())
    if len(flat) <= longest:
        return flat
    head = (longest - 1) // 2
    return f"{flat[:head]}\u2026{flat[-(longest - 1 - head) :]}"


def number(value: float, digits: int = 3) -> str:
    """Three significant digits; a dash for what was not measured."""
    return f"{value:.{digits}g}" if math.isfinite(value) else ABSENT


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 07 s``, ``5 h 02 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return ABSENT
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def counted(count: int, word: str, plural: str = "") -> str:
    """``1 block``, ``3 blocks``; a plural that does not end so is given."""
    return f"{count} {word}" if count == 1 else f"{count} {plural or word + 's'}"
