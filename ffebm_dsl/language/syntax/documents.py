"""Documents: text with the places where it may be broken, for the formatter to fill lines with.

A document is text, a tuple of documents, or one of the classes below. A group is written on
one line where it fits; where it does not, its lines are filled or all broken. Words
carry the offset of their token in the source, by which comments are put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Word(NamedTuple):
    """Text whose token begins at offset ``at`` of the source."""

    text: str
    at: int


class LineEnd(NamedTuple):
    """A line end where its group is broken there, the text ``flat`` where it is not."""

    flat: str


class IfBroken(NamedTuple):
    """Text that is written only if all lines of its group are broken."""

    text: str


class Indent(NamedTuple):
    """A document whose lines begin one step further in."""

    inside: Document


class Fitted(NamedTuple):
    """A document that stays on one line where it fits.

    Where it does not, its words are filled into lines, which are broken at a space; a group
    that is not ``filled``, or that holds a comment, is broken at each of its lines.
    """

    inside: Document
    filled: bool = True


Document = str | tuple["Document", ...] | Word | LineEnd | IfBroken | Indent | Fitted

SPACE = LineEnd(" ")
NOTHING = LineEnd("")


def first_at(document: Document) -> int:
    """Offset of the document's first word."""
    return next(leaf.at for leaf in parts(document) if isinstance(leaf, Word))


def last_at(document: Document) -> int:
    """Offset of the document's last word."""
    leaves = parts(document, backwards=True)
    return next(leaf.at for leaf in leaves if isinstance(leaf, Word))


def flat(document: Document) -> str:
    """The document on one line."""
    if isinstance(document, str):
        return document
    if isinstance(document, Word):
        return document.text
    if isinstance(document, LineEnd):
        return document.flat
    if isinstance(document, IfBroken):
        return ""
    if isinstance(document, Indent | Fitted):
        return flat(document.inside)
    return "".join(map(flat, document))


def room_after(document: Document, room: int) -> int:
    """``room`` less the width of the document on one line; negative if it does not fit.

    No more of the document is read than ``room``: measured whole, each nested group would be
    read once per level.
    """
    for leaf in parts(document):
        room -= len(flat(leaf))
        if room < 0:
            break
    return room


def parts(
    document: Document, *, backwards: bool = False, groups: bool = False
) -> Iterator[str | Word | LineEnd | IfBroken | Fitted]:
    """The parts without parts of their own, in order or backwards; with ``groups``, a group is
    one part."""
    stack: list[Iterator[Document]] = [iter((document,))]
    while stack:
        part = next(stack[-1], None)
        if part is None:
            stack.pop()
        elif isinstance(part, Indent) or (isinstance(part, Fitted) and not groups):
            stack.append(iter((part.inside,)))
        elif isinstance(part, str | Word | LineEnd | IfBroken | Fitted):
            yield part
        else:
            stack.append(reversed(part) if backwards else iter(part))
