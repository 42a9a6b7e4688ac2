"""Fixes: changes exact enough for an editor to make, and nearest names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

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

    The fix to the help of :func:`~ffebm_dsl.language.diagnostics.fix.did_you_mean`; None where
    no candidate is close, or several are as close.
    """
    close = closest(name, candidates)
    return replace(span, close[0]) if len(close) == 1 else None


MOST_COMPARED = 200
"""Candidates whose edit distance is computed."""


MOST_OFFERED = 3
"""Names that are offered for one; where more are as near, none is offered."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate closest to ``name``, the first of several; ``""`` where none is close."""
    return next(iter(closest(name, candidates)), "")


def closest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates closest to ``name``, which may be as close as one another.

    Equality but for case wins; after it the smallest edit distance, if it is at most a
    third of the name's length (and at least 1, but less than the whole name).
    """
    known = sorted(set(candidates))
    for candidate in known:
        if candidate.lower() == name.lower():
            return (candidate,)
    limit = min(max(len(name) // 3, 1), len(name) - 1)
    close = [c for c in known if abs(len(c) - len(name)) <= limit]
    # With thousands of names, a first letter is seldom wrong, and comparing all would take long.
    close.sort(key=lambda candidate: candidate[:1] != name[:1])
    ranks = {
        c: (_distance(name.lower(), c.lower()), not _letters_left_out(name, c))
        for c in close[:MOST_COMPARED]
    }
    best = min(ranks.values(), default=(limit + 1, True))
    return tuple(sorted(c for c in ranks if ranks[c] == best)) if best[0] <= limit else ()


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A sentence for a diagnostic's help: the nearest names, else the few names there are."""
    known = sorted(set(candidates))
    close = [f"`{candidate}`" for candidate in closest(name, known)]
    if 0 < len(close) <= MOST_OFFERED:
        *others, last = close
        return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
    if 0 < len(known) <= 12:
        return f"known here: {', '.join(known)}"
    return ""


def _letters_left_out(name: str, candidate: str) -> bool:
    """Whether ``name`` is ``candidate`` with letters left out, which is the more likely slip."""
    letters = iter(candidate)
    return all(letter in letters for letter in name)


def _distance(a: str, b: str) -> int:
    """Edit distance in which swapping two neighbours counts as one edit."""
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, char in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (char != other))
            if i > 1 and j > 1 and char == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
