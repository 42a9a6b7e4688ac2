"""Offsets in a text, and the lines and columns of the Language Server Protocol.

The protocol counts lines and columns from 0, and columns in the code units that client and
server agreed on: UTF-16 unless they chose another. A lone carriage return ends a line too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from ffebm_dsl.language.diagnostics import Span

_LINE_END = re.compile(r"\r\n|\n|\r")

UNITS: Mapping[str, Callable[[str], int]] = MappingProxyType(
    {
        "utf-8": lambda text: len(text.encode("utf-8", "surrogatepass")),
        "utf-16": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
        "utf-32": len,
    }
)
"""Encoding -> how many code units a text has."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Positions:
    """Both ways for one text, in one encoding."""

    text: str
    encoding: str = "utf-16"

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def place(self, offset: int) -> Place:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return line, UNITS[self.encoding](self.text[self._starts[line] : offset])

    def range(self, span: Span) -> tuple[Place, Place]:
        return self.place(span.start), self.place(span.end)

    def offset(self, line: int, column: int) -> int:
        """The offset of a place; past the end of a line or of the text, that end."""
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        after = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        words = _LINE_END.sub("", self.text[start:after])
        units = UNITS[self.encoding]
        for length in range(len(words) + 1):
            if units(words[:length]) >= column:
                return start + length
        return start + len(words)
