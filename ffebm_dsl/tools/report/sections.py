"""The elements of a page as plain data: sections of sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ffebm_dsl.tools.report.figure import Figure

MOST_FIGURES = 120
"""Maximum per group: browsers cannot open a page of thousands of figures."""


@dataclass(frozen=True)
class PageTable:
    """A table with a header; cells are text. ``numeric`` columns are right-aligned."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Key:
    """An entry of a legend: its text, and the colour and style of its line."""

    text: str
    series: int
    dashed: bool = False
    wide: bool = False


@dataclass(frozen=True)
class SectionGroup:
    """Figures that belong together.

    A ``folded`` group is collapsed at first; a group ``by_three`` has at most three figures per
    row, for figures that come in threes.
    """

    title: str = ""
    sentences: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[PageTable] = ()
    facts: Sequence[tuple[str, str]] = ()
    listing: str = ""
    folded: bool = False
    by_three: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page. ``missing`` says why it is empty."""

    anchor: str
    title: str
    sentences: Sequence[str] = ()
    legend: Sequence[Key] = ()
    groups: Sequence[SectionGroup] = field(default_factory=tuple)
    missing: str = ""


T = TypeVar("T")


def limited(items: Sequence[T]) -> tuple[Sequence[T], tuple[str, ...]]:
    """The first items, as many as a group may have, and a sentence about the omitted ones."""
    if len(items) <= MOST_FIGURES:
        return items, ()
    return items[:MOST_FIGURES], (f"The first {MOST_FIGURES} of {len(items)} are shown.",)
