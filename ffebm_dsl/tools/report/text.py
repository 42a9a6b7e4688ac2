"""Formatting of numbers and names. All texts from records are sanitised here."""

from __future__ import annotations

import math
import unicodedata

REPLACEMENT = "\ufffd"
ABSENT = "\u2013"
"""The text for a missing value."""

KEPT_CONTROLS = frozenset("\n\t")
LONGEST_NAME = 30


def printable(text: str) -> str:
    """The text without control characters, which are invalid in HTML and SVG.

    Characters that change the writing direction are removed too, since they could reorder the
    text next to a name.
    """
    return "".join(REPLACEMENT if _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    if character in KEPT_CONTROLS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """The name on one line, shortened in the middle to ``longest`` characters."""
    flat = " ".join(name.split())
    if len(flat) <= longest:
        return flat
    head = (longest - 1) // 2
    return f"{flat[:head]}\u2026{flat[-(longest - 1 - head) :]}"


def number(value: float, digits: int = 3) -> str:
    """Three significant digits; a dash for NaN."""
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
    """``1 block``, ``3 blocks``; ``plural`` is for irregular ones."""
    return f"{count} {word}" if count == 1 else f"{count} {plural or word + 's'}"
