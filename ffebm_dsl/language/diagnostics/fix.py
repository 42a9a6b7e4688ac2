"""A change of the text that mends a fault, exact enough for an editor to make it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ffebm_dsl.language.diagnostics.nearest import closest
from ffebm_dsl.language.diagnostics.source import Span


class Edit(NamedTuple):
    """Replace ``span`` by ``text``; an empty span inserts, an empty text removes."""

    span: Span
    text: str


class Fix(NamedTuple):
    """Edits that together mend one fault. They do not overlap.

    ``title`` is an order in a few words, such as ``write `conv2d```. The spans are places
    in the text of the diagnostic that carries the fix. A diagnostic has a fix only where
    its help names one change that is certain to mend it.
    """

    title: str
    edits: tuple[Edit, ...]

    def apply(self, text: str) -> str:
        """``text`` with the edits made."""
        for span, replacement in sorted(self.edits, reverse=True):
            text = text[: span.start] + replacement + text[span.end :]
        return text


def replace(span: Span, text: str) -> Fix:
    """Write ``text`` in the place of ``span``."""
    return Fix(f"write `{text}`", (Edit(span, text),))


def insert(offset: int, text: str) -> Fix:
    """Write ``text`` at ``offset``."""
    return Fix(f"insert `{text.strip()}`", (Edit(Span(offset, offset), text),))


def respell(span: Span, name: str, candidates: Iterable[str]) -> Fix | None:
    """Write the nearest of ``candidates`` for the ``name`` at ``span``.

    The fix to the help of :func:`~ffebm_dsl.language.diagnostics.nearest.did_you_mean`; None where
    no candidate is close, or several are as close.
    """
    close = closest(name, candidates)
    return replace(span, close[0]) if len(close) == 1 else None
